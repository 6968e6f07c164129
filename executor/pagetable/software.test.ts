/**
 * Software tables say what a plain map from page to attributes says, whatever was done to them; hardware that watches every write
 * never holds what it must not.
 */
import { inspect, isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MappingAttributes } from './changes.ts';
import { nameOf, stage1, stage2 } from './tables.fixture.ts';
import { essence, found, Onlooker, type Page, pageInput, tablesOf } from './software-twin.fixture.ts';
import { contiguousCountLog2, type Regime } from './vmsav8-regime.ts';

const wide = { granuleLog2: 16, outputBits: 52, physicalBits: 52 } as const;
const watched: readonly Regime[] = [
  stage1(),
  stage1({ sizeOffset: 25, upper: true }),
  stage1({ sizeOffset: 39, twoPrivileges: false }),
  stage1({ bigEndian: true, hardwareAccess: true, hardwareDirty: true, sizeOffset: 32 }),
  stage1({ granuleLog2: 14 }),
  stage1({ granuleLog2: 14, sizeOffset: 32 }),
  stage1({ granuleLog2: 16 }),
  stage1({ ...wide, sizeOffset: 12, largeInputs: true }),
  stage2(),
  stage2({ sizeOffset: 16, startLevelCode: 2, executeNeverPrivileges: true }),
  // Concatenated: 16 tables from level 1, 16 from level 2.
  stage2({ sizeOffset: 21, startLevelCode: 1 }),
  stage2({ sizeOffset: 30, startLevelCode: 0 }),
  stage2({ granuleLog2: 14, sizeOffset: 24, startLevelCode: 1 }),
  stage2({ granuleLog2: 14, sizeOffset: 27, startLevelCode: 1, bigEndian: true }),
  stage2({ granuleLog2: 16, sizeOffset: 24, startLevelCode: 1 }),
  stage2({ ...wide, sizeOffset: 18, startLevelCode: 1 }),
];

type Operation =
  | {
      kind: 'map';
      from: number;
      count: number;
      output: number;
      attributes: number;
      blocks: boolean;
      contiguous: boolean;
    }
  | { kind: 'unmap'; from: number; count: number }
  | { kind: 'protect'; from: number; count: number; attributes: number; which: number }
  | { kind: 'split'; from: number }
  | { kind: 'collapse'; from: number }
  | { kind: 'fold'; from: number };

/** Attributes by number: write, unprivileged or read, memory type, executable. */
function attributesOf(regime: Regime, value: number): MappingAttributes {
  const common = { write: value % 2 === 1, memoryAttributes: (value >> 2) % 2 };
  const execute = (value >> 3) % 2 === 1;
  const executable = { privilegedExecute: execute, unprivilegedExecute: execute };
  if (regime.stage === 2) return { ...common, ...executable, read: (value >> 1) % 2 === 0 };
  return regime.twoPrivileges
    ? { ...common, ...executable, unprivileged: (value >> 1) % 2 === 0, global: (value >> 4) % 2 === 1 }
    : { ...common, ...executable };
}

/** The attributes that are not always given. */
const defaults = { read: true, unprivileged: true, global: false } as const;

/** Some of the attributes; executability is one, since it cannot always be said by half. */
function someOf(attributes: MappingAttributes, which: number): Partial<MappingAttributes> {
  const { privilegedExecute = false, unprivilegedExecute = false, ...rest } = attributes;
  const parts: readonly Partial<MappingAttributes>[] = [
    { privilegedExecute, unprivilegedExecute },
    ...Object.entries(rest).map((one) => Object.fromEntries([one])),
  ];
  return Object.fromEntries(
    parts.flatMap((part, index) => (((which >> (index % 4)) & 1) === 1 ? Object.entries(part) : [])),
  );
}

/** What a TLB must keep of a page, besides the size of its leaf. */
function essenceOf(regime: Regime, { output, attributes }: Page): string {
  const { write, privilegedExecute = false, unprivilegedExecute = false, memoryAttributes, global } = attributes;
  const { read, unprivileged } = { ...defaults, ...attributes };
  const both = regime.stage === 2 || !regime.twoPrivileges;
  const permissions = {
    privileged: { read, write, execute: privilegedExecute && (both || !(write && unprivileged)) },
    unprivileged: {
      read: both ? read : unprivileged,
      write: write && (both || unprivileged),
      execute: unprivilegedExecute,
    },
  };
  return JSON.stringify([`${output}`, permissions, memoryAttributes, 3, both || global === true]);
}

