/**
 * What scenarios may be written as, and the one message where they are written otherwise.
 */
import { describe, expect, it } from 'vitest';
import { parseScenario } from './format.ts';

const step = (fields: object): unknown => parseScenario({ steps: [fields] }).steps[0]?.operation;
const refusal = (given: unknown): string => {
  try {
    parseScenario(given);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : '';
  }
  return 'accepted';
};
const ofStep = (fields: unknown): string => refusal({ steps: [{ op: 'bdf' }, fields] });

describe('numbers and bytes', () => {
  it('are JSON numbers or strings, hexadecimal after 0x', () => {
    const expected = { op: 'read', addr: 0x4000_0000n, len: 16 };
    expect(step({ op: 'read', addr: 0x4000_0000, len: 16 })).toEqual(expected);
    expect(step({ op: 'read', addr: '0x40000000', len: '0x10' })).toEqual(expected);
    expect(step({ op: 'read', addr: '1073741824', len: '16' })).toEqual(expected);
  });

  it('have 64 bits where addresses have', () => {
    expect(step({ op: 'dma', dir: 'read', iova: '0xffffffffffffffff', len: 1 })).toMatchObject({
      iova: 2n ** 64n - 1n,
    });
    expect(ofStep({ op: 'dma', dir: 'read', iova: '0x10000000000000000', len: 1 })).toContain('iova: must be at most');
  });

  it('of bytes are two digits each, with blanks where one likes', () => {
    expect(step({ op: 'mem', addr: 0, hex: 'DEad be_ef' })).toEqual({
      op: 'mem',
      addr: 0n,
      bytes: Uint8Array.of(0xde, 0xad, 0xbe, 0xef),
    });
  });
});

describe('steps', () => {
  it('name registers, at their page-1 places too, and their halves', () => {
    const place = (fields: object): unknown => (step({ op: 'mmio_read', ...fields }) as { place: unknown }).place;
    expect(place({ reg: 'CR0' })).toEqual({ reg: 'CR0', addr: 0x0905_0020n, size: 4 });
    expect(place({ reg: 'STRTAB_BASE' })).toEqual({ reg: 'STRTAB_BASE', addr: 0x0905_0080n, size: 8 });
    expect(place({ reg: 'STRTAB_BASE', size: 4 })).toEqual({ reg: 'STRTAB_BASE', addr: 0x0905_0080n, size: 4 });
    expect(place({ reg: 'EVENTQ_CONS' })).toEqual({ reg: 'EVENTQ_CONS', addr: 0x0906_00acn, size: 4 });
    expect(place({ addr: '0x09050080', size: 8 })).toEqual({ addr: 0x0905_0080n, size: 8 });
  });

  it('have one command or a list', () => {
    const command = '46'.padEnd(32, '0');
    expect(step({ op: 'cmd', hex: command })).toEqual(step({ op: 'cmd', hex: [command] }));
    expect(step({ op: 'cmd', hex: [command, command] })).toMatchObject({ commands: { length: 2 } });
  });

  it('may stand in lists by kind, which are done in order', () => {
    const flat = {
      reads: [{ addr: 2, len: 1 }],
      dma: [{ dir: 'read', iova: 0, len: 1 }],
      mmio: [{ reg: 'CR0', value: 1 }],
      memory: [
        { addr: 1, hex: '00' },
        { op: 'memset', addr: 1, len: 4, byte: 0 },
      ],
    };
    const { steps } = parseScenario(flat);
    expect(steps.map(({ operation }) => operation.op)).toEqual(['mem', 'memset', 'mmio', 'dma', 'read']);
  });
});

describe('the machine of a scenario', () => {
  it('is 512 MiB and one function with StreamID 0x10, unless it says otherwise', () => {
    expect(parseScenario({ steps: [{ op: 'bdf' }] })).toMatchObject({
      devices: [{ name: 'edu0', bus: 0, slot: 2, fn: 0 }],
      ram: 512n << 20n,
      privileged: false,
    });
  });

  it.each([
    ['64M', 64n << 20n],
    ['1G', 1n << 30n],
    [256, 256n << 20n],
  ])('has %s of memory', (ram, bytes) => {
    expect(parseScenario({ qemu: { ram }, steps: [{ op: 'bdf' }] }).ram).toBe(bytes);
  });

  it('has fields of the identification registers, as numbers', () => {
    const { smmu } = parseScenario({ smmu: { ATS: 1, SSIDSIZE: '0x8' }, steps: [{ op: 'bdf' }] });
    expect(smmu).toEqual({ ATS: true, SSIDSIZE: 8 });
  });
});

