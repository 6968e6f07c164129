/**
 * A machine with a driver that has brought it up, and devices.
 */
import { Memory } from '../memory.ts';
import { tableFrames } from '../pagetable/table-frames.ts';
import { Endpoint, type EndpointOptions } from '../pcie/endpoint.ts';
import { must } from '../pcie/outcome.ts';
import { type Command, decodeCommand } from '../smmuv3/commands.ts';
import { type Identity, svaIdentity } from '../smmuv3/identity.ts';
import { Smmu, type SmmuOptions } from '../smmuv3/smmu.ts';
import { type DriverOptions, SmmuDriver } from './driver.ts';
import type { RegisterPort } from './registers.ts';
import type { AtsControl } from './streams.ts';

/** Where frames for data begin; tables are below. */
export const dataBase = 0x8000_0000n;

export interface Host {
  readonly memory: Memory;
  readonly smmu: Smmu;
  readonly driver: SmmuDriver;
  /** Register writes so far: offset and value. */
  readonly written: { readonly offset: number; readonly value: bigint }[];
}

export interface HostOptions {
  readonly identity?: Partial<Identity>;
  readonly smmu?: Omit<SmmuOptions, 'identity'>;
  readonly driver?: DriverOptions;
  readonly memory?: Memory;
}

/** A machine before bring-up. */
export function machine({
  identity = svaIdentity,
  smmu: options,
  driver,
  memory = new Memory(),
}: HostOptions = {}): Host {
  const smmu = new Smmu(memory, { identity, tlb: 'everything', ...options });
  const written: { offset: number; value: bigint }[] = [];
  const port: RegisterPort = {
    readRegister: (offset, size) => smmu.readRegister(offset, size),
    writeRegister: (offset, size, value) => {
      written.push({ offset, value });
      smmu.writeRegister(offset, size, value);
    },
  };
  const frames = tableFrames(memory, { base: 0x4000_0000n, size: 0x2000_0000n }, 'kernel');
  return { memory, smmu, driver: new SmmuDriver(memory, port, frames, driver), written };
}

/** A machine that translates. */
export function host(options: HostOptions = {}): Host {
  const up = machine(options);
  up.driver.run(up.driver.bringUp());
  return up;
}

/** A function with ATS and PASIDs, not enabled. */
export function device({ smmu }: Host, streamId: number, options: EndpointOptions = {}): Endpoint {
  const endpoint = new Endpoint(smmu, streamId, {
    pasid: { width: 16, privileged: true },
    ats: {},
    pri: { capacity: 32, responsePasidRequired: true },
    ...options,
  });
  smmu.connect(streamId, endpoint);
  must(endpoint.enablePasid({ privileged: true }));
  return endpoint;
}

/** Its ATS as the driver turns it on and off. */
export function atsOf(endpoint: Endpoint): AtsControl {
  return {
    enable: () => must(endpoint.enableAts()),
    disable: () => endpoint.disableAts(),
  };
}

/** Every command that was ever in the queue, as long as it has not wrapped. */
export function commandsOf({ memory, smmu }: Host): readonly Command[] {
  const { ring, positions } = smmu.commands;
  return Array.from({ length: positions.producer }, (_, index) =>
    decodeCommand(memory.read(ring.base + BigInt(index * ring.entryLength), ring.entryLength)),
  );
}
