/**
 * Checkpoints: all that a search needs to go on where it stood between two rounds. The states are written in their order;
 * what can be built from them, the index of the visited set and the decision trees, is built anew.
 */
import { realpathSync } from 'node:fs';
import { shards } from '../compile/format.ts';
import type { Saved } from '../result.ts';
import { CheckpointReader, reasonOf, refusal, refuseUnwritable, writeFile } from './checkpoint-file.ts';
import type { Crew } from './crew.ts';
import { differenceTo, type Identity } from './identity.ts';
import type { CheckpointOptions } from './options.ts';

/** Where a search stands, besides its states. */
export interface Standing {
  /** The level that is explored. */
  readonly level: number;
  /** The end of each shard's part of each level that was begun. */
  readonly levels: readonly (readonly number[])[];
  readonly transitions: number;
  readonly seconds: number;
  /** The properties that are decided, by name, and the packed states that decide them. */
  readonly decided: readonly { readonly property: string; readonly state: readonly number[]; readonly level: number }[];
}

interface Header extends Omit<Standing, 'levels'> {
  readonly identity: Identity;
  /** The sorts whose members are interchanged. */
  readonly sorts: readonly string[];
  /** How many levels' ends stand in front of the states. */
  readonly levels: number;
  readonly states: number;
  readonly bytesPerState: number;
  readonly digest: readonly [number, number];
}

/** Numbers of each shard that stand between the ends of the levels and the states: how many states, how many explored. */
const numbersPerShard = 2;
/** After one has taken some time to write, so many times as long is spent on searching: of the whole 5 % is for writing. */
const searchShare = 19;

/** The checkpoints that a search writes, all to one file. */
export class Checkpoints {
  private readonly options: CheckpointOptions;
  private readonly file: string;
  private readonly identity: Identity;
  private readonly sorts: readonly string[];
  private readonly bytesPerState: number;
  /** When the last one was finished, or the search began. */
  private since = performance.now();
  /** How long it took, in seconds. */
  private took = 0;
  /** What is in the file. */
  private written: { readonly states: number; readonly transitions: number } | undefined;
  private problem: string | undefined;

  /** Throws where the file cannot be written. */
  constructor(options: CheckpointOptions, identity: Identity, sorts: readonly string[], bytesPerState: number) {
    this.options = options;
    this.file = realFile(options.file);
    this.identity = identity;
    this.sorts = sorts;
    this.bytesPerState = bytesPerState;
    refuseUnwritable(this.file, options.file);
  }

  /** What has become of them. */
  saved(): Saved {
    const { written, problem } = this;
    return {
      file: this.options.file,
      states: written?.states ?? 0,
      ...(problem === undefined ? {} : { problem }),
    };
  }

  /** The search went on from a checkpoint, which may be the one that this one replaces. */
  resumedFrom(file: string, states: number, transitions: number): void {
    if (realFile(file) === this.file) this.written = { states, transitions };
  }

  /** Whether it is time for one. */
  isDue(): boolean {
    return (performance.now() - this.since) / 1000 >= Math.max(this.options.every, searchShare * this.took);
  }

  /** Writes one, unless it would be the same as the last. A search does not end because that fails: it is told at the end. */
  *write(standing: Standing, crew: Crew): Generator<void, void> {
    const states = crew.banks.reduce((sum, bank) => sum + bank.totals().states, 0);
    const { levels, transitions, ...rest } = standing;
    if (this.written?.states === states && this.written.transitions === transitions) return;
    const header: Header = {
      identity: this.identity,
      sorts: this.sorts,
      ...rest,
      transitions,
      levels: levels.length,
      states,
      bytesPerState: this.bytesPerState,
      digest: digestOf(crew),
    };
    const start = performance.now();
    try {
      yield* writeFile(this.file, header, piecesOf(levels, crew));
      this.written = { states, transitions };
      this.problem = undefined;
    } catch (error) {
      this.problem = reasonOf(error);
    }
    this.since = performance.now();
    this.took = (this.since - start) / 1000;
  }
}

/** The file that is replaced: what a symbolic link points to, not the link. */
function realFile(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

function digestOf({ banks }: Crew): readonly [number, number] {
  return banks.reduce<readonly [number, number]>(
    ([a, b], { digest }) => [(a + digest[0]) | 0, (b + digest[1]) | 0],
    [0, 0],
  );
}

function* piecesOf(levels: readonly (readonly number[])[], crew: Crew): Generator<Uint8Array, void> {
  for (const ends of levels) yield bytesOf(Int32Array.from(ends));
  const counts = new Int32Array(shards * numbersPerShard);
  for (let shard = 0; shard < shards; shard++) {
    const bank = crew.bankOf(shard);
    counts.set([bank.count(shard), bank.progress()[shard] as number], shard * numbersPerShard);
  }
  yield bytesOf(counts);
  for (let shard = 0; shard < shards; shard++) yield* crew.bankOf(shard).pieces(shard);
}

function bytesOf(numbers: Int32Array): Uint8Array {
  return new Uint8Array(numbers.buffer);
}

/** The sorts by which the search was reduced that wrote a checkpoint. Throws `CheckpointError`. */
export function sortsOfCheckpoint(file: string): readonly string[] {
  const reader = new CheckpointReader(file);
  reader.close();
  return (reader.header as Header).sorts;
}

/** Gives the states of a checkpoint to banks that have none; returns where the search stood. Throws `CheckpointError`. */
export function* readCheckpoint(
  file: string,
  identity: Identity,
  bytesPerState: number,
  crew: Crew,
): Generator<void, Standing> {
  const reader = new CheckpointReader(file);
  try {
    const {
      identity: there,
      levels: count,
      states,
      digest,
      bytesPerState: bytes,
      ...standing
    } = reader.header as Header;
    const difference = differenceTo(identity, there);
    if (difference !== undefined) throw refusal(file, difference.problem, difference.remedy);
    if (bytes !== bytesPerState) throw reader.damaged();
    reader.expect((count + numbersPerShard) * shards * 4 + states * bytesPerState);
    const levels: number[][] = [];
    for (let level = 0; level < count; level++) levels.push([...numbersFrom(reader, shards)]);
    const counts = numbersFrom(reader, shards * numbersPerShard);
    let left = states;
    for (let shard = 0; shard < shards; shard++) {
      const [here, explored] = counts.subarray(shard * numbersPerShard) as unknown as readonly [number, number];
      left -= here;
      if (here < 0 || left < 0) throw reader.damaged();
      const part = { count: here, explored, levelEnd: levels.at(-1)?.[shard] ?? 0 };
      if (!crew.bankOf(shard).restore(shard, part, (into) => reader.read(into))) {
        const problem = `its ${states.toLocaleString('en-US')} states do not fit into the memory that the search may use`;
        throw refusal(file, problem, 'allow more with --max-memory');
      }
      yield;
    }
    reader.end();
    crew.banks[0]?.addDigest(digest);
    return { ...standing, levels };
  } finally {
    reader.close();
  }
}

function numbersFrom(reader: CheckpointReader, count: number): Int32Array {
  const numbers = new Int32Array(count);
  reader.read(bytesOf(numbers));
  return numbers;
}