describe('a mistake', () => {
  it.each([
    [null, 'scenario: '],
    [{}, 'scenario: it has no steps'],
    [{ steps: 1 }, 'scenario: steps: '],
    [{ steps: [{ op: 'bdf' }], qemu: { ram: '5 apples' } }, 'qemu.ram: must be a size'],
    [{ steps: [{ op: 'bdf' }], qemu: { devices: [{ slot: 32 }] } }, 'qemu.devices.0.slot: must be at most 0x1f'],
    [{ steps: [{ op: 'bdf' }], qemu: { devices: [{ slot: 2 }, { name: 'b', slot: 2 }] } }, 'the same place'],
    [{ steps: [{ op: 'bdf' }], smmu: { ATX: 1 } }, 'smmu: no field is called ATX: did you mean ATS?'],
    [{ steps: [{ op: 'bdf' }], smmu: { ATS: 2 } }, 'smmu: ATS: must be 0 or 1'],
    [{ steps: [{ op: 'bdf' }], smmu: { S1P: 0, S2P: 0 } }, 'smmu: no such SMMU'],
  ])('in %j is told', (given, message) => {
    expect(refusal(given)).toContain('ScenarioError: ');
    expect(refusal(given)).toContain(message);
  });

  it.each([
    ['nothing', 'step 1: must be an object'],
    [{}, 'step 1: op is missing'],
    [{ op: 'zap' }, 'step 1: no operation is called "zap"'],
    [{ op: 'mem', hex: '00' }, 'step 1 (mem): addr: is missing'],
    [{ op: 'mem', addr: '0x1g', hex: '00' }, 'step 1 (mem): addr: must be a whole number or a "0x..." string'],
    [{ op: 'mem', addr: -1, hex: '00' }, 'step 1 (mem): addr: must be a whole number'],
    [{ op: 'mem', addr: 1.5, hex: '00' }, 'step 1 (mem): addr: must be a whole number'],
    [{ op: 'mem', addr: 1, hex: '000' }, 'step 1 (mem): hex: must be bytes'],
    [{ op: 'memset', addr: 1, len: 0, byte: 0 }, 'step 1 (memset): len: must be at least 1'],
    [{ op: 'memset', addr: 1, len: 1, byte: 256 }, 'step 1 (memset): byte: must be at most 0xff'],
    [{ op: 'mmio', reg: 'CRO', value: 1 }, 'step 1 (mmio): reg: no register is called CRO: did you mean CR0?'],
    [{ op: 'mmio', reg: 'CR0', value: '0x100000000' }, 'step 1 (mmio): value: 0x100000000 does not fit 4 bytes'],
    [{ op: 'mmio', value: 1 }, 'step 1 (mmio): reg: is missing'],
    [{ op: 'dma', dir: 'up', iova: 0 }, 'step 1 (dma): dir: '],
    [{ op: 'dma', dir: 'write', iova: 0 }, 'step 1 (dma): hex: is missing'],
    [{ op: 'dma', dir: 'write', iova: 0, hex: '00', len: 2 }, 'step 1 (dma): len: is 2, and hex has 1 bytes'],
    [{ op: 'dma', dir: 'read', iova: 0 }, 'step 1 (dma): len: is missing'],
    [{ op: 'cmd', hex: ['00'] }, 'step 1 (cmd): hex: command 0 must be 16 bytes'],
    [{ op: 'cmd', hex: [] }, 'step 1 (cmd): hex: has no command'],
    [{ op: 'mem', addr: 1, hex: '00', expect: {} }, 'step 1 (mem): expect: mem has no result'],
    [{ op: 'events', expct: {} }, 'step 1 (events): expct: no such field: did you mean expect?'],
  ])('in step %j is told with its number', (given, message) => {
    expect(ofStep(given)).toContain(`ScenarioError: ${message}`);
  });

  it('that may be a comment is a warning', () => {
    expect(parseScenario({ steps: [{ op: 'events', comment: 'x' }] }).warnings).toEqual([
      'step 0 (events): comment means nothing here',
    ]);
  });
});
