import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bag, bool, instantiate, type Member, queue, range, setOf, step } from './index.ts';
import { after, oneAction, Page, page0, page1, page2, stepOf } from './one-action.fixture.ts';
import { run } from './runs.fixture.ts';

const record = { page: Page, urgent: bool };
const calm = { page: page1, urgent: false };
const urgent = { page: page1, urgent: true };
const other = { page: page0, urgent: false };

describe('a queue in an effect', () => {
  const state = { queue: queue(3, record) };

  it('gives its items in the order in which they were pushed', () => {
    const { queue: result } = after(state, (s) => {
      for (const item of [urgent, other, calm]) s.queue.push(item);
    });
    expect([...result]).toEqual([urgent, other, calm]);
    expect(result.head).toEqual(urgent);
    expect(result.at(2)).toEqual(calm);
  });

  it('gives the oldest item to shift', () => {
    const taken: unknown[] = [];
    const { queue: result } = after(state, (s) => {
      s.queue.push(urgent);
      s.queue.push(calm);
      taken.push(s.queue.shift());
    });
    expect(taken[0]).toEqual(urgent);
    expect([...result]).toEqual([calm]);
  });

  it('has another item where one was set', () => {
    const { queue: result } = after(state, (s) => {
      s.queue.push(urgent);
      s.queue.push(calm);
      s.queue.set(1, other);
    });
    expect([...result]).toEqual([urgent, other]);
  });

  it('tells how full it is, inside the effect and after it', () => {
    const seen: unknown[] = [];
    const look = ({
      length,
      capacity,
      isEmpty,
      isFull,
    }: {
      length: number;
      capacity: number;
      isEmpty: boolean;
      isFull: boolean;
    }) => [length, capacity, isEmpty, isFull];
    const { queue: result } = after(state, (s) => {
      seen.push(look(s.queue));
      for (const item of [urgent, other, calm]) s.queue.push(item);
      seen.push(look(s.queue));
      s.queue.shift();
    });
    expect(seen.slice(0, 2)).toEqual([
      [0, 3, true, false],
      [3, 3, false, true],
    ]);
    expect(look(result)).toEqual([2, 3, false, false]);
  });

  it('is empty after clear', () => {
    const { queue: result } = after(
      state,
      (s) => s.queue.push(urgent),
      (s) => s.queue.clear(),
    );
    expect(result.isEmpty).toBe(true);
  });
});

describe('a bag in an effect', () => {
  const state = { bag: bag(4, record) };
  const filled = (s: { bag: { add(item: typeof calm): void } }): void => {
    for (const item of [urgent, calm, calm, other]) s.bag.add(item);
  };

  it('finds, counts and removes an item by its value', () => {
    const { bag: result } = after(state, filled, (s) => {
      expect([s.bag.has(calm), s.bag.count(calm), s.bag.count(other)]).toEqual([true, 2, 1]);
      expect(s.bag.remove({ urgent: false, page: page1 })).toEqual(calm);
      expect(s.bag.count(calm)).toBe(1);
    });
    expect([...result]).toEqual([other, calm, urgent]);
    expect(result.has({ page: page2, urgent: false })).toBe(false);
  });

  it('finds, counts and removes items by a test', () => {
    const { bag: result } = after(state, filled, (s) => {
      expect([s.bag.has((item) => item.urgent), s.bag.count((item) => item.page === page1)]).toEqual([true, 3]);
      expect(s.bag.remove((item) => item.urgent)).toEqual(urgent);
      expect(s.bag.removeAll((item) => item.page === page1)).toBe(2);
      expect(s.bag.removeAll((item) => item.page === page1)).toBe(0);
    });
    expect([...result]).toEqual([other]);
  });

  it('takes one item and puts in another with replace, even when full', () => {
    const { bag: result } = after(state, filled, (s) => {
      expect(s.bag.isFull).toBe(true);
      s.bag.replace(calm, urgent);
      s.bag.replace((item) => item.page === page0, { ...other, urgent: true });
    });
    expect(result.count(urgent)).toBe(2);
    expect(result.count(calm)).toBe(1);
    expect(result.has({ page: page0, urgent: true })).toBe(true);
  });

  it('can be changed while it is gone through', () => {
    const { bag: result } = after(state, filled, (s) => {
      for (const item of s.bag) s.bag.replace(item, { ...item, urgent: true });
    });
    expect(result.every((item) => item.urgent)).toBe(true);
    expect(result.length).toBe(4);
  });

  it('answers find, some and every', () => {
    const { bag: result } = after(state, filled);
    expect(result.find((item) => item.page === page1 && item.urgent)).toEqual(urgent);
    expect(result.find((item) => item.page === page2)).toBeUndefined();
    expect([result.some((item) => item.urgent), result.every((item) => item.urgent)]).toEqual([true, false]);
  });
});

