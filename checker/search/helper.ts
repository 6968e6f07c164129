/**
 * A helper thread of a search: it does phases on its banks whenever the main thread gives the turn, and knows nothing of the
 * model but the generated code.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Bank, type BankShape } from './bank.ts';
import { emptyReport, type Phase, type Report, run } from './phases.ts';

/** What a helper is told at its start. */
export interface HelperData {
  readonly control: SharedArrayBuffer;
  readonly port: MessagePort;
  /** Which of the helpers it is, from 0. */
  readonly number: number;
  /** The banks that it works on, by number. */
  readonly own: readonly number[];
  readonly memories: readonly WebAssembly.Memory[];
  /** The module of the visited set. */
  readonly store: WebAssembly.Module;
  readonly shape: BankShape;
  readonly propertyOf: Int32Array;
  /** The most bytes of one bank. */
  readonly limit: number;
}

/** What the main thread sends: code when it is new, and the phase of each turn. */
export type Order = { readonly module: WebAssembly.Module } | Phase;

/** What a helper answers. */
export type Answer = Report | { readonly failure: string };

/** Positions in the control memory: the turn, how many helpers have ended it, and how many are ready to begin. */
export const control = { turn: 0, ended: 1, ready: 2, words: 4 } as const;

/** The turn that ends the helpers. */
export const lastTurn = -1;

function isHelperData(data: unknown): data is HelperData {
  return typeof data === 'object' && data !== null && 'control' in data && 'memories' in data;
}

function help({ control: shared, port, own, memories, store, shape, propertyOf, limit }: HelperData): void {
  const words = new Int32Array(shared);
  const banks = memories.map((memory, i) => new Bank(i, memory, store, shape, limit));
  const mine = banks.filter(({ number }) => own.includes(number));
  Atomics.add(words, control.ready, 1);
  for (let turn = 0; ;) {
    waitWhile(words, control.turn, turn);
    turn = Atomics.load(words, control.turn);
    if (turn === lastTurn) return;
    port.postMessage(answer());
    Atomics.add(words, control.ended, 1);
    Atomics.notify(words, control.ended);
  }

  function answer(): Answer {
    try {
      return obey();
    } catch (error) {
      return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }

  function obey(): Report {
    const report = emptyReport();
    for (let message = receiveMessageOnPort(port); message !== undefined; message = receiveMessageOnPort(port)) {
      const order = (message as { readonly message: Order }).message;
      if ('module' in order) for (const bank of mine) bank.link(order.module);
      else run(order, mine, banks, propertyOf, report);
    }
    return report;
  }
}

/** Waits until a number in shared memory is another: a while awake, since turns are short, and then asleep. */
export function waitWhile(words: Int32Array, position: number, value: number): void {
  for (let i = 0; i < spins; i++) if (Atomics.load(words, position) !== value) return;
  while (Atomics.load(words, position) === value) Atomics.wait(words, position, value, 1000);
}

const spins = 20_000;

if (isHelperData(workerData)) help(workerData);
