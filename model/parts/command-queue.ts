/**
 * The SMMU's command queue as windows between CMD_SYNCs: inside a window commands complete in any order; a CMD_SYNC
 * completes only when all before it has. (INV-02, INV-03)
 *
 * Abstracted away: when a command is fetched. A command that was fetched but has had no effect yet cannot be told from one
 * still in memory, so the commands before the next CMD_SYNC simply form a bag. The ring's indices are left out: a producer
 * that finds the queue full waits (INV-11), which a bound on the number of commands shows as well.
 */
import { bag, type Bag, type Domain, optional, queue, type Queue, type Shape } from '../../language/index.ts';

/** A command queue as an effect changes it: commands `C`, issuers `I`. */
interface CommandQueue<C, I> {
  readonly window: Bag<C>;
  readonly behind: Queue<{ readonly command: C | null; readonly issuer: I | null }>;
}

/** The state of a command queue for at most `capacity` commands of the given shape. */
export function commandQueue<const C extends Shape, const I extends Domain | Shape>(
  capacity: number,
  command: C,
  issuer: I,
) {
  return {
    /** The commands before the next CMD_SYNC: they complete in any order. */
    window: bag(capacity, command),
    /** That CMD_SYNC (an entry without command), if there is one, and all that was queued behind it. */
    behind: queue(capacity, { command: optional(command), issuer: optional(issuer) }),
  };
}

interface Filling {
  readonly length: number;
  readonly capacity: number;
}

/** Whether `count` more commands fit. */
export function hasRoom(
  { window, behind }: { readonly window: Filling; readonly behind: Filling },
  count: number,
): boolean {
  return window.length + behind.length + count <= window.capacity;
}

/** Queues a command. */
export function submit<C, I>({ window, behind }: CommandQueue<C, I>, command: C): void {
  if (behind.isEmpty) window.add(command);
  else behind.push({ command, issuer: null });
}

/** Queues a CMD_SYNC, whose completion the issuer waits for. */
export function submitSync<C, I>({ behind }: CommandQueue<C, I>, issuer: I): void {
  behind.push({ command: null, issuer });
}

/** Completes the CMD_SYNC at the end of the window and opens the next window; returns who waits for it. */
export function completeSync<C, I>({ window, behind }: CommandQueue<C, I>): I {
  const { issuer } = behind.shift();
  window.clear();
  while (!behind.isEmpty && behind.head.command !== null) {
    const { command } = behind.shift();
    if (command !== null) window.add(command);
  }
  return issuer as I;
}