describe('a set in an effect', () => {
  const state = { set: setOf(Page) };

  it('holds the members that were added, in their order', () => {
    const { set } = after(state, (s) => {
      for (const page of [page2, page0, page2]) s.set.add(page);
      expect([...s.set]).toEqual([page0, page2]);
    });
    expect([...set]).toEqual([page0, page2]);
    expect([set.size, set.isEmpty, set.has(page0), set.has(page1)]).toEqual([2, false, true, false]);
    expect([set.some((page) => page === page2), set.every((page) => page === page2)]).toEqual([true, false]);
  });

  it('lets a member go that it has, and takes no notice of one that it has not', () => {
    const { set } = after(state, (s) => {
      s.set.add(page1);
      s.set.add(page2);
      s.set.delete(page1);
      s.set.delete(page0);
    });
    expect([...set]).toEqual([page2]);
  });

  it('is empty after clear, and then equal to one that never had a member', () => {
    const { before, state: result } = stepOf(state, [(s) => s.set.add(page1), (s) => s.set.clear()]);
    expect(result).toEqual(before);
  });

  it('can be assigned from another set of the same sort', () => {
    const result = after({ set: setOf(Page), kept: setOf(Page) }, (s) => {
      s.set.add(page1);
      s.kept = s.set;
    });
    expect([...result.kept]).toEqual([page1]);
  });

  it.each([-1, 3, 0.5, undefined, null, 'page1'])('refuses %s, which is no member', (stranger) => {
    const add = (): unknown => after(state, (s) => s.set.add(stranger as never));
    expect(add).toThrow(`'effect 1': ${stranger} is not a member of the set's sort, which has 3`);
    expect(() => after(state, (s) => s.set.delete(stranger as never))).toThrow('is not a member');
  });
});

