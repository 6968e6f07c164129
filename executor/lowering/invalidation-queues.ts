/**
 * Invalidations that several processors wait for at the same time: each is issued from a processor of its own, with its enhanced
 * command queue (IHI 0070, 3.5.6), since behind a CMD_SYNC that waits nothing of a queue has an effect.
 */
import { type CommandToEncode, commandLength, decodeCommand, encodeCommand } from '../smmuv3/commands.ts';
import type { AdditionalCommandQueue } from '../smmuv3/additional-command-queue.ts';
import { advance, entryAddress, isEmpty, type Ring } from '../smmuv3/ring.ts';
import { hex } from './account.ts';
import type { Entry } from './lowering.ts';
import type { Platform } from './platform.ts';

const sizeLog2 = 6;
/** CMD_SYNC as drivers issue it that poll CONS. */
export const sync = { op: 'SYNC', cs: 0, msh: 3, msiAttr: 0xf } as const satisfies CommandToEncode;

interface Queue {
  readonly queue: AdditionalCommandQueue;
  written: number;
}

/** The queues of the processors. */
export class InvalidationQueues {
  readonly #platform: Platform;
  readonly #queues: Queue[] = [];
  /** The queue that each invalidation was last issued by. */
  readonly #of = new Map<string, Queue>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Issues commands on behalf of somebody who may wait for them: behind what he has waiting, else by a queue that is idle. */
  issue(waiter: string, commands: readonly CommandToEncode[]): void {
    const { memory } = this.#platform;
    const own = this.#of.get(waiter);
    const idle = this.#queues.find((queue) => isIdle(queue) && ![...this.#of.values()].includes(queue));
    const queue = own ?? idle ?? this.#add();
    this.#of.set(waiter, queue);
    const { ring } = queue.queue;
    for (const command of commands) {
      memory.write(entryAddress(ring, advance(ring, 0, queue.written)), encodeCommand(command));
      queue.written++;
    }
    queue.queue.writeProducer(advance(ring, 0, queue.written));
    this.progress();
  }

  /** Whatever the SMMU can do of them is done. Returns whether it was anything. */
  progress(): boolean {
    let any = false;
    for (const { queue } of this.#queues) {
      const { commands } = queue;
      for (let again = true; again;) {
        again = commands.consume().commands.length > 0;
        for (const queued of commands.window) {
          if (queued.state === 'fetched' && queued.command.op !== 'SYNC' && commands.perform(queued) === undefined) {
            again = true;
          }
        }
        if (commands.completeSync().complete) again = true;
        any ||= again;
      }
    }
    return any;
  }

  /** Why the last CMD_SYNC of somebody is not complete. */
  waitsFor(waiter: string): string | undefined {
    const queue = this.#of.get(waiter);
    if (queue === undefined || isIdle(queue)) return undefined;
    const result = queue.queue.commands.completeSync();
    if (result.complete) return undefined;
    return `CMD_SYNC: ${'blocked' in result ? result.blocked.reason : result.error}`;
  }

  /** The last commands of each queue. */
  entries(last = 6): readonly Entry[] {
    return this.#queues.flatMap(({ queue: { ring, commands }, written }, i) => {
      const waiting = commands.unconsumed.length;
      const first = Math.max(0, written - Math.max(last, waiting));
      return Array.from({ length: written - first }, (_, k): Entry => {
        const n = first + k;
        const raw = this.#platform.memory.read(entryAddress(ring, advance(ring, 0, n)), commandLength);
        const { op, ...fields } = decodeCommand(raw);
        const said = Object.entries(fields).flatMap(([name, value]) => {
          if (value === true) return [name];
          const number = typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : 0n;
          return number === 0n ? [] : [`${name} 0x${number.toString(16)}`];
        });
        const queued = commands.window.find(({ slot }) => slot === n % 2 ** ring.sizeLog2);
        const waits = queued !== undefined && commands.blockedBy(queued) !== undefined;
        return {
          raw: hex(raw),
          decoded: `ECMDQ ${i}: CMD_${op}${said.length === 0 ? '' : ` ${said.join(', ')}`}`,
          state: n >= written - waiting || waits ? 'waits' : 'complete',
        };
      });
    });
  }

  #add(): Queue {
    const { frames, smmu } = this.#platform;
    const queue = {
      queue: smmu.addCommandQueue({ base: frames.allocate(commandLength * 2 ** sizeLog2), sizeLog2 }),
      written: 0,
    };
    this.#queues.push(queue);
    return queue;
  }
}

function isIdle({ queue }: Queue): boolean {
  const { ring, commands }: { ring: Ring; commands: AdditionalCommandQueue['commands'] } = queue;
  return isEmpty(ring, commands.positions);
}
