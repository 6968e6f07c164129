/**
 * Reads a recording: JSON lines, plain or compressed by gzip.
 */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parseRecord, type RecordedLine, RecordingError } from './records.ts';

/** The records in the bytes of a file, in order. Throws `RecordingError` with the number of the first line that is broken. */
export async function* readRecording(file: Uint8Array): AsyncGenerator<RecordedLine, void, undefined> {
  let line = 0;
  let any = false;
  for await (const text of lines(file)) {
    line++;
    if (text.trim() === '') continue;
    any = true;
    yield parseRecord(text, line);
  }
  if (!any) throw new RecordingError('the recording is empty');
}

async function* lines(file: Uint8Array): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  let complete = 0;
  const cut = function* (text: string): Generator<string> {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    complete += parts.length;
    yield* parts;
  };
  if (!isCompressed(file)) {
    yield* cut(decoder.decode(file));
  } else {
    const chunks = Readable.from([file]).pipe(createGunzip()) as AsyncIterable<Uint8Array>;
    try {
      for await (const chunk of chunks) yield* cut(decoder.decode(chunk, { stream: true }));
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || !String(error.code).startsWith('Z_')) throw error;
      const cutOff = error.code === 'Z_BUF_ERROR';
      throw new RecordingError(
        cutOff
          ? 'the file ends in the middle: its compressed data is cut off'
          : `the compressed data is broken: ${error.message}`,
        complete + 1,
        { cause: error },
      );
    }
  }
  if (rest !== '') yield rest;
}

function isCompressed(file: Uint8Array): boolean {
  return file[0] === 0x1f && file[1] === 0x8b;
}