describe('the items of queues and bags', () => {
  const state = { queue: queue(2, record), bag: bag(2, { of: record }), current: record, pages: setOf(Page) };

  it('cannot be changed in place by the effect that put them in', () => {
    const change = (items: Iterable<typeof calm>): void => {
      for (const item of items) item.urgent = true;
    };
    const push = (s: { queue: { push(item: typeof calm): void } }): void => s.queue.push(calm);
    expect(() => after(state, push, (s) => change(s.queue))).toThrow("'effect 2': changes what it may only read");
    expect(() => after(state, push, (s) => change([s.queue.at(0)]))).toThrow('changes what it may only read');
    expect(() => after(state, push, (s) => change([s.queue.shift()]))).toThrow('changes what it may only read');
  });

  it('cannot be changed in place by a later step', () => {
    const instance = instantiate(
      oneAction(state, [
        (s) => {
          if (s.queue.isEmpty) s.queue.push(calm);
          else (s.queue.head as { urgent: boolean }).urgent = true;
        },
      ]),
    );
    const act = { type: 'act' } as const;
    const filled = run(instance, act);
    expect(() => step(instance, filled, act)).toThrow("'effect 1': changes what it may only read");
  });

  it('keep the value that they had when they came in, whatever becomes of the record they were made of', () => {
    const result = after(
      state,
      (s) => s.bag.add({ of: { page: page1, urgent: false } }),
      (s) => {
        const literal = { page: page0, urgent: false };
        s.queue.push(s.current);
        s.bag.add({ of: s.current });
        s.queue.push(literal);
        s.current.page = page2;
        literal.urgent = true;
      },
    );
    expect([...result.queue]).toEqual([
      { page: page0, urgent: false },
      { page: page0, urgent: false },
    ]);
    expect([...result.bag].map(({ of }) => of.page)).toEqual([page0, page1]);
    expect(result.current.page).toBe(page2);
  });

  it('may hold a set, as it is at that moment', () => {
    const messages = {
      pages: setOf(Page),
      queue: queue(2, { pages: setOf(Page) }),
      bag: bag(2, { pages: setOf(Page) }),
    };
    const result = after(messages, (s) => {
      s.pages.add(page1);
      s.queue.push({ pages: s.pages });
      s.bag.add({ pages: s.pages });
      s.pages.clear();
    });
    expect([...result.queue.head.pages]).toEqual([page1]);
    expect([...result.bag.at(0).pages]).toEqual([page1]);
    expect(result.bag.has(result.queue.head)).toBe(true);
  });

  it('are found by a value that is still being changed', () => {
    after(state, (s) => {
      s.bag.add({ of: { page: page2, urgent: false } });
      s.current.page = page2;
      expect(s.bag.has({ of: s.current })).toBe(true);
      s.bag.remove({ of: s.current });
      expect(s.bag.isEmpty).toBe(true);
    });
  });
});

describe('outside of an effect', () => {
  it('all collections and their items are frozen', () => {
    const { state: result } = stepOf({ queue: queue(2, record), bag: bag(2, record), set: setOf(Page) }, [
      (s) => s.queue.push(calm),
      (s) => s.bag.add(calm),
      (s) => s.set.add(page0),
    ]);
    const writable = result as unknown as {
      queue: { push(item: unknown): void; head: { urgent: boolean } };
      bag: { add(item: unknown): void; clear(): void };
      set: { add(page: Member<'page'>): void; clear(): void };
    };
    expect(() => writable.queue.push(calm)).toThrow(TypeError);
    expect(() => void (writable.queue.head.urgent = true)).toThrow(TypeError);
    expect(() => writable.bag.add(calm)).toThrow(TypeError);
    expect(() => writable.bag.clear()).toThrow(TypeError);
    expect(() => writable.set.add(page1)).toThrow(TypeError);
    expect(() => writable.set.clear()).toThrow(TypeError);
  });
});

/** One operation on the collections, and on plain arrays that should do the same. Both tell what they return. */
interface Operation {
  readonly name: string;
  readonly on: (s: Collections) => unknown;
  readonly plainly: (s: Plain) => unknown;
}
interface Collections {
  readonly queue: {
    push(i: number): void;
    shift(): number;
    set(at: number, i: number): void;
    clear(): void;
    at(i: number): number;
  };
  readonly bag: {
    add(i: number): void;
    remove(i: number): number;
    removeAll(test: (i: number) => boolean): number;
    replace(i: number, by: number): void;
    clear(): void;
    has(i: number): boolean;
    count(i: number): number;
  };
  readonly set: {
    add(m: Member<'page'>): void;
    delete(m: Member<'page'>): void;
    clear(): void;
    has(m: Member<'page'>): boolean;
  };
}
interface Plain {
  queue: number[];
  bag: number[];
  set: number[];
}

const refused = 'refused';
const capacity = 3;

