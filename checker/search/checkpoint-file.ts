/**
 * The file of a checkpoint: a header, then numbers of any amount, with checksums over all of it. It is written and read piece
 * by piece, and replaced in one go: after a crash at any moment it is the last one that was written to its end.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** A checkpoint that cannot be read or written, or is not of this search. */
export class CheckpointError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CheckpointError';
  }
}

const magic = Buffer.from('svacheck checkpoint\n');
const format = 1;
const checksum = { algorithm: 'sha256', bytes: 32 } as const;
/** Magic, format, and the length of the header's text. */
const prefixBytes = magic.length + 8;
/** How much is written or read at a time. */
const blockBytes = 4 * 2 ** 20;

/** Where a file is written before it takes its name. */
function partialOf(file: string): string {
  return `${file}.partial`;
}

/** Throws where a checkpoint could not be written, or would replace a file that is something else. `shown`: its name. */
export function refuseUnwritable(file: string, shown: string): void {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new CheckpointError(`cannot write ${shown}: ${problem}`, { cause });
  };
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isFile()) refuse('it is not a file');
  try {
    if (stat !== undefined && stat.size > 0 && !startsAsCheckpoint(file)) {
      refuse('it exists and is not a checkpoint; give another name');
    }
    closeSync(openSync(partialOf(file), 'w'));
    rmSync(partialOf(file));
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    refuse(reasonOf(error), error);
  }
}

function startsAsCheckpoint(file: string): boolean {
  const handle = openSync(file, 'r');
  try {
    const start = Buffer.alloc(magic.length);
    return readSync(handle, start) === magic.length && start.equals(magic);
  } finally {
    closeSync(handle);
  }
}

/** What went wrong, without the system call and the name that Node adds. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/, \w+(?: '.*)?$/, '');
}

/** Writes a file. A piece is copied before the next is asked for. Yields now and then; abandoned, it leaves the old file. */
export function* writeFile(file: string, header: unknown, pieces: Iterable<Uint8Array>): Generator<void, void> {
  const partial = partialOf(file);
  const handle = openSync(partial, 'w');
  let isDone = false;
  try {
    const hash = createHash(checksum.algorithm);
    const text = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(prefixBytes);
    magic.copy(prefix);
    prefix.writeUInt32LE(format, magic.length);
    prefix.writeUInt32LE(text.length, magic.length + 4);
    const block = Buffer.alloc(blockBytes);
    let used = 0;
    const flush = (): void => {
      const part = block.subarray(0, used);
      hash.update(part);
      writeAll(handle, part);
      used = 0;
    };
    for (const start of [prefix, text]) {
      hash.update(start);
      writeAll(handle, start);
    }
    writeAll(handle, hash.copy().digest());
    for (const piece of pieces) {
      for (let done = 0; done < piece.length;) {
        const count = Math.min(piece.length - done, blockBytes - used);
        block.set(piece.subarray(done, done + count), used);
        used += count;
        done += count;
        if (used === blockBytes) {
          flush();
          yield;
        }
      }
    }
    flush();
    writeAll(handle, hash.digest());
    fsyncSync(handle);
    isDone = true;
  } finally {
    closeSync(handle);
    if (!isDone) rmSync(partial, { force: true });
  }
  renameSync(partial, file);
  syncFolder(dirname(file));
}

function writeAll(handle: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(handle, bytes, done);
}

/** The new name is on the disk too, where the system can tell that of a folder. */
function syncFolder(folder: string): void {
  try {
    const handle = openSync(folder, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch {
    // Some systems cannot, and the file is there all the same.
  }
}

const orAnew = 'start anew without --resume';

/** An error that says why a search cannot go on from a file, and what to do. */
export function refusal(file: string, problem: string, remedy: string, cause?: unknown): CheckpointError {
  const text = `cannot go on from ${file}: ${problem}; ${remedy === '' ? '' : `${remedy}, or `}${orAnew}`;
  return new CheckpointError(text, cause === undefined ? {} : { cause });
}

/** A file that is being read. Its header is as it was written; the rest is once `end` has returned. */
export class CheckpointReader {
  readonly header: unknown;
  private readonly file: string;
  private readonly handle: number;
  private readonly hash: Hash = createHash(checksum.algorithm);
  private readonly block = Buffer.alloc(blockBytes);
  private readonly size: number;
  private headerEnd = 0;
  /** What of the block was read from the file and not yet asked for. */
  private from = 0;
  private to = 0;

  constructor(file: string) {
    this.file = file;
    try {
      this.handle = openSync(file, 'r');
    } catch (error) {
      throw refusal(file, reasonOf(error), '', error);
    }
    try {
      const stat = fstatSync(this.handle);
      if (!stat.isFile()) throw refusal(file, 'it is not a file', '');
      this.size = stat.size;
      this.header = this.readHeader();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private readHeader(): unknown {
    const prefix = Buffer.alloc(Math.min(prefixBytes, this.size));
    this.read(prefix);
    if (!prefix.subarray(0, magic.length).equals(magic.subarray(0, prefix.length)) || prefix.length === 0) {
      throw refusal(this.file, 'it is not a checkpoint of svacheck', 'name another file');
    }
    if (prefix.length < prefixBytes) throw this.cut();
    const written = prefix.readUInt32LE(magic.length);
    if (written !== format) {
      const problem = `it is in format ${written} of checkpoints, and this svacheck reads format ${format}`;
      throw refusal(this.file, problem, 'use the version that wrote it');
    }
    const length = prefix.readUInt32LE(magic.length + 4);
    if (prefixBytes + length + checksum.bytes > this.size) throw this.cut();
    const text = Buffer.alloc(length);
    this.read(text);
    this.compareChecksum();
    this.headerEnd = prefixBytes + length + checksum.bytes;
    return JSON.parse(text.toString()) as unknown;
  }

  /** Throws unless the header is followed by so many bytes and their checksum. */
  expect(bytes: number): void {
    const expected = this.headerEnd + bytes + checksum.bytes;
    if (this.size < expected) throw this.cut();
    if (this.size > expected) throw this.damaged();
  }

  /** Reads the next bytes. */
  read(into: Uint8Array): void {
    this.take(into, (part) => this.hash.update(part));
  }

  /** Throws unless what was read is what was written. */
  end(): void {
    this.compareChecksum();
  }

  private compareChecksum(): void {
    const expected = this.hash.copy().digest();
    const written = Buffer.alloc(checksum.bytes);
    this.take(written);
    if (!written.equals(expected)) throw this.damaged();
  }

  private take(into: Uint8Array, seen?: (part: Uint8Array) => void): void {
    for (let done = 0; done < into.length;) {
      if (this.from === this.to) {
        this.from = 0;
        this.to = this.fill();
        if (this.to === 0) throw this.cut();
      }
      const count = Math.min(into.length - done, this.to - this.from);
      const part = this.block.subarray(this.from, this.from + count);
      into.set(part, done);
      seen?.(part);
      this.from += count;
      done += count;
    }
  }

  private fill(): number {
    try {
      return readSync(this.handle, this.block);
    } catch (error) {
      throw refusal(this.file, reasonOf(error), '', error);
    }
  }

  private cut(): CheckpointError {
    return refusal(this.file, `it is cut off (it has ${this.size} bytes)`, 'name another file');
  }

  damaged(): CheckpointError {
    return refusal(this.file, 'it is damaged (its checksum is wrong)', 'name another file');
  }

  close(): void {
    closeSync(this.handle);
  }
}
