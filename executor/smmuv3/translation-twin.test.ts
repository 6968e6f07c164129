/**
 * Translation against a slow twin: whatever is mapped, accessed and invalidated in any order, an access reaches only what a
 * translation since the last invalidation that covers it could have reached, and after that exactly what the tables say.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { command } from './tlb.fixture.ts';
import {
  nestedStream,
  ordinary,
  ordinary2,
  read,
  s1,
  stage1With,
  TestUnit,
  translating,
} from './translation.fixture.ts';
import { translateAccess } from './translation.ts';
import type { CachingPolicy } from './tlb.ts';

const IPAS = [0x70_0000n, 0x70_1000n];
const PAS = [0x9000n, 0xa000n, 0xb000n];
const VAS = [0x5000n, 0x6000n];
const ASIDS = [7, 8];

type Step =
  | { readonly do: 'stage 1'; readonly va: number; readonly ipa: number | undefined; readonly global: boolean }
  | { readonly do: 'stage 2'; readonly ipa: number; readonly pa: number | undefined }
  | { readonly do: 'access'; readonly va: number; readonly asid: number }
  | { readonly do: 'VA'; readonly va: number; readonly asid: number }
  | { readonly do: 'VAA'; readonly va: number }
  | { readonly do: 'ASID'; readonly asid: number }
  | { readonly do: 'IPA'; readonly ipa: number }
  | { readonly do: 'stage 1 all' | 'both all' };

const va = fc.nat({ max: VAS.length - 1 });
const ipa = fc.nat({ max: IPAS.length - 1 });
const asid = fc.nat({ max: 1 });
const maybe = (most: number): fc.Arbitrary<number | undefined> => fc.option(fc.nat({ max: most }), { nil: undefined });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stage 1' as const), va, ipa: maybe(1), global: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stage 2' as const), ipa, pa: maybe(2) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('access' as const), va, asid }) },
  fc.record({ do: fc.constant('VA' as const), va, asid }),
  fc.record({ do: fc.constant('VAA' as const), va }),
  fc.record({ do: fc.constant('ASID' as const), asid }),
  fc.record({ do: fc.constant('IPA' as const), ipa }),
  fc.record({ do: fc.constantFrom('stage 1 all' as const, 'both all' as const) }),
);

interface First {
  readonly ipa: bigint;
  readonly global: boolean;
}

/** What may be cached: of stage 1 and of both by ASID and VA, of stage 2 by IPA. */
class Twin {
  readonly mapped1 = new Map<bigint, First>();
  readonly mapped2 = new Map<bigint, bigint>();
  /** VA and ASID to what entries may say; a global entry serves both ASIDs. */
  readonly #first = new Map<string, Set<First>>();
  readonly #second = new Map<bigint, Set<bigint>>();
  readonly #both = new Map<string, { readonly pa: bigint; readonly global: boolean }[]>();

