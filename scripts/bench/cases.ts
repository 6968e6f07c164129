/**
 * The models of the benchmark at their sizes: how many states and steps each has, and how each peer is told the size. All
 * counts were found by at least two tools that share no code.
 */
import type { Counts, Subject } from './contender.ts';
import { modelFile } from './files.ts';

/** A model of the benchmark at one size, in all languages. */
export interface Case extends Subject {
  readonly model: string;
  readonly counts: Counts;
  readonly initialStates: number;
  readonly isSymmetric: boolean;
  /** For Spin: the macros, and a bound on the length of a path in depth-first order. */
  readonly promela: { readonly macros: Readonly<Record<string, number>>; readonly depth: number };
  /** For Rumur: the constants of the model. */
  readonly murphi: Readonly<Record<string, number>>;
  /** For TLC: the constants of the model. */
  readonly tla: Readonly<Record<string, string>>;
}

function common(model: string, size: string): Pick<Case, 'name' | 'model' | 'size' | 'file'> {
  return { name: `${model}/${size}`, model, size, file: modelFile(model) };
}

/** `{p1, p2}`. */
function values(letter: string, count: number): string {
  return `{${Array.from({ length: count }, (_, i) => `${letter}${i + 1}`).join(', ')}}`;
}

interface SvaSize {
  readonly process: number;
  readonly device: number;
  readonly queue: number;
}

function sva(size: string, { process, device, queue }: SvaSize, counts: Counts, depth: number): Case {
  return {
    ...common('sva', size),
    counts,
    initialStates: 1,
    isSymmetric: true,
    promela: { macros: { PAGES: process, DEVICES: device, CAPACITY: queue }, depth },
    murphi: { processes: process, devices: device, capacity: queue },
    tla: { Process: values('p', process), Device: values('d', device), Capacity: String(queue) },
  };
}

function german(size: string, clients: number, counts: Counts, depth: number): Case {
  return {
    ...common('german', size),
    counts,
    initialStates: 2,
    isSymmetric: true,
    promela: { macros: { CLIENTS: clients }, depth },
    murphi: { clients },
    tla: { Client: values('c', clients) },
  };
}

/** Each fork is free, or held from its left or its right, and every combination can be reached. */
function philosophers(size: string, seats: number, depth: number): Case {
  return {
    ...common('philosophers', size),
    counts: { states: 3 ** seats, transitions: 2 * seats * 3 ** (seats - 1) },
    initialStates: 1,
    isSymmetric: false,
    promela: { macros: { SEATS: seats }, depth },
    murphi: { seats },
    tla: { Seats: String(seats) },
  };
}

export const cases: readonly Case[] = [
  sva('smoke', { process: 2, device: 1, queue: 1 }, { states: 1_344, transitions: 5_168 }, 10_000),
  sva('ci', { process: 3, device: 1, queue: 2 }, { states: 95_616, transitions: 540_960 }, 50_000),
  sva('medium', { process: 2, device: 3, queue: 2 }, { states: 856_064, transitions: 8_066_048 }, 200_000),
  sva('deep', { process: 4, device: 1, queue: 3 }, { states: 9_547_776, transitions: 68_031_232 }, 3_000_000),
  german('smoke', 2, { states: 3_390, transitions: 9_912 }, 10_000),
  german('ci', 3, { states: 58_104, transitions: 235_872 }, 10_000),
  german('medium', 4, { states: 1_105_434, transitions: 5_922_288 }, 20_000),
  german('deep', 5, { states: 22_031_028, transitions: 147_274_200 }, 100_000),
  philosophers('smoke', 4, 10_000),
  philosophers('ci', 9, 50_000),
  philosophers('medium', 13, 2_000_000),
  philosophers('deep', 14, 6_000_000),
];
