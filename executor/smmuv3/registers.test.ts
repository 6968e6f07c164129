import { describe, expect, it } from 'vitest';
import { registersOf, svaIdentity } from './identity.ts';
import type { RegisterName } from './registers.ts';
import { registerMap } from './registers.ts';
import { Bench, enables, everything } from './smmu.fixture.ts';

const off = { cr0: 0n };

describe('places', () => {
  it.each<readonly [RegisterName, number, 4 | 8]>([
    ['IDR0', 0x0, 4],
    ['IDR1', 0x4, 4],
    ['IDR3', 0xc, 4],
    ['IDR5', 0x14, 4],
    ['IIDR', 0x18, 4],
    ['AIDR', 0x1c, 4],
    ['CR0', 0x20, 4],
    ['CR0ACK', 0x24, 4],
    ['CR1', 0x28, 4],
    ['CR2', 0x2c, 4],
    ['GBPA', 0x44, 4],
    ['IRQ_CTRL', 0x50, 4],
    ['IRQ_CTRLACK', 0x54, 4],
    ['GERROR', 0x60, 4],
    ['GERRORN', 0x64, 4],
    ['GERROR_IRQ_CFG0', 0x68, 8],
    ['STRTAB_BASE', 0x80, 8],
    ['STRTAB_BASE_CFG', 0x88, 4],
    ['CMDQ_BASE', 0x90, 8],
    ['CMDQ_PROD', 0x98, 4],
    ['CMDQ_CONS', 0x9c, 4],
    ['EVENTQ_BASE', 0xa0, 8],
    ['EVENTQ_PROD', 0x1_00a8, 4],
    ['EVENTQ_CONS', 0x1_00ac, 4],
    ['EVENTQ_IRQ_CFG0', 0xb0, 8],
    ['PRIQ_BASE', 0xc0, 8],
    ['PRIQ_PROD', 0x1_00c8, 4],
    ['PRIQ_CONS', 0x1_00cc, 4],
    ['PRIQ_IRQ_CFG0', 0xd0, 8],
    ['PRIQ_IRQ_CFG2', 0xdc, 4],
  ])('%s is at 0x%s, of %i bytes', (name, offset, size) => {
    expect(registerMap[name]).toMatchObject({ offset, size });
  });
});

describe('accesses', () => {
  it('reads the identification registers, which cannot be written', () => {
    const bench = new Bench();
    for (const [name, value] of Object.entries(registersOf(svaIdentity)) as [RegisterName, number][]) {
      bench.set(name, 0xffff_ffffn);
      expect(bench.get(name)).toBe(BigInt(value));
    }
  });

  it('takes a 64-bit register in halves', () => {
    const bench = new Bench({}, off);
    bench.smmu.writeRegister(0x80, 4, 0x1234_5640n);
    bench.smmu.writeRegister(0x84, 4, 0x4000_0001n);
    expect(bench.smmu.readRegister(0x80, 8)).toBe(0x4000_0001_1234_5640n);
    expect(bench.smmu.readRegister(0x84, 4)).toBe(0x4000_0001n);
  });

  it('takes two 32-bit registers at once', () => {
    const bench = new Bench();
    bench.set('GERRORN', 1n);
    expect(bench.smmu.readRegister(0x60, 8)).toBe(1n << 32n);
  });

  it('knows the registers of page 1 by their page-0 names too', () => {
    const bench = new Bench();
    bench.smmu.writeRegister(0xac, 4, 5n);
    expect(bench.smmu.readRegister(0x1_00ac, 4)).toBe(5n);
    bench.smmu.writeRegister(0x1_00cc, 4, 6n);
    expect(bench.smmu.readRegister(0xcc, 4)).toBe(6n);
    expect(registerMap.EVENTQ_PROD.offset).toBe(0x1_00a8);
    expect(registerMap.PRIQ_PROD.offset).toBe(0x1_00c8);
  });

  it('refuses accesses that are not aligned, and values that do not fit', () => {
    const { smmu } = new Bench();
    expect(() => smmu.readRegister(0x22, 4)).toThrow(RangeError);
    expect(() => smmu.readRegister(0x84, 8)).toThrow(RangeError);
    expect(() => smmu.readRegister(-8, 8)).toThrow(RangeError);
    expect(() => smmu.readRegister(32.5, 4)).toThrow(RangeError);
    expect(() => smmu.writeRegister(0x20, 4, 1n << 32n)).toThrow(RangeError);
  });

  it('reads what is not there as zero', () => {
    const { smmu } = new Bench();
    smmu.writeRegister(0x2000, 4, 1n);
    expect(smmu.readRegister(0x2000, 4)).toBe(0n);
  });
});

