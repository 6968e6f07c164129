/**
 * What `--explain` says: of models whose functions all run as generated code, and of one whose do not, within the page.
 */
import { describe, expect, it } from 'vitest';
import { type CheckResult, type Explanation, search } from '../checker/index.ts';
import { bool, each, instantiate, type Model, model, properties, range, sort } from '../language/index.ts';
import { coloursFor } from './colours.ts';
import { explanationLines } from './explain.ts';

const Slot = sort('slot');
const slots = model({
  name: 'slots',
  sizes: { smoke: { slot: 2 }, ci: { slot: 100 }, deep: { slot: 4 } },
  state: { slot: each(Slot, { full: bool, times: range(0, 2) }), turn: range(0, 3) },
  actions: ({ action }) => ({
    turn: action({}, { actor: 'clock', then: { on: (s) => void (s.turn = s.turn === 3 ? 0 : s.turn + 1) } }),
    fill: action(
      { slot: Slot },
      {
        actor: 'filler',
        when: { 'it is empty': (s, { slot }) => !s.slot[slot].full && s.turn === 1 },
        then: { 'it is full': (s, { slot }) => void (s.slot[slot].full = true) },
      },
    ),
    note: action(
      { slot: Slot },
      {
        actor: 'clerk',
        when: { 'in turn': (s, { slot }) => s.turn === 2 && Number(slot) < 2 },
        then: {
          'keep a note for a moment': (s) => {
            const draft = s as unknown as Record<string, unknown>;
            draft['note'] = s.turn;
            delete draft['note'];
          },
        },
      },
    ),
  }),
});
const slotProperties = properties(slots, ({ invariant }) => ({
  'times are few': invariant({ forall: { slot: Slot }, holds: (s, { slot }) => s.slot[slot].times < 3 }),
}));

function explained(of: Model, size: string, maxStates?: number): CheckResult {
  return search(instantiate(of, size), [slotProperties], { explain: true, maxStates });
}

function linesOf({ explanation }: CheckResult): readonly string[] {
  return explanationLines('slots', explanation as Explanation, coloursFor({}));
}

describe('an explanation', () => {
  const result = explained(slots, 'smoke');

  it('is there only when it is asked for', () => {
    expect(search(instantiate(slots, 'smoke'), [slotProperties])).not.toHaveProperty('explanation');
  });

  it('says how large everything is, and what each part reads and writes, for all members at once', () => {
    const { words, bits, leaves, parts, code } = result.explanation as Explanation;
    expect({ words, bits, leaves }).toEqual({ words: 1, bits: 8, leaves: 5 });
    expect(code.generated).toBeGreaterThan(0);
    expect(parts.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'action turn',
      'action fill',
      'action note',
      'property times are few',
      'property no deadlock',
    ]);
    expect(parts[1]).toMatchObject({
      functions: 2,
      reads: ['slot[slot].full', 'turn'],
      writes: ['slot[slot].full'],
      fallbacks: [],
    });
    expect(parts[1]?.paths).toBe(parts[1]?.misses);
  });

  it('names what does not run as generated code, why, and what to do', () => {
    const { fallbacks } = (result.explanation as Explanation).parts[2] ?? {};
    expect(fallbacks).toMatchObject([{ form: 'immutable', functions: 2 }]);
    const text = linesOf(result).join('\n').replaceAll(/\s+/g, ' ');
    expect(text).toContain('1 of 5 parts do not run as generated code');
    expect(text).toMatch(
      /note immutable: 2 functions are run on immutable states, as with --engine plain, since action 'note', 'keep a note for a moment': a field is added do nothing/,
    );
    expect(text).toContain('do nothing with the state but read and write its declared fields');
  });

  it('stays within the page and short, with a hundred bindings', () => {
    const lines = linesOf(explained(slots, 'ci', 300));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(lines.length).toBeLessThan(40);
    expect(lines.join('\n')).toMatch(/^ {2}times are few +100 +200 +100 +100 +tree$/m);
  });

  it('has the largest first', () => {
    const nodes = [
      ...linesOf(result)
        .join('\n')
        .matchAll(/^ {2}\S.* (\d+) +\d+ +\d+ +(?:tree|immutable)$/gm),
    ];
    const sizes = nodes.map(([, size]) => Number(size));
    expect(sizes).toHaveLength(5);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
  });
});

describe('a function without a tree', () => {
  it('is explained with advice that fits a rule or a property', () => {
    const part = { functions: 3, nodes: 60_000, paths: 30_000, misses: 100_000, reads: ['x'], writes: [] };
    const fallback = {
      form: 'packed',
      functions: 1,
      reason: 'its tree has more than 50000 nodes',
      advice: 'split it',
    } as const;
    const explanation: Explanation = {
      words: 2,
      bits: 40,
      leaves: 20,
      code: { bytes: 5000, generated: 3, milliseconds: 12.4, missMilliseconds: 1234.5 },
      parts: [{ ...part, kind: 'step', name: 'map', step: 'wait', fallbacks: [fallback] }],
    };
    const lines = explanationLines('m', explanation, coloursFor({}));
    expect(lines).toContain('  functions run themselves, not as code: 100,000 times, in 1,235 ms');
    expect(lines).toContain(
      '      packed: 1 function is run on packed states without a tree, since its tree has more than 50000',
    );
    expect(lines).toContain('  map: wait                         3  60,000  30,000  100,000  packed');
  });
});