const operations: fc.Arbitrary<Operation> = fc
  .record({ i: fc.nat(3), j: fc.nat(3), member: fc.nat(2) })
  .chain(({ i, j, member }) => {
    const page = member as unknown as Member<'page'>;
    const isOdd = (item: number): boolean => item % 2 === 1;
    const remove = (items: number[], item: number): unknown =>
      items.includes(item) ? items.splice(items.indexOf(item), 1)[0] : refused;
    const all: readonly (readonly [string, Operation['on'], Operation['plainly']])[] = [
      [`push ${i}`, (s) => s.queue.push(i), (s) => (s.queue.length < capacity ? void s.queue.push(i) : refused)],
      ['shift', (s) => s.queue.shift(), (s) => (s.queue.length > 0 ? s.queue.shift() : refused)],
      [`set ${j} to ${i}`, (s) => s.queue.set(j, i), (s) => (j < s.queue.length ? void (s.queue[j] = i) : refused)],
      [`at ${j}`, (s) => s.queue.at(j), (s) => (j < s.queue.length ? s.queue[j] : refused)],
      ['clear the queue', (s) => s.queue.clear(), (s) => void (s.queue = [])],
      [`add ${i}`, (s) => s.bag.add(i), (s) => (s.bag.length < capacity ? void s.bag.push(i) : refused)],
      [`remove ${i}`, (s) => s.bag.remove(i), (s) => remove(s.bag, i)],
      [
        'remove all odd',
        (s) => s.bag.removeAll(isOdd),
        (s) => {
          const { length } = s.bag;
          s.bag = s.bag.filter((item) => !isOdd(item));
          return length - s.bag.length;
        },
      ],
      [
        `replace ${i} by ${j}`,
        (s) => s.bag.replace(i, j),
        (s) => (remove(s.bag, i) === refused ? refused : void s.bag.push(j)),
      ],
      [`has ${i}`, (s) => s.bag.has(i), (s) => s.bag.includes(i)],
      [`count ${i}`, (s) => s.bag.count(i), (s) => s.bag.filter((item) => item === i).length],
      ['clear the bag', (s) => s.bag.clear(), (s) => void (s.bag = [])],
      [`add ${page}`, (s) => s.set.add(page), (s) => void (s.set = [...new Set([...s.set, member])])],
      [`delete ${page}`, (s) => s.set.delete(page), (s) => void (s.set = s.set.filter((item) => item !== member))],
      [`has ${page}`, (s) => s.set.has(page), (s) => s.set.includes(member)],
      ['clear the set', (s) => s.set.clear(), (s) => void (s.set = [])],
    ];
    return fc.constantFrom(...all).map(([name, on, plainly]) => ({ name, on, plainly }));
  });

describe('any sequence of operations', () => {
  it('does and returns the same as on plain arrays, all in one effect or an effect each', () => {
    const state = { queue: queue(capacity, range(0, 3)), bag: bag(capacity, range(0, 3)), set: setOf(Page) };
    fc.assert(
      fc.property(fc.array(operations, { minLength: 1, maxLength: 20 }), fc.boolean(), (sequence, together) => {
        const plain: Plain = { queue: [], bag: [], set: [] };
        const expected = sequence.map(({ plainly }) => plainly(plain));
        const returned: unknown[] = [];
        const attempt = (s: Collections, { on }: Operation): void => {
          try {
            returned.push(on(s));
          } catch {
            returned.push(refused);
          }
        };
        const effects = together
          ? [(s: Collections) => sequence.forEach((operation) => attempt(s, operation))]
          : sequence.map((operation) => (s: Collections) => attempt(s, operation));
        const result = after(state, ...effects);
        // A step is taken twice, to see that it comes to the same.
        expect(returned).toEqual([...expected, ...expected]);
        expect({ queue: [...result.queue], bag: [...result.bag], set: [...result.set] }).toEqual({
          queue: plain.queue,
          bag: plain.bag.toSorted((a, b) => a - b),
          set: plain.set.toSorted((a, b) => a - b),
        });
      }),
      { numRuns: 500 },
    );
  });
});
