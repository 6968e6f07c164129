/**
 * Coverage on the command line: the counts of a model whose states are known, and what never happens in one.
 */
import { expect, it } from 'vitest';
import { parseResults } from '../traces/result.ts';
import { channel, userFolder } from './user-folder.test.fixture.ts';

it('counts how often everything took part', async () => {
  const { svacheck } = userFolder({ 'channel.ts': channel() });
  const { code, out } = await svacheck('check', 'channel.ts', '--coverage');
  expect(code).toBe(0);
  // Of the 9 states, 6 have an item left, of which 5 have room; in 5 an item has come: 10 transitions.
  const rows = out
    .split('\n')
    .filter((line) => /^( {2})?(send|receive|an item|there is room)/.test(line))
    .map((line) => line.trim().split(/ {2,}/));
  expect(rows).toEqual([
    ['send', '5', '5 of 6'],
    ['an item is left', '9', '6'],
    ['there is room', '6', '5'],
    ['receive', '5', expect.stringMatching(/^\d of \d$/)],
    ['an item has come', '9', '5'],
  ]);
});

it('tells what never happens, also without counting', async () => {
  const never = channel().replace(
    'receive: action',
    `lose: action({}, {
      actor: 'link',
      when: { 'an item has come': (s) => !s.channel.isEmpty, 'it is lost': (s) => s.received > s.sent },
      then: { 'take it out': (s) => { s.channel.shift(); } },
    }),
    receive: action`,
  );
  const { svacheck } = userFolder({ 'channel.ts': never });
  const { code, out } = await svacheck('check', 'channel.ts');
  expect(code).toBe(0);
  expect(out).toContain("channel, ci: 'lose' never happens: 'it is lost' is true never where 'an item has come' is");
  const json = await svacheck('check', 'channel.ts', '--coverage', '--json', '-');
  const [run] = parseResults(JSON.parse(json.out)).runs;
  expect(run?.never).toMatchObject([{ kind: 'action', name: 'lose' }]);
  expect(run?.coverage?.parts.find(({ name }) => name === 'lose')).toMatchObject({
    taken: 0,
    guards: [
      { name: 'an item has come', asked: 9, held: 5 },
      { name: 'it is lost', asked: 5, held: 0 },
    ],
  });
});

it('is refused where states are left out', async () => {
  const { svacheck } = userFolder({ 'channel.ts': channel() });
  const { code, err } = await svacheck('check', 'channel.ts', '--coverage', '--symmetry');
  expect(code).toBe(2);
  expect(err).toContain('--coverage counts in all states, of which --symmetry leaves some out: leave out one of them');
});
