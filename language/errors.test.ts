import { describe, expect, it } from 'vitest';
import { bag, bool, each, enabled, range } from './index.ts';
import { after, Cpu, oneAction } from './one-action.fixture.ts';
import { errorOf, messageOf, start } from './runs.fixture.ts';

const state = { bag: bag(2, range(0, 3)) };

describe('a model error', () => {
  it('tells its place also as data', () => {
    const error = errorOf(() => after(state, (s) => s.bag.add(9)));
    expect(error?.place).toEqual({ model: 'one', action: 'act', part: 'effect 1', field: 'bag' });
    expect(error?.problem).toBe('9 is not an integer from 0 to 3');
  });

  it('keeps the error that caused it', () => {
    const cause = new RangeError('deep down');
    const broken = oneAction(
      state,
      [],
      [
        () => {
          throw cause;
        },
      ],
    );
    expect(errorOf(() => enabled(broken, start(broken)))?.cause).toBe(cause);
  });

  it('suggests the nearest name, or lists the known ones', () => {
    const ordered = oneAction({ cpus: each(Cpu, bool), flags: bool }, [(s) => Object.assign(s, { falgs: true })]);
    expect(messageOf(() => enabled(ordered, start(ordered)))).toContain("did you mean 'flags'?");
    const far = oneAction({ cpus: each(Cpu, bool), flags: bool }, [(s) => Object.assign(s, { zzz: true })]);
    expect(messageOf(() => enabled(far, start(far)))).toContain("known: 'cpus', 'flags'");
  });
});
