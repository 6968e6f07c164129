/**
 * Which scenarios a page with AP[1] = 0 is open to: requests without PASID are unprivileged, unless a scenario or a step says
 * that they are privileged, as in QEMU.
 */
import { describe, expect, it } from 'vitest';
import { machineBoard } from './machine-board.ts';
import { parseScenario } from './format.ts';
import { runScenario } from './run.ts';

const words = (...values: bigint[]): string =>
  values
    .map((value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      return bytes.toString('hex');
    })
    .join('');

/** One stream with tables of 4 KiB granule, T0SZ = 39, and a page 0x5000 with AP[1] = 0: why the DMA of `step` fails. */
async function refusal(scenario: object, step: object): Promise<string | undefined> {
  const steps = [
    { op: 'mem', addr: '0x40000400', hex: words(0x4100_0000n | 0b1011n) },
    { op: 'mem', addr: '0x41000000', hex: words((1n << 31n) | (1n << 30n) | 39n | (0x620n << 36n), 0x4200_0000n) },
    { op: 'mem', addr: '0x42000000', hex: words(0x4200_1003n) },
    { op: 'mem', addr: '0x42001028', hex: words(0x4400_0000n | 0x403n) },
    { op: 'mmio', reg: 'STRTAB_BASE', value: '0x40000000' },
    { op: 'mmio', reg: 'STRTAB_BASE_CFG', value: 5 },
    { op: 'mmio', reg: 'EVENTQ_BASE', value: '0x43000004' },
    { op: 'mmio', reg: 'CR0', value: 5 },
    { op: 'dma', dir: 'write', iova: '0x5000', hex: '5a', ...step },
    { op: 'events' },
  ];
  const parsed = parseScenario({ ...scenario, steps });
  const { results } = await runScenario(parsed, machineBoard(parsed));
  const events = results.at(-1)?.['events'] as readonly { name: string; pnu: number }[] | undefined;
  const event = events?.[0];
  return event === undefined ? undefined : `${event.name}, PnU = ${event.pnu}`;
}

describe('A page with AP[1] = 0', () => {
  it('is closed to requests without PASID', async () => {
    expect(await refusal({}, {})).toBe('F_PERMISSION, PnU = 0');
    expect(await refusal({ privileged: false }, {})).toBe('F_PERMISSION, PnU = 0');
  });

  it('is open to them in a scenario, or in a step, that says that they are privileged', async () => {
    expect(await refusal({ privileged: true }, {})).toBeUndefined();
    expect(await refusal({}, { privileged: true })).toBeUndefined();
    expect(await refusal({ privileged: true }, { privileged: false })).toBe('F_PERMISSION, PnU = 0');
  });
});
