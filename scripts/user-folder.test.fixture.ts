/**
 * A user's folder outside of any package, with models of known size and known violations, and the built command line run in it.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const program = fileURLToPath(new URL('../dist/scripts/svacheck.js', import.meta.url));

/** What a call of the program came to. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A folder with files, removed after the tests. */
export interface UserFolder {
  readonly path: string;
  readonly write: (name: string, text: string) => void;
  /** Runs `svacheck` in the folder, not on a terminal. */
  readonly svacheck: (...args: readonly string[]) => Promise<Outcome>;
}

const folders: string[] = [];
// Registered for the whole file, since a folder may also be made inside a test.
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

/** Makes a folder with these files. */
export function userFolder(files: Readonly<Record<string, string>>): UserFolder {
  const path = mkdtempSync(join(tmpdir(), 'svacheck-test-'));
  folders.push(path);
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  return { path, write, svacheck: (...args) => run(path, args) };
}

function run(cwd: string, args: readonly string[]): Promise<Outcome> {
  const { DEBUG: _debug, ...env } = process.env;
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [program, ...args], { cwd, env });
    let out = '';
    let err = '';
    child.stdout.on('data', (text: Buffer) => (out += text.toString()));
    child.stderr.on('data', (text: Buffer) => (err += text.toString()));
    child.on('error', fail);
    child.on('close', (code) => done({ code, out, err }));
  });
}

/**
 * Peterson's mutual exclusion of two processes: 20 states, 34 transitions. With `bug`, entering waits for nothing, and the
 * shortest violation has both processes raise the flag, give turn and enter: 6 steps.
 */
export function peterson(bug = false): string {
  const wait = bug ? 'true' : '!s.flag[next(Process, process)].up || s.turn === process';
  return `import { bool, each, model, properties, sort } from 'svacheck';
const Process = sort('process', { ordered: true });
export const peterson = model({
  name: 'peterson',
  doc: 'Mutual exclusion of two processes.',
  sizes: { smoke: { process: 2 }, ci: { process: 2 }, deep: { process: 2 } },
  state: () => ({ flag: each(Process, { up: bool }), turn: Process }),
  actions: ({ procedure, next }) => ({
    run: procedure({ process: Process }, {
      actor: 'process',
      repeat: true,
      steps: ({ step }) => [
        step('raise flag', { then: { up: (s, { process }) => { s.flag[process].up = true; } } }),
        step('give turn', { then: { give: (s, { process }) => { s.turn = next(Process, process); } } }),
        step('enter', { when: { 'it may': (s, { process }) => ${wait} } }),
        step('leave', { then: { down: (s, { process }) => { s.flag[process].up = false; } } }),
      ],
    }),
  }),
});
export const petersonProperties = properties(peterson, ({ invariant }) => ({
  'mutual exclusion': invariant({
    doc: 'at most one process is inside',
    requirement: ['REQ-1', 'REQ-2'],
    holds: (s) => s.run.filter((r) => r.at === 'leave').length <= 1,
  }),
}));
`;
}

/**
 * A channel with room for two of three items. States are the pairs (sent, received) with at most two between: 9, and 10
 * transitions. With `bug`, the sender does not look for room: after two sends the third has none.
 */
export function channel(bug = false): string {
  const room = bug ? 'true' : '!s.channel.isFull';
  return `import { model, properties, queue, range } from 'svacheck';
export const channel = model({
  name: 'channel',
  sizes: { smoke: { items: 3, room: 2 }, ci: { items: 3, room: 2 }, deep: { items: 9, room: 4 } },
  state: ({ size }) => ({
    sent: range(0, size.items),
    received: range(0, size.items),
    channel: queue(size.room, { item: range(0, size.items) }),
  }),
  actions: ({ action, size }) => ({
    send: action({}, {
      actor: 'sender',
      when: { 'an item is left': (s) => s.sent < size.items, 'there is room': (s) => ${room} },
      then: {
        'put it in': (s) => s.channel.push({ item: s.sent }),
        'count it': (s) => { s.sent = s.sent + 1; },
      },
    }),
    receive: action({}, {
      actor: 'receiver',
      when: { 'an item has come': (s) => !s.channel.isEmpty },
      then: { 'take it out': (s) => { s.received = s.channel.shift().item + 1; } },
    }),
  }),
});
export const channelProperties = properties(channel, ({ invariant, reachable, deadlockFree, size }) => ({
  'nothing is lost': invariant({ holds: (s) => s.sent === s.received + s.channel.length }),
  'all is received': reachable({ holds: (s) => s.received === size.items }),
  'no deadlock': deadlockFree({ final: { 'all is received': (s) => s.received === size.items } }),
}));
`;
}

/**
 * A token that goes round: at one of three members or in a bag on its way to one, 6 states and 6 transitions. The variant
 * keeps the token when it is sent on: two tokens after one step. `recorded` is what it says of that.
 */
