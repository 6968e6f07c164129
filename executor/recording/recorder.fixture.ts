/**
 * Makes recordings in the form of real ones, of a driver on a machine that is emulated as QEMU does it: commands act at once,
 * and every walk ends in the TLB.
 */
import { type DriverOptions, SmmuDriver } from '../host/driver.ts';
import { tableFrames } from '../pagetable/table-frames.ts';
import { decodeCommand } from '../smmuv3/commands.ts';
import { decodeEventFields } from '../smmuv3/events.ts';
import { type Identity, registersOf } from '../smmuv3/identity.ts';
import { type RegisterName, registerMap } from '../smmuv3/registers.ts';
import { entryAddress, advance } from '../smmuv3/ring.ts';
import { steLayout } from '../smmuv3/stream-table-entry.ts';
import { Smmu } from '../smmuv3/smmu.ts';
import { outputOf, stage2Tag } from '../smmuv3/tlb-entry.ts';
import { contextOf, configurationFor } from '../smmuv3/translation.ts';
import { hex, hexOf } from './hex.ts';
import { ObservedMemory } from './observed-memory.ts';

/** A line of a recording, before it is text. */
export type Json = Readonly<Record<string, unknown>> & { readonly k: string };

export interface RecorderOptions {
  readonly identity: Identity;
  readonly driver?: DriverOptions;
}

export class Recorder {
  readonly memory = new ObservedMemory();
  readonly smmu: Smmu;
  readonly driver: SmmuDriver;
  readonly lines: Json[] = [{ k: 'meta', kernel: '0.0', qemu: 'QEMU emulator version 10.0.2' }];
  readonly #shown = new Map<bigint, string>();
  readonly #sids = new Set<number>();
  #events = 0;

  constructor({ identity, driver }: RecorderOptions) {
    this.smmu = new Smmu(this.memory, { identity });
    const frames = tableFrames(this.memory, { base: 0x4000_0000n, size: 0x2000_0000n });
    const port = {
      readRegister: (offset: number, size: 4 | 8) => this.smmu.readRegister(offset, size),
      writeRegister: (offset: number, size: 4 | 8, value: bigint) => this.#write(offset, size, value),
    };
    this.driver = new SmmuDriver(this.memory, port, frames, driver);
    this.driver.run(this.driver.bringUp());
    this.mark();
  }

