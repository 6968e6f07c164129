/**
 * Ctrl-C, and a request to end from the system, as a wish that a search can heed. Only the first is: the second ends the
 * process at once, as it would have without this.
 */

const signals = ['SIGINT', 'SIGTERM'] as const;

/** The wish to end. */
export interface Interruption {
  /** Aborted by the first signal while one was listened for. */
  readonly signal: AbortSignal;
  /** Listens for a signal, if none has come; `told` is called when one comes. */
  readonly listen: (told: () => void) => void;
  /** From here on a signal ends the process, until it is listened for again. */
  readonly release: () => void;
}

/** An interruption that is not listened for yet. */
export function interruption(): Interruption {
  const controller = new AbortController();
  let handler = (): void => undefined;
  const release = (): void => {
    for (const name of signals) process.off(name, handler);
  };
  return {
    signal: controller.signal,
    listen: (told) => {
      release();
      if (controller.signal.aborted) return;
      handler = () => {
        release();
        controller.abort();
        told();
      };
      for (const name of signals) process.on(name, handler);
    },
    release,
  };
}