export function ring(recorded = 1): string {
  return `import { bag, bool, each, model, properties, sort, variants } from 'svacheck';
const Member = sort('member', { ordered: true });
const First = 0;
export const ring = model({
  name: 'ring',
  sizes: { smoke: { member: 2 }, ci: { member: 3 }, deep: { member: 9 } },
  state: () => ({ member: each(Member, { token: bool }), link: bag(2, { to: Member }) }),
  initial: (s) => { for (const [i, member] of [...s.member].entries()) member.token = i === First; },
  actions: ({ action, next }) => ({
    send: action({ member: Member }, {
      actor: 'sender',
      when: {
        'it has the token': (s, { member }) => s.member[member].token,
        'the link has room': (s) => !s.link.isFull,
      },
      then: {
        'send it on': (s, { member }) => s.link.add({ to: next(Member, member) }),
        'have it no longer': (s, { member }) => { s.member[member].token = false; },
      },
    }),
    receive: action({ member: Member }, {
      actor: 'receiver',
      when: { 'it has come': (s, { member }) => s.link.has({ to: member }) },
      then: {
        'take it off': (s, { member }) => { s.link.remove({ to: member }); },
        'have it': (s, { member }) => { s.member[member].token = true; },
      },
    }),
  }),
});
const ringProperties = properties(ring, ({ invariant }) => ({
  'there is one token': invariant({
    holds: (s) => s.member.filter(({ token }) => token).length + s.link.length === 1,
  }),
}));
export const ringVariants = variants(ringProperties, {
  'keeps-the-token': {
    doc: 'the sender does not forget the token',
    reference: 'made up',
    violates: { 'there is one token': ${recorded} },
    edits: ({ drop }) => [drop(['send', 'have it no longer'])],
  },
});
`;
}

/**
 * Clients that ask for a lock and are granted it one at a time; with `breaks` it may be granted no more one day, and with
 * `steals` it may be taken away. A client that asks is passed over for ever if granting is only weakly fair: whenever another
 * has the lock, it is not enabled. `recorded` is what the variant says of its lasso.
 */
export function lock(fairness: 'weak' | 'strong' = 'weak', recorded = 2): string {
  return `import { bool, each, model, oneOf, properties, sort, variants } from 'svacheck';
const Client = sort('client');
export const lock = model({
  name: 'lock',
  sizes: {
    smoke: { client: 2, breaks: 0, steals: 0 },
    ci: { client: 2, breaks: 0, steals: 0 },
    deep: { client: 4, breaks: 0, steals: 0 },
  },
  state: () => ({ broken: bool, lock: each(Client, { is: oneOf('free', 'asked', 'held') }) }),
  actions: ({ action, procedure, size }) => ({
    ask: action({ client: Client }, {
      actor: 'client',
      when: { 'it has not asked': (s, { client }) => s.lock[client].is === 'free' },
      then: { ask: (s, { client }) => { s.lock[client].is = 'asked'; } },
    }),
    grant: action({ client: Client }, {
      actor: 'server',
      fairness: '${fairness}',
      when: {
        'it works': (s) => !s.broken,
        'it has asked': (s, { client }) => s.lock[client].is === 'asked',
        'nobody has it': (s) => s.lock.every(({ is }) => is !== 'held'),
      },
      then: { grant: (s, { client }) => { s.lock[client].is = 'held'; } },
    }),
    release: action({ client: Client }, {
      actor: 'client',
      fairness: 'weak',
      when: { 'it has it': (s, { client }) => s.lock[client].is === 'held' },
      then: { release: (s, { client }) => { s.lock[client].is = 'free'; } },
    }),
    steal: action({ client: Client }, {
      actor: 'thief',
      when: { 'it can': () => size.steals === 1, 'it is held': (s, { client }) => s.lock[client].is === 'held' },
      then: { steal: (s, { client }) => { s.lock[client].is = 'free'; } },
    }),
    fail: action({}, {
      actor: 'server',
      when: { 'it can': () => size.breaks === 1, 'it works': (s) => !s.broken },
      then: { 'fail for good': (s) => { s.broken = true; } },
    }),
  }),
});
export const lockProperties = properties(lock, ({ leadsTo, eventually, recoverable, transition, deadlockFree, size }) => ({
  'asking is answered': leadsTo({
    doc: 'who asks gets the lock at last',
    requirement: 'LOCK-1',
    forall: { client: Client },
    from: (s, { client }) => s.lock[client].is === 'asked',
    to: (s, { client }) => s.lock[client].is === 'held',
  }),
  'somebody gets it': eventually({ holds: (s) => s.lock.some(({ is }) => is === 'held') }),
  'it can be had': recoverable({
    forall: { client: Client },
    holds: (s, { client }) => s.lock[client].is === 'held',
  }),
  'it is released by its holder': transition({
    forall: { client: Client },
    given: (before, action, after, { client }) => before.lock[client].is === 'held' && after.lock[client].is !== 'held',
    holds: (before, action) => action.type === 'release',
  }),
  'a broken lock is not held': leadsTo({
    forall: { client: Client },
    from: (s, { client }) => s.broken && s.lock[client].is === 'held',
    to: (s, { client }) => s.lock[client].is === 'free',
  }),
  'no deadlock': deadlockFree({ final: { 'all wait': (s) => s.lock.every(({ is }) => is === 'asked') } }),
}));
export const lockVariants = variants(lockProperties, {
  'breaks for good': {
    doc: 'a lock that may break',
    reference: 'made up',
    violates: { 'asking is answered': ${recorded}, 'it can be had': 1, 'somebody gets it': 0 },
    set: { breaks: 1 },
  },
});
`;
}