  /** Everything that can be fetched now may be cached, and everything cached combined. */
  settle(): void {
    for (const [at, pa] of this.mapped2) setOf(this.#second, at).add(pa);
    for (const page of VAS) {
      const now = this.mapped1.get(page);
      for (const of of ASIDS) {
        const key = `${of} ${page}`;
        if (now !== undefined) setOf(this.#first, key).add(now);
        for (const first of setOf(this.#first, key)) {
          for (const pa of setOf(this.#second, first.ipa)) {
            const known = this.#both.get(key) ?? [];
            if (!known.some((each) => each.pa === pa && each.global === first.global)) {
              this.#both.set(key, [...known, { pa, global: first.global }]);
            }
          }
        }
      }
    }
  }

  reachable(page: bigint, of: number): ReadonlySet<bigint> {
    const asids = ASIDS.filter((each) => each !== of);
    const own = this.#both.get(`${of} ${page}`) ?? [];
    const others = asids.flatMap((each) => this.#both.get(`${each} ${page}`) ?? []).filter(({ global }) => global);
    return new Set([...own, ...others].map(({ pa }) => pa));
  }

  mayFault(page: bigint, of: number): boolean {
    if (!this.mapped1.has(page)) return true;
    return [...setOf(this.#first, `${of} ${page}`)].some((first) => !this.mapped2.has(first.ipa));
  }

  dropFirst(covers: (page: bigint, of: number, global: boolean) => boolean): void {
    for (const page of VAS) {
      for (const of of ASIDS) {
        const key = `${of} ${page}`;
        const stays = [...setOf(this.#first, key)].filter(({ global }) => !covers(page, of, global));
        this.#first.set(key, new Set(stays));
        this.#both.set(
          key,
          (this.#both.get(key) ?? []).filter(({ global }) => !covers(page, of, global)),
        );
      }
    }
  }

  dropSecond(covers: (page: bigint) => boolean): void {
    for (const page of IPAS) if (covers(page)) this.#second.delete(page);
  }
}

function setOf<K, V>(map: Map<K, Set<V>>, key: K): Set<V> {
  const set = map.get(key) ?? new Set<V>();
  map.set(key, set);
  return set;
}

function pick<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new RangeError(`${index}`);
  return value;
}

/** The machine, and what became of the accesses, with what the twin allows. */
function run(steps: readonly Step[], policy: CachingPolicy): readonly string[] {
  const unit = new TestUnit({ policy });
  const { guest, host, stage2 } = nestedStream(unit);
  for (const of of ASIDS) {
    unit.stream(of, translating({ stage1: stage1With(guest.base, {}, { asid: of }), stage2 }));
  }
  const twin = new Twin();
  const wrong: string[] = [];
  for (const each of steps) {
    twin.settle();
    switch (each.do) {
      case 'stage 1': {
        const page = pick(VAS, each.va);
        const to = each.ipa === undefined ? undefined : { ipa: pick(IPAS, each.ipa), global: each.global };
        const bits = each.global ? ordinary & ~s1.ng : ordinary;
        unit.memory.writeWord(guest.descriptor(page), to === undefined ? 0n : to.ipa | bits | 3n);
        if (to === undefined) twin.mapped1.delete(page);
        else twin.mapped1.set(page, to);
        break;
      }
      case 'stage 2': {
        const page = pick(IPAS, each.ipa);
        const to = each.pa === undefined ? undefined : pick(PAS, each.pa);
        unit.memory.writeWord(host.descriptor(page), to === undefined ? 0n : to | ordinary2 | 3n);
        if (to === undefined) twin.mapped2.delete(page);
        else twin.mapped2.set(page, to);
        break;
      }
      case 'access': {
        const [page, of] = [pick(VAS, each.va), pick(ASIDS, each.asid)];
        const outcome = translateAccess(unit, read(page, { streamId: of }));
        const reached = outcome.outcome === 'admitted' ? outcome.pieces[0]?.physical : undefined;
        const allowed = reached === undefined ? twin.mayFault(page, of) : twin.reachable(page, of).has(reached);
        if (!allowed) wrong.push(`${of}: ${page} reached ${reached ?? 'nothing'}`);
        break;
      }
      case 'VA': {
        const [page, of] = [pick(VAS, each.va), pick(ASIDS, each.asid)];
        unit.tlb.invalidate(command({ op: 'TLBI_NH_VA', vmid: 1, asid: of, address: page, leaf: true }));
        twin.dropFirst((at, by, global) => at === page && (by === of || global));
        break;
      }
      case 'VAA': {
        const page = pick(VAS, each.va);
        unit.tlb.invalidate(command({ op: 'TLBI_NH_VAA', vmid: 1, address: page }));
        twin.dropFirst((at) => at === page);
        break;
      }
      case 'ASID': {
        const of = pick(ASIDS, each.asid);
        unit.tlb.invalidate(command({ op: 'TLBI_NH_ASID', vmid: 1, asid: of }));
        twin.dropFirst((_, by, global) => by === of && !global);
        break;
      }
      case 'IPA': {
        const page = pick(IPAS, each.ipa);
        unit.tlb.invalidate(command({ op: 'TLBI_S2_IPA', vmid: 1, address: page }));
        twin.dropSecond((at) => at === page);
        break;
      }
      case 'stage 1 all':
      case 'both all': {
        const op = each.do === 'both all' ? 'TLBI_S12_VMALL' : 'TLBI_NH_ALL';
        unit.tlb.invalidate(command({ op, vmid: 1 }));
        if (each.do === 'both all') twin.dropSecond(() => true);
        twin.dropFirst(() => true);
        break;
      }
    }
  }
  return wrong;
}

describe('Any order of mapping, access and invalidation', () => {
  it.each(['always', 'everything', 'chosen'] as const)('reaches only what may still be cached (%s)', (policy) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        expect(run(steps, policy)).toStrictEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('ends as the tables say, once both stages are invalidated', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), va, asid, (steps, page, of) => {
        const last = [{ do: 'both all' }, { do: 'access', va: page, asid: of }] as const;
        expect(run([...steps, ...last], 'everything')).toStrictEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
