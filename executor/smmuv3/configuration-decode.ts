/**
 * What legal Stream table entries and Context descriptors mean for translation (IHI 0070, 5.2, 5.4).
 */
import { isDisabled, stage1RegimeOf } from './context-descriptor.ts';
import type { Cd, Half } from './context-descriptor.ts';
import type {
  Configuration,
  ConfigurationRegisters,
  Stage1,
  Stage2,
  StreamConfiguration,
} from './configuration-result.ts';
import type { Identity } from './identity.ts';
import {
  effectiveEats,
  isAborted,
  stage2Enabled,
  stage2RegimeOf,
  streamWorldOf,
  usesVmid,
} from './stream-table-entry.ts';
import type { Ste } from './stream-table-entry.ts';

/** The configuration by a legal Stream table entry, without stage 1. */
export function configurationOf(
  ste: Ste,
  { identity, registers }: { readonly identity: Identity; readonly registers: ConfigurationRegisters },
): Configuration {
  if (isAborted(ste)) return { kind: 'abort', ste };
  const overrides = identity.ATTR_PERMS_OVR;
  const common: StreamConfiguration = {
    ste,
    world: streamWorldOf(ste, identity, registers.e2h),
    vmid: usesVmid(ste, identity) ? ste.S2VMID : undefined,
    eats: effectiveEats(ste, identity, registers.atsCheck),
    privilege: overridden(overrides ? ste.PRIVCFG : 0, 'unprivileged', 'privileged'),
    instruction: overridden(overrides ? ste.INSTCFG : 0, 'data', 'instruction'),
    pasidInAutoResponses: ste.PPAR || identity.PPS,
    mergeEvents: ste.MEV,
    stage1Skipped: false,
  };
  if (ste.Config === 0b100) return { ...common, kind: 'bypass' };
  const stage2 = stage2Enabled(ste) ? stage2Of(ste, identity) : undefined;
  return { ...common, kind: 'translate', ...(stage2 === undefined ? {} : { stage2 }) };
}

/** PRIVCFG and INSTCFG: codes 0 and 1 leave the incoming attribute. */
function overridden<No, Yes>(code: number, no: No, yes: Yes): 'incoming' | No | Yes {
  if (code < 0b10) return 'incoming';
  return code === 0b10 ? no : yes;
}

/** S1DSS = 01: as though Config were 1x0, but for EATS. */
export function withoutStage1(configuration: Extract<Configuration, { kind: 'translate' }>): Configuration {
  const skipped = { ...configuration, stage1Skipped: true };
  return configuration.stage2 === undefined ? { ...skipped, kind: 'bypass' } : skipped;
}

function stage2Of(ste: Ste, identity: Identity): Stage2 | undefined {
  const result = stage2RegimeOf(ste, identity);
  if (result?.ok !== true) return undefined;
  return {
    regime: result.regime,
    vmid: ste.S2VMID,
    record: ste.S2R,
    stall: ste.S2S,
    protectedTableWalk: ste.S2PTW && ste.Config === 0b111,
  };
}

/** Stage 1 by a legal Context descriptor. */
export function stage1Of(cd: Cd, { world }: StreamConfiguration, identity: Identity): Stage1 {
  const regime = (half: Half) => {
    const result = isDisabled(cd, half, world) ? undefined : stage1RegimeOf(cd, half, world, identity);
    return result?.ok === true ? result.regime : undefined;
  };
  return {
    cd,
    asid: cd.ASID,
    lower: regime('lower'),
    upper: regime('upper'),
    abort: cd.A,
    record: cd.R,
    stall: cd.S,
  };
}