describe('CR0', () => {
  it('is acknowledged, without its reserved bits', () => {
    const bench = new Bench({}, off);
    bench.set('CR0', 0xffff_ffffn);
    expect(bench.get('CR0')).toBe(everything);
    expect(bench.get('CR0ACK')).toBe(everything);
    bench.set('CR0ACK', 0n);
    expect(bench.get('CR0ACK')).toBe(everything);
  });

  it.each([
    ['PRI', enables.PRIQEN],
    ['ATS', enables.ATSCHK],
  ] as const)('has no enable for %s if that is not implemented', (field, bit) => {
    const bench = new Bench({ identity: { ...svaIdentity, ATSRECERR: false, [field]: false } }, off);
    bench.set('CR0', everything);
    expect(bench.get('CR0ACK')).toBe(everything & ~bit);
  });
});

describe('guards', () => {
  const guarded: readonly (readonly [RegisterName, keyof typeof enables, bigint])[] = [
    ['CR2', 'SMMUEN', 0b100n],
    ['STRTAB_BASE', 'SMMUEN', 0x77_0000n],
    ['STRTAB_BASE_CFG', 'SMMUEN', 9n],
    ['CMDQ_BASE', 'CMDQEN', 0x77_0003n],
    ['CMDQ_CONS', 'CMDQEN', 0x200_0003n],
    ['EVENTQ_BASE', 'EVENTQEN', 0x77_0003n],
    ['EVENTQ_PROD', 'EVENTQEN', 0x8000_0003n],
    ['PRIQ_BASE', 'PRIQEN', 0x77_0003n],
    ['PRIQ_PROD', 'PRIQEN', 0x8000_0003n],
  ];
  it.each(guarded)('%s is written only while %s = 0', (name, enable, value) => {
    const bench = new Bench({}, { cr0: enables[enable] });
    const before = bench.get(name);
    expect(before).not.toBe(value);
    bench.set(name, value);
    expect(bench.get(name)).toBe(before);
    bench.set('CR0', everything & ~enables[enable]);
    bench.set(name, value);
    expect(bench.get(name)).toBe(value);
  });

  it('CR1: QUEUE_* by the queues, TABLE_* by SMMUEN', () => {
    const bench = new Bench({}, { cr0: enables.EVENTQEN });
    bench.set('CR1', 0n);
    expect(bench.get('CR1')).toBe(0x35n);
    bench.set('CR0', enables.SMMUEN);
    bench.set('CR1', 0xfffn);
    expect(bench.get('CR1')).toBe(0x3fn);
  });

  it('PRIQ registers are guarded by PRIQEN even while SMMUEN = 0', () => {
    const bench = new Bench({}, { cr0: enables.PRIQEN });
    bench.set('PRIQ_BASE', 0x77_0000n);
    expect(bench.get('PRIQ_BASE')).toBe(0x30_0004n);
  });

  it('REC_CFG_ATS needs IDR0.ATSRECERR, E2H needs IDR0.HYP', () => {
    const bench = new Bench({ identity: { ...svaIdentity, ATSRECERR: false, HYP: false } }, off);
    bench.set('CR2', 0xfn);
    expect(bench.get('CR2')).toBe(0b110n);
  });

  it('MSI registers are guarded by their interrupt, and need IDR0.MSI', () => {
    const bench = new Bench();
    bench.set('EVENTQ_IRQ_CFG0', 0x1000n);
    expect(bench.get('EVENTQ_IRQ_CFG0')).toBe(0n);
    bench.set('IRQ_CTRL', 0b011n);
    bench.set('EVENTQ_IRQ_CFG0', 0x1003n);
    expect(bench.get('EVENTQ_IRQ_CFG0')).toBe(0x1000n);
    const without = new Bench({ identity: { ...svaIdentity, MSI: false } }, { interrupts: false });
    without.set('EVENTQ_IRQ_CFG0', 0x1000n);
    expect(without.get('EVENTQ_IRQ_CFG0')).toBe(0n);
  });
});