/** What an operation gives; `undefined` if it is refused. */
function attempt<T>(operation: () => T): T | undefined {
  try {
    return operation();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

describe.each(watched.map((regime) => [nameOf(regime), regime] as const))('%s', (_, regime) => {
  const blockPages = 2 ** (regime.granuleLog2 - 3);
  const blockLevel = 2;
  const run = 2 ** contiguousCountLog2(regime.granuleLog2, 3);
  const pages = 2 * blockPages;
  const page = 1n << BigInt(regime.granuleLog2);
  const window = (1n << BigInt(regime.inputBits)) - BigInt(pages) * page;
  const place = fc.oneof(
    fc.nat(pages - 1),
    fc.nat(pages / run - 1).map((at) => at * run),
    fc.constantFrom(0, blockPages, blockPages - 1, blockPages + run),
  );
  const count = fc.oneof(fc.integer({ min: 1, max: pages }), fc.constantFrom(1, run, 2 * run, blockPages, pages));
  const output = fc.oneof(fc.nat(3 * blockPages), fc.constantFrom(0, blockPages, 4 * blockPages, run));
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('map'),
        from: place,
        count,
        output,
        attributes: fc.nat(31),
        blocks: fc.boolean(),
        contiguous: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('unmap'), from: place, count }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('protect'),
        from: place,
        count,
        attributes: fc.nat(31),
        which: fc.nat(15),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.oneof(
        fc.record({ kind: fc.constant('split'), from: place }),
        fc.record({ kind: fc.constant('collapse'), from: place }),
        fc.record({ kind: fc.constant('fold'), from: place }),
      ),
    },
  );

  /** What goes wrong when the operations are done on tables and on the twin. */
  function behave(operations: readonly Operation[], breakFirst: boolean): readonly string[] {
    const { memory, tables } = tablesOf(regime, breakFirst ? {} : { blockChange: 'at once' });
    const twin = new Map<number, Page>();
    const problems: string[] = [];
    const at = (number: number): bigint => pageInput(regime, window, number);
    const numberOf = (input: bigint): number => Number((input - at(0)) / page);
    const same = (what: string, got: unknown, wanted: unknown): void => {
      if (!isDeepStrictEqual(got, wanted)) problems.push(`${what}: ${inspect(got)}, not ${inspect(wanted)}`);
    };
    const samples = [0, 1, run - 1, run, blockPages - 1, blockPages, blockPages + run + 1, pages - 1].map(at);
    for (const step of operations) {
      const onlooker = new Onlooker(tables, memory, [...samples, at(step.from)], breakFirst);
      const input = at(step.from);
      const before = tables.lookup(input);
      if (step.kind === 'split') {
        const possible = before !== undefined && (before.level < 3 || before.contiguousLog2 !== undefined);
        const change = attempt(() => onlooker.follow(tables.splitSteps(input)));
        same('split', change !== undefined, possible);
        const after = tables.lookup(input);
        const smaller =
          (after?.contiguousLog2 ?? after?.sizeLog2 ?? 0) < (before?.contiguousLog2 ?? before?.sizeLog2 ?? 0);
        same('split makes smaller', smaller, possible);
      } else if (step.kind === 'collapse') {
        const possible = isCollapsible(step.from);
        const change = onlooker.follow(tables.collapseSteps(input, blockLevel));
        same('collapse', [change !== undefined, change?.freed.length ?? 0], [possible, possible ? 1 : 0]);
        same('collapse makes a block', possible ? tables.lookup(input)?.level : blockLevel, blockLevel);
        tables.release(change?.freed ?? []);
      } else if (step.kind === 'fold') {
        const change = onlooker.follow(tables.foldSteps(input));
        same('fold', change !== undefined, tables.lookup(input)?.contiguousLog2 !== before?.contiguousLog2);
      } else {
        const covered = Array.from(
          { length: Math.min(step.count, pages - step.from) },
          (_unused, index) => step.from + index,
        );
        const length = BigInt(covered.length) * page;
        const mapped = covered.filter((number) => twin.has(number));
        if (step.kind === 'map') {
          const attributes = attributesOf(regime, step.attributes);
          const target = BigInt(step.output) * page;
          const { blocks, contiguous } = step;
          const steps = tables.mapSteps(input, target, length, attributes, { blocks, contiguous });
          const change = attempt(() => onlooker.follow(steps));
          same('map', change, mapped.length > 0 ? undefined : { bytes: length, invalidations: [], freed: [] });
          if (mapped.length > 0) continue;
          for (const [index, number] of covered.entries()) {
            twin.set(number, { output: target + BigInt(index) * page, attributes });
          }
        } else if (step.kind === 'unmap') {
          const change = onlooker.follow(tables.unmapSteps(input, length));
          same('unmap', change?.bytes, BigInt(mapped.length) * page);
          for (const number of mapped) twin.delete(number);
          tables.release(change?.freed ?? []);
        } else {
          const some = someOf(attributesOf(regime, step.attributes), step.which);
          onlooker.follow(tables.protectSteps(input, length, some));
          for (const number of mapped) {
            const known = twin.get(number);
            if (known !== undefined) twin.set(number, { ...known, attributes: { ...known.attributes, ...some } });
          }
        }
      }
      problems.push(...onlooker.problems);
      for (const sample of samples) {
        const known = twin.get(numberOf(sample));
        const leaf = found(tables, memory, sample);
        same(`0x${sample.toString(16)}`, leaf && essence(leaf, sample), known && essenceOf(regime, known));
        same('AF', leaf?.accessFlag ?? true, true);
      }
    }
    compare();
    return problems;

    /** Whether the pages of a block are alike, follow each other from an aligned output, and are mapped by a table of pages. */
    function isCollapsible(from: number): boolean {
      const start = from - (from % blockPages);
      const first = twin.get(start);
      const isTable = tables.path(at(from)).some(({ level, below }) => level === blockLevel && below !== undefined);
      if (!isTable || first === undefined || first.output % (BigInt(blockPages) * page) !== 0n) return false;
      return Array.from({ length: blockPages }, (_unused, index) => index).every((index) => {
        const known = twin.get(start + index);
        return (
          known?.output === first.output + BigInt(index) * page &&
          isDeepStrictEqual({ ...defaults, ...known.attributes }, { ...defaults, ...first.attributes })
        );
      });
    }

    /** Every leaf against the twin, and that nothing is left when all is unmapped. */
    function compare(): void {
      const seen = new Map<number, string>();
      for (const { input, leaf } of tables.leaves()) {
        const size = 1n << BigInt(leaf.sizeLog2);
        if (leaf.contiguousLog2 !== undefined) {
          const length = 1n << BigInt(leaf.contiguousLog2);
          const first = input & ~(length - 1n);
          for (let other = first; other < first + length; other += input === first ? size : length) {
            const neighbour = tables.lookup(other);
            const wanted = [leaf.contiguousLog2, (leaf.output & ~(length - 1n)) + (other - first)];
            same('a run', [neighbour?.contiguousLog2, neighbour?.output], wanted);
          }
        }
        for (let done = 0n; done < size; done += page) {
          seen.set(numberOf(input + done), essence({ ...leaf, output: leaf.output + done }, 0n));
        }
      }
      same('pages', seen.size, twin.size);
      for (const [number, known] of twin) same(`page ${number}`, seen.get(number), essenceOf(regime, known));
      const gone = tables.unmap(at(0), BigInt(pages) * page);
      same('all', gone.bytes, BigInt(twin.size) * page);
      same('left', [[...tables.leaves()], tables.path(at(0)).length, tables.path(at(pages - 1)).length], [[], 1, 1]);
    }
  }

  it.each([true, false])('does what the twin does (break before make: %s)', (breakFirst) => {
    const numRuns = Math.ceil(12_000 / blockPages / 4);
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 8 }), (operations) => {
        expect(behave(operations, breakFirst)).toEqual([]);
      }),
      { numRuns },
    );
  });
});