  /** An access of a device to one page. */
  access(sid: number, iova: bigint, kind: 'read' | 'write'): void {
    const { smmu, memory } = this;
    this.#sids.add(sid);
    this.#fetch(sid);
    const { result: found, reads: fetched } = memory.during(() => configurationFor(smmu.unit, { streamId: sid }));
    // Behind stage 2 the Context descriptor takes a walk.
    const walked = fetched.filter(({ address }) => !this.#isStructure(sid, address));
    for (const { address, word } of walked) this.lines.push({ k: 'pte', addr: hex(address), pte: hex(word) });
    if (found.ok && found.configuration.kind !== 'translate') {
      const k = found.configuration.kind;
      this.lines.push({ k, sid, iova: hex(iova), write: kind === 'write' ? 1 : 0 });
      return;
    }
    const place = found.ok && found.configuration.kind === 'translate' ? contextOf(found.configuration) : undefined;
    const held = (): ReturnType<typeof smmu.tlb.lookup> =>
      place === undefined
        ? undefined
        : place.stage1 === undefined
          ? smmu.tlb.lookup('stage 2', stage2Tag(place.tag), iova)
          : smmu.tlb.lookup(place.stage2 === undefined ? 'stage 1' : 'combined', place.tag, iova);
    const hit = held() !== undefined;
    const request = { streamId: sid, translated: false, address: iova };
    const { result, reads } = memory.during(() =>
      smmu.admit(kind === 'write' ? { ...request, kind, bytes: new Uint8Array(4) } : { ...request, kind, length: 4 }),
    );
    for (const { address, word } of hit ? [] : reads) this.lines.push({ k: 'pte', addr: hex(address), pte: hex(word) });
    const entry = held();
    if (entry !== undefined && !hit) {
      this.lines.push({
        k: 'tlbins',
        asid: place?.stage1 === undefined ? -1 : place.stage1.asid,
        vmid: entry.tag.vmid ?? -1,
        va: hex(entry.input),
        tg: (((entry.stage1 ?? entry.stage2)?.granuleLog2 ?? 12) - 10) / 2,
        level: (entry.stage1 ?? entry.stage2)?.leaf.level ?? 3,
      });
    }
    if (result.outcome === 'admitted') {
      smmu.reachMemory(result.transaction);
      if (entry === undefined) throw new Error('not in the TLB');
      const rights = (entry.stage1 ?? entry.stage2)?.leaf.permissions.privileged;
      const perm = (rights?.read === true ? 1 : 0) | (rights?.write === true ? 2 : 0);
      this.lines.push({ k: 'x', sid, iova: hex(iova), pa: hex(outputOf(entry, iova)), perm, hit });
      return;
    }
    const record = smmu.events.records.at(-1);
    if (record !== undefined) {
      const { name } = decodeEventFields(record);
      this.lines.push({ k: 'event', text: `SMMU_EVT_${name} sid=${hex(sid)}` });
    }
  }

  /** A snapshot. */
  mark(): void {
    const { smmu } = this;
    const regs: Record<string, string> = Object.fromEntries(
      (Object.entries(registersOf(smmu.identity)) as [string, number][]).map(([name, value]) => [
        name,
        hex(BigInt.asUintN(32, BigInt(value))),
      ]),
    );
    for (const name of [
      'CR0',
      'CR1',
      'CR2',
      'STRTAB_BASE',
      'STRTAB_BASE_CFG',
      'CMDQ_BASE',
      'CMDQ_PROD',
      'EVENTQ_BASE',
    ] as const) {
      regs[name] = hex(smmu.registers.get(name));
    }
    const strtabChanged: object[] = [];
    const cdsChanged: object[] = [];
    for (const sid of this.#sids) {
      const address = this.driver.streamTable.entryAddress(sid);
      if (address === undefined) continue;
      const { base } = this.driver.streamTable;
      const split = Number((smmu.registers.get('STRTAB_BASE_CFG') >> 6n) & 0x1fn);
      if (split > 0) {
        const at = base + BigInt((sid >> split) * 8);
        this.#changed(at, 8, (text) =>
          strtabChanged.push({ kind: 'L1STD', index: sid >> split, addr: hex(at), hex: text }),
        );
      }
      this.#changed(address, 64, (text) => strtabChanged.push({ kind: 'STE', sid, addr: hex(address), hex: text }));
      const { Config, S1ContextPtr } = steLayout.decode(this.memory.read(address, 64));
      if (Config !== 0b101 && Config !== 0b111) continue;
      const physical = Config === 0b111 ? S1ContextPtr + 0x4000_0000n : S1ContextPtr;
      this.#changed(physical, 64, (text) => cdsChanged.push({ sid, addr: hex(S1ContextPtr), hex: text }));
    }
    const records = smmu.events.records.slice(this.#events);
    this.#events = smmu.events.records.length;
    const events = records.map((raw) => {
      const { inputAddr, addr2, ...fields } = decodeEventFields(raw);
      return { raw: hexOf(raw), ...fields, inputAddr: hex(inputAddr), addr2: hex(addr2) };
    });
    this.lines.push({ k: 'mark', label: 'mark', regs, strtabChanged, cdsChanged, tables: [], events });
  }

  /** Whether an address is in the Stream table, or in the Context descriptor of a stream. */
  #isStructure(sid: number, address: bigint): boolean {
    const { base } = this.driver.streamTable;
    const entry = this.driver.streamTable.entryAddress(sid) ?? base;
    const { S1ContextPtr } = steLayout.decode(this.memory.read(entry, 64));
    const context = address - S1ContextPtr;
    return (
      (address >= base && address < base + 0x800n) ||
      (address >= entry && address < entry + 64n) ||
      (context >= 0n && context < 64n) ||
      (context >= 0x4000_0000n && context < 0x4000_0040n)
    );
  }

  #changed(address: bigint, length: number, add: (text: string) => void): void {
    const text = hexOf(this.memory.read(address, length));
    if (this.#shown.get(address) === text) return;
    this.#shown.set(address, text);
    add(text);
  }

  #fetch(sid: number): void {
    const { smmu } = this;
    if (smmu.configuration.entries.some((entry) => entry.kind === 'STE' && entry.sid === sid)) return;
    const address = this.driver.streamTable.entryAddress(sid);
    if (address === undefined) return;
    this.lines.push({ k: 'cfgmiss', sid }, { k: 'ste@', addr: hex(address) });
    const found = smmu.configuration.lookupSte(sid);
    if (found.ok && found.configuration.kind === 'translate' && (found.configuration.ste.Config & 1) === 1) {
      this.lines.push({ k: 'cd@', addr: hex(found.configuration.ste.S1ContextPtr) });
    }
  }

  #write(offset: number, size: 4 | 8, value: bigint): void {
    const name = (Object.keys(registerMap) as RegisterName[]).find((one) => registerMap[one].offset === offset);
    const { ring, positions } = this.smmu.commands;
    const enabled = this.smmu.registers.isEnabled('CMDQEN');
    this.smmu.writeRegister(offset, size, value);
    if (name === 'CMDQ_PROD' && enabled) {
      for (let at = positions.producer; at !== Number(value); at = advance(ring, at)) {
        const raw = this.memory.read(entryAddress(ring, at), 16);
        this.lines.push({ k: 'cmd', op: decodeCommand(raw).op, hex: hexOf(raw) });
      }
    }
    const place: { offset: number; also?: number } = registerMap[name ?? 'CR0'];
    this.lines.push({ k: 'reg', addr: hex(place.also ?? offset), val: hex(value), size });
  }
}
