/**
 * A mistake in how the program was called, or in a file that it was given: one message, and exit code 2.
 */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
  }
}