describe('MSI registers', () => {
  it.each([
    ['GERROR', 1n],
    ['PRIQ', 2n],
    ['EVENTQ', 4n],
  ] as const)('of %s: address, data and attributes', (source, enable) => {
    const names = ([0, 1, 2] as const).map((n): RegisterName => `${source}_IRQ_CFG${n}`);
    const write = (bench: Bench): readonly bigint[] => {
      for (const name of names) bench.set(name, registerMap[name].size === 8 ? 0x7_fffffn : 0x1237n);
      return names.map((name) => bench.get(name));
    };
    const bench = new Bench();
    expect(write(bench)).toEqual([0n, 0n, 0n]);
    bench.set('IRQ_CTRL', 7n & ~enable);
    expect(write(bench)).toEqual([0x7_ffffcn, 0x1237n, 0x37n]);
    const without = new Bench({ identity: { ...svaIdentity, PRI: false } }, { interrupts: false });
    expect(write(without)).toEqual(source === 'PRIQ' ? [0n, 0n, 0n] : [0x7_ffffcn, 0x1237n, 0x37n]);
  });
});

describe('single registers', () => {
  it('STRTAB_BASE has no bits below those of an entry', () => {
    const bench = new Bench({}, off);
    bench.set('STRTAB_BASE', 0xffffn);
    expect(bench.get('STRTAB_BASE')).toBe(0xffc0n);
  });

  it('GBPA takes a value only with Update, which is over at once', () => {
    const bench = new Bench();
    bench.set('GBPA', 0x10_0000n);
    expect(bench.get('GBPA')).toBe(0x1000n);
    bench.set('GBPA', 0x8010_0000n);
    expect(bench.get('GBPA')).toBe(0x10_0000n);
  });

  it('IRQ_CTRL is acknowledged', () => {
    const bench = new Bench({ identity: { ...svaIdentity, PRI: false } });
    expect(bench.get('IRQ_CTRLACK')).toBe(0b101n);
  });

  it('GERROR cannot be written', () => {
    const bench = new Bench();
    bench.set('GERROR', 0xffn);
    expect(bench.get('GERROR')).toBe(0n);
  });

  it('an index reads as zero above its wrap bit', () => {
    const bench = new Bench({}, { cr0: 0n, sizeLog2: 3 });
    bench.set('CMDQ_PROD', 0xff_ff1an);
    expect(bench.get('CMDQ_PROD')).toBe(0xan);
    bench.set('EVENTQ_CONS', 0xffff_fffan);
    expect(bench.get('EVENTQ_CONS')).toBe(0x8000_000an);
    // Bit 5 of the base is of the address already.
    bench.set('CMDQ_BASE', 0x10_0021n);
    bench.set('CMDQ_PROD', 0xfn);
    expect(bench.get('CMDQ_PROD')).toBe(3n);
  });

  it('a queue is no larger than the identification registers say, though the register keeps what was written', () => {
    const bench = new Bench({ identity: { ...svaIdentity, CMDQS: 3, EVENTQS: 4, PRIQS: 5 } }, { sizeLog2: 19 });
    expect(bench.get('CMDQ_BASE')).toBe(0x10_0013n);
    const { commands, events, pageRequests } = bench.smmu;
    expect([commands.ring.sizeLog2, events.ring.sizeLog2, pageRequests.ring.sizeLog2]).toEqual([3, 4, 5]);
  });

  it('addresses end where physical addresses do', () => {
    const bench = new Bench({ identity: { ...svaIdentity, OAS: 0 } }, { cr0: 0n, interrupts: false });
    for (const name of ['STRTAB_BASE', 'CMDQ_BASE', 'EVENTQ_BASE', 'PRIQ_BASE', 'GERROR_IRQ_CFG0'] as const) {
      bench.set(name, 0xf_ffff_ffff_ffffn);
      expect(bench.get(name) >> 16n).toBe(0xffffn);
    }
  });

  it('STRTAB_BASE_CFG has no SPLIT and FMT without two-level tables', () => {
    const bench = new Bench({ identity: { SIDSIZE: 6, ST_LEVEL: 0 } }, off);
    bench.set('STRTAB_BASE_CFG', 0xffff_ffffn);
    expect(bench.get('STRTAB_BASE_CFG')).toBe(0x3fn);
  });
});
