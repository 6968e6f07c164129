/**
 * QEMU's qtest protocol: lines of text over a socket, each answered in order. Commands are gathered, and sent when an answer is
 * waited for.
 */
import type { Socket } from 'node:net';

type Answer = (line: string) => void;

/** A connection to the qtest server of a QEMU. */
export class Qtest {
  readonly #socket: Socket;
  readonly #waiting: Answer[] = [];
  #gathered: string[] = [];
  #received = '';
  #failure: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('close', () => this.#fail(new Error('QEMU closed the connection')));
    socket.on('error', (error) => this.#fail(error));
  }

  /** Sends a command whose answer says nothing. */
  send(command: string): void {
    this.#gathered.push(command);
    this.#waiting.push((line) => {
      if (!line.startsWith('OK')) this.#fail(new Error(`qtest: ${command.slice(0, 80)}: ${line}`));
    });
  }

  /** Sends a command and waits for its answer, and so for all that was sent before. */
  async ask(command: string): Promise<string> {
    if (this.#failure !== undefined) throw this.#failure;
    const answer = new Promise<string>((resolve, reject) => {
      this.#gathered.push(command);
      this.#waiting.push((line) => {
        if (this.#failure !== undefined) reject(this.#failure);
        else if (line.startsWith('OK')) resolve(line.slice(3));
        else reject(new Error(`qtest: ${command.slice(0, 80)}: ${line}`));
      });
    });
    this.#socket.write(`${this.#gathered.join('\n')}\n`);
    this.#gathered = [];
    return answer;
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #receive(text: string): void {
    const lines = (this.#received + text).split('\n');
    this.#received = lines.pop() ?? '';
    for (const line of lines) this.#waiting.shift()?.(line);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const answer of this.#waiting.splice(0)) answer('');
  }
}
