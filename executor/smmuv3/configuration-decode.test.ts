import { describe, expect, it } from 'vitest';
import { bench, look, putCd, putL1Std, putNested, putSte, strtab } from './configuration.fixture.ts';
import type { Identity } from './identity.ts';
import { defaultIdentity, identityWith, svaIdentity } from './identity.ts';

describe('stages', () => {
  it('of an aborted stream are none, and no event, whatever the SubstreamID', () => {
    const smmu = bench();
    putSte(smmu, strtab, { Config: 0b000, S2VMID: 1 });
    expect(look(smmu, 0, 3)).toMatchObject({ ok: true, configuration: { kind: 'abort', ste: { S2VMID: 1 } } });
  });

  it('of a bypass are none; a SubstreamID is bad', () => {
    const smmu = bench();
    putSte(smmu, strtab, { Config: 0b100, S1CDMax: 5 });
    expect(look(smmu, 0)).toMatchObject({
      ok: true,
      configuration: { kind: 'bypass', eats: 'none', vmid: undefined, stage1Skipped: false },
    });
    expect(look(smmu, 0, 0)).toMatchObject({ event: { name: 'C_BAD_SUBSTREAMID', sid: 0, ssid: 0 }, recorded: true });
  });

  it('of stage 2 alone need no Context descriptor; a SubstreamID is bad', () => {
    const smmu = bench();
    putNested(smmu, strtab, { Config: 0b110, S1CDMax: 5, S2VMID: 7, S2R: true, S2PTW: true, S1ContextPtr: 0n });
    const found = look(smmu, 0);
    expect(found).toMatchObject({
      ok: true,
      configuration: {
        kind: 'translate',
        vmid: 7,
        stage2: { vmid: 7, record: true, stall: false, protectedTableWalk: false, regime: { stage: 2, inputBits: 40 } },
      },
    });
    expect(found).not.toHaveProperty('configuration.stage1');
    expect(look(smmu, 0, 1)).toMatchObject({ event: { name: 'C_BAD_SUBSTREAMID', ssid: 1 } });
  });

  it('of stage 1 have their fields from the Context descriptor', () => {
    const smmu = bench();
    putSte(smmu, strtab, { S2VMID: 3, S1CDMax: 0 });
    putCd(smmu, 0x2_0000n, { ASID: 0x1234, S: true, R: false, A: false });
    const found = look(smmu, 0);
    expect(found).toMatchObject({
      ok: true,
      configuration: {
        kind: 'translate',
        world: 'NS-EL1',
        vmid: 3,
        stage1: {
          asid: 0x1234,
          cd: { ASID: 0x1234 },
          lower: { stage: 1, inputBits: 39, base: 0x8000n },
          upper: undefined,
          abort: false,
          record: false,
          stall: true,
        },
      },
    });
    expect(found).not.toHaveProperty('configuration.stage2');
    putCd(smmu, 0x3_0000n, { A: true, R: true, EPD0: true, EPD1: false, TG1: 2, T1SZ: 16 });
    putSte(smmu, strtab + 64n, { S1ContextPtr: 0x3_0000n });
    expect(look(smmu, 1)).toMatchObject({
      configuration: {
        stage1: { lower: undefined, upper: { upper: true, inputBits: 48 }, abort: true, record: true, stall: false },
      },
    });
  });

  it('of EL2 have no VMID and no upper half', () => {
    const smmu = bench();
    putSte(smmu, strtab, { STRW: 2, S2VMID: 3 });
    putCd(smmu, 0x2_0000n, { EPD0: true, EPD1: false });
    expect(look(smmu, 0)).toMatchObject({
      configuration: { world: 'EL2', vmid: undefined, stage1: { lower: { twoPrivileges: false }, upper: undefined } },
    });
    smmu.registers.e2h = true;
    smmu.cache.clear();
    putCd(smmu, 0x2_0000n, { EPD0: true, EPD1: false, TG1: 2, T1SZ: 16 });
    expect(look(smmu, 0)).toMatchObject({
      configuration: { world: 'EL2-E2H', vmid: undefined, stage1: { lower: undefined, upper: { upper: true } } },
    });
  });

  it('have overrides where they are implemented', () => {
    const smmu = bench();
    const overrides = (PRIVCFG: number, INSTCFG: number, identity: Partial<Identity> = {}) => {
      const other = bench({ identity: identityWith(identity, svaIdentity) });
      putSte(other, strtab, { Config: 0b100, PRIVCFG, INSTCFG });
      const found = look(other, 0);
      return found.ok && found.configuration.kind === 'bypass'
        ? [found.configuration.privilege, found.configuration.instruction]
        : found;
    };
    expect(overrides(0, 0)).toEqual(['incoming', 'incoming']);
    expect(overrides(1, 1)).toEqual(['incoming', 'incoming']);
    expect(overrides(2, 2)).toEqual(['unprivileged', 'data']);
    expect(overrides(3, 3)).toEqual(['privileged', 'instruction']);
    expect(overrides(3, 3, { ATTR_PERMS_OVR: false })).toEqual(['incoming', 'incoming']);
    putSte(smmu, strtab, { Config: 0b100, MEV: true });
    expect(look(smmu, 0)).toMatchObject({ configuration: { mergeEvents: true, pasidInAutoResponses: false } });
    putSte(smmu, strtab + 64n, { Config: 0b100, PPAR: true });
    expect(look(smmu, 1)).toMatchObject({ configuration: { mergeEvents: false, pasidInAutoResponses: true } });
    const always = bench({ identity: identityWith({ PPS: true }, svaIdentity) });
    putSte(always, strtab, { Config: 0b100 });
    expect(look(always, 0)).toMatchObject({ configuration: { pasidInAutoResponses: true } });
  });

  it('have split-stage ATS with ATSCHK only, and S2PTW with both stages only', () => {
    const smmu = bench({ registers: { atsCheck: true } });
    putNested(smmu, strtab, { EATS: 2, S2PTW: true });
    putCd(smmu, 0x12_0000n);
    expect(look(smmu, 0)).toMatchObject({
      configuration: { eats: 'split', stage2: { protectedTableWalk: true, record: false } },
    });
    smmu.registers.atsCheck = false;
    expect(look(smmu, 0)).toMatchObject({ configuration: { eats: 'none' } });
    putNested(smmu, strtab + 64n, { S2S: true });
    expect(look(smmu, 1)).toMatchObject({ configuration: { stage2: { protectedTableWalk: false, stall: true } } });
  });

  it('by the entry alone are without Context descriptor', () => {
    const smmu = bench();
    putNested(smmu, strtab, { S1CDMax: 5, PPAR: true });
    const found = smmu.cache.lookupSte(0);
    expect(found).toMatchObject({ configuration: { kind: 'translate', pasidInAutoResponses: true, stage2: {} } });
    expect(found).not.toHaveProperty('configuration.stage1');
    expect(smmu.ipas).toEqual([]);
    expect(smmu.cache.lookupSte(9)).toMatchObject({ event: { name: 'C_BAD_STE', ssv: false } });
  });

  it('of Linux on QEMU are what it wrote', () => {
    const smmu = bench({ identity: defaultIdentity, ranges: [{ base: 0x4000_0000n, size: 1n << 29n }] });
    smmu.registers.strtabBase = 0x4000_0000_43d7_c000n;
    smmu.registers.strtabBaseCfg = 0x1_0210;
    putL1Std(smmu, 0x43d7_c000n, 9, 0x4370_0000n);
    smmu.memory.write(0x4370_0200n, Uint8Array.from(Buffer.from('0b70434300000000d600000000000000', 'hex')));
    smmu.memory.write(
      0x4343_7000n,
      Uint8Array.from(Buffer.from('103500c004e201000080434300000000000000000000000044ff04f4ffffffff', 'hex')),
    );
    expect(look(smmu, 8)).toMatchObject({
      ok: true,
      configuration: {
        kind: 'translate',
        vmid: 0,
        stage1: { asid: 1, lower: { base: 0x4343_8000n, inputBits: 48, startLevel: 0, outputBits: 44 } },
      },
    });
  });
});
