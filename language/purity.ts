/**
 * A model's functions must depend on nothing but what they are given. While they run, the clock and the sources of
 * randomness throw, so that a function which reads one is caught by name instead of making results unrepeatable.
 */
import { ModelError } from './errors.ts';

let depth = 0;

interface Trap {
  readonly owner: object;
  readonly key: string;
  readonly replacement: unknown;
}

function refuse(what: string): () => never {
  return () => {
    throw new ModelError(`reads ${what}: a model's functions must depend on their arguments alone`);
  };
}

/** `Date` that still converts given times but does not tell the present one. */
const timelessDate = new Proxy(Date, {
  construct: (target, args: readonly unknown[]) =>
    args.length === 0 ? refuse('the clock (new Date())')() : (Reflect.construct(target, args) as object),
  apply: refuse('the clock (Date())'),
  get: (target, key): unknown => (key === 'now' ? refuse('the clock (Date.now)') : Reflect.get(target, key)),
});

const refuseHrtime = Object.assign(refuse('the clock (process.hrtime)'), {
  bigint: refuse('the clock (process.hrtime)'),
});

const traps: readonly Trap[] = [
  { owner: Math, key: 'random', replacement: refuse('a random number (Math.random)') },
  { owner: globalThis, key: 'Date', replacement: timelessDate },
  { owner: performance, key: 'now', replacement: refuse('the clock (performance.now)') },
  { owner: process, key: 'hrtime', replacement: refuseHrtime },
  { owner: process, key: 'uptime', replacement: refuse('the clock (process.uptime)') },
  { owner: globalThis.crypto, key: 'getRandomValues', replacement: refuse('a random number (crypto)') },
  { owner: globalThis.crypto, key: 'randomUUID', replacement: refuse('a random number (crypto)') },
];

/**
 * Runs `work` (synchronously) with the clock and randomness closed to it. Calls may nest; what needs the clock itself,
 * such as a time limit, reads it between two such calls.
 */
export function withoutClockOrChance<T>(work: () => T): T {
  if (depth > 0) return work();
  const saved = traps.map(({ owner, key }) => Object.getOwnPropertyDescriptor(owner, key));
  for (const { owner, key, replacement } of traps) {
    Object.defineProperty(owner, key, { value: replacement, configurable: true, writable: true });
  }
  depth++;
  try {
    return work();
  } finally {
    depth--;
    for (const [i, { owner, key }] of traps.entries()) {
      const descriptor = saved[i];
      if (descriptor === undefined) Reflect.deleteProperty(owner, key);
      else Object.defineProperty(owner, key, descriptor);
    }
  }
}
