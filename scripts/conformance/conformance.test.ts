/**
 * The machine against QEMU, wherever one is: a small selection, the same each time. `npm run conformance:qemu` does more.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { machineBoard } from '../../executor/scenario/machine-board.ts';
import { parseScenario } from '../../executor/scenario/format.ts';
import { matches } from '../../executor/scenario/match.ts';
import { runScenario } from '../../executor/scenario/run.ts';
import { checkDepartures, departures } from './known-departures.ts';
import { findQemu } from './qemu-binary.ts';
import { compareRandom } from './random.ts';
import { QemuSession } from './session.ts';

describe('where QEMU is known to depart, the machine is right', () => {
  it.each(departures)('$name', async ({ scenario, machine }) => {
    const parsed = parseScenario(scenario().scenario(10));
    const { results } = await runScenario(parsed, machineBoard(parsed));
    const last = results.at(-1);
    expect({ last, isSo: matches(last, machine) }).toEqual({ last, isSo: true });
  });
});

const binary = findQemu();

// Without QEMU the title is the reason: apt-get install qemu-system-arm, or set SVACHECK_QEMU.
describe.skipIf(binary === undefined)('QEMU, if a qemu-system-aarch64 is on PATH or in SVACHECK_QEMU,', () => {
  const session = binary === undefined ? undefined : new QemuSession(binary);
  afterAll(async () => session?.stop());

  it('departs from the specification as known', { timeout: 300_000 }, async () => {
    const checked = session === undefined ? [] : await checkDepartures(session);
    expect(checked.length).toBeGreaterThan(15);
    expect(checked.filter(({ holds }) => !holds)).toEqual([]);
  });

  it('does else as the machine does', { timeout: 600_000 }, async () => {
    if (session === undefined) return;
    const { tally, failure } = await compareRandom(session, { runs: 150, seed: 4 });
    expect(failure).toBeUndefined();
    expect(tally.compared).toBeGreaterThan(140);
    // A comparison of nothing but faults, or of none, would say little.
    expect(tally.dmas).toBeGreaterThan(800);
    const events = ['F_TRANSLATION', 'F_PERMISSION', 'C_BAD_STE', 'C_BAD_CD', 'C_BAD_STREAMID', 'F_STE_FETCH'];
    expect([...tally.events.keys()]).toEqual(expect.arrayContaining(events));
  });
});
