/**
 * A temporary file with the states of earlier levels, which are needed again for paths alone. It has no name from when it is
 * opened, where the system can do that, so that nothing is left of it however the process ends.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shards } from '../compile/format.ts';

/** How much is written at a time. */
const blockBytes = 2 ** 20;

/** The states of each shard, in pieces that are numbered from 0. */
export class Spill {
  private readonly file = join(tmpdir(), `svacheck-${randomUUID()}.states`);
  private handle: number | undefined;
  private hasName = false;
  /** Where the pieces of each shard are: after all that is written, in the block. */
  private readonly places: readonly number[][] = Array.from({ length: shards }, () => []);
  private written = 0;
  private block = Buffer.alloc(0);
  private used = 0;

  /** Adds a shard's next piece. Throws where the file cannot be written; then the piece is not added. */
  add(shard: number, piece: Uint8Array): void {
    if (this.used + piece.length > this.block.length) this.flush(piece.length);
    this.block.set(piece, this.used);
    this.places[shard]?.push(this.written + this.used);
    this.used += piece.length;
  }

  private flush(next: number): void {
    if (this.used > 0) {
      const handle = this.open();
      for (let done = 0; done < this.used;) {
        done += writeSync(handle, this.block, done, this.used - done, this.written + done);
      }
      this.written += this.used;
      this.used = 0;
    }
    if (this.block.length < next) this.block = Buffer.alloc(Math.max(blockBytes, next));
  }

  private open(): number {
    if (this.handle !== undefined) return this.handle;
    this.handle = openSync(this.file, 'wx+', 0o600);
    try {
      unlinkSync(this.file);
    } catch {
      this.hasName = true;
    }
    return this.handle;
  }

  /** Reads a piece. */
  read(shard: number, number: number, into: Uint8Array): void {
    const place = this.places[shard]?.[number] ?? Number.NaN;
    if (place >= this.written) {
      into.set(this.block.subarray(place - this.written, place - this.written + into.length));
      return;
    }
    const piece = Buffer.alloc(into.length);
    for (let done = 0; done < piece.length;) {
      const count = readSync(this.open(), piece, done, piece.length - done, place + done);
      if (count === 0) throw new Error(`the temporary file ${this.file} is cut off`);
      done += count;
    }
    into.set(piece);
  }

  /** Gives the file up. */
  close(): void {
    if (this.handle === undefined) return;
    closeSync(this.handle);
    if (this.hasName) rmSync(this.file, { force: true });
    this.handle = undefined;
  }
}
