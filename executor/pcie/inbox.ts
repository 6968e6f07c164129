/**
 * Messages from the SMMU that have arrived at a function and were not taken yet: Invalidate Requests up to the depth of the
 * invalidate queue, and PRG Responses. Behind a full queue everything waits on the link (ATS-26).
 */
import type { InvalidateRequest, PageResponse } from './messages.ts';

/** A message. */
export type Arrived =
  | { readonly kind: 'invalidation'; readonly request: InvalidateRequest }
  | { readonly kind: 'response'; readonly response: PageResponse };

/** The messages, in the order of the link. */
export class Inbox {
  #messages: readonly Arrived[] = [];

  get messages(): readonly Arrived[] {
    return this.#messages;
  }

  get requests(): readonly InvalidateRequest[] {
    return this.#messages.flatMap((message) => (message.kind === 'invalidation' ? message.request : []));
  }

  get responses(): readonly PageResponse[] {
    return this.#messages.flatMap((message) => (message.kind === 'response' ? message.response : []));
  }

  arrive(message: Arrived): void {
    this.#messages = [...this.#messages, message];
  }

  clear(): void {
    this.#messages = [];
  }

  /** The first message that `which` selects. */
  find(which: (message: Arrived) => boolean): Arrived | undefined {
    return this.#messages.find(which);
  }

  /** Whether a message waits on the link: it, or one in front of it, is an Invalidate Request without one of `free` places. */
  isHeldBack(message: Arrived, free: number): boolean {
    const upTo = this.#messages.slice(0, this.#messages.indexOf(message) + 1);
    return upTo.filter(({ kind }) => kind === 'invalidation').length > free;
  }

  take(message: Arrived): void {
    this.#messages = this.#messages.filter((other) => other !== message);
  }
}
