/**
 * The records of a recording of real driver traffic: one JSON object a line, in the order in which things happened. A kind may
 * be missing altogether, as may whatever is optional here; `traces/real/README.md` describes how recordings are made.
 */
import { z } from 'zod';

const word = z
  .union([z.string().regex(/^0x[0-9a-f]{1,16}$/i, 'a number "0x..." of at most 64 bits'), z.int().nonnegative()])
  .transform((text) => BigInt(text));
const flag = z.union([z.boolean(), z.literal(0), z.literal(1)]).transform((value) => value === true || value === 1);
/** Bytes as they stand in memory, or as a 64-bit number "0x...". */
const bytes = z
  .string()
  .regex(/^(0x[0-9a-f]{1,16}|([0-9a-f]{2})+)$/i, 'bytes in hexadecimal')
  .transform(bytesOf);
const command = z
  .string()
  .regex(/^[0-9a-f]{32}$/i, 'the 16 bytes of a command in hexadecimal')
  .transform(bytesOf);
const event = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'the 32 bytes of an event record in hexadecimal')
  .transform(bytesOf);
const id = z.int().nonnegative();

const structure = z.object({ kind: z.string().optional(), sid: id.optional(), addr: word, hex: bytes });
const table = z.object({
  addr: word,
  level: z.int().min(-1).max(3).optional(),
  stage: z.int().optional(),
  entries: z.array(z.tuple([id, word])),
});
const recordedEvent = z.object({ raw: event }).catchall(z.unknown());

const record = z.discriminatedUnion('k', [
  z.object({ k: z.literal('meta'), kernel: z.string().optional(), qemu: z.string().optional() }),
  z.object({ k: z.literal('reg'), addr: word, val: word, size: z.union([z.literal(4), z.literal(8)]).optional() }),
  z.object({ k: z.literal('cmd'), op: z.string().optional(), hex: command }),
  z.object({ k: z.literal('cfgmiss'), sid: id }),
  z.object({ k: z.literal('ste@'), addr: word }),
  z.object({ k: z.literal('cd@'), addr: word }),
  z.object({ k: z.literal('pte'), addr: word, pte: word }),
  z.object({
    k: z.literal('tlbins'),
    asid: z.int().optional(),
    vmid: z.int().optional(),
    va: word.optional(),
    tg: z.int().optional(),
    level: z.int().optional(),
  }),
  z.object({
    k: z.literal('x'),
    sid: id,
    iova: word,
    pa: word,
    perm: z.int().min(0).max(3).optional(),
    hit: flag.optional(),
  }),
  z.object({ k: z.literal('bypass'), sid: id, iova: word.optional(), write: flag.optional() }),
  z.object({ k: z.literal('disable'), sid: id, iova: word.optional(), write: flag.optional() }),
  z.object({ k: z.literal('abort'), sid: id, iova: word.optional(), write: flag.optional() }),
  z.object({ k: z.literal('event'), text: z.string() }),
  z.object({
    k: z.literal('mark'),
    label: z.string().optional(),
    regs: z.record(z.string(), word).optional(),
    strtabChanged: z.array(structure).optional(),
    cdsChanged: z.array(structure).optional(),
    tables: z.array(table).optional(),
    events: z.array(recordedEvent).optional(),
  }),
]);

/** One record; `line` is its place in the file, from 1. */
export type RecordedLine = z.infer<typeof record> & { readonly line: number };

/** A record of one kind. */
export type RecordOf<K extends RecordedLine['k']> = Extract<RecordedLine, { readonly k: K }>;

/** A recording that cannot be read. `line` counts from 1; without it the file as a whole is broken. */
export class RecordingError extends Error {
  readonly line: number | undefined;

  constructor(message: string, line?: number, options?: ErrorOptions) {
    super(line === undefined ? message : `line ${line}: ${message}`, options);
    this.name = 'RecordingError';
    this.line = line;
  }
}

/** The record of a line. Throws `RecordingError` for what is no record. */
export function parseRecord(text: string, line: number): RecordedLine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RecordingError('this is not JSON', line, { cause: error });
  }
  const parsed = record.safeParse(json);
  if (parsed.success) return { ...parsed.data, line };
  const kind: unknown = typeof json === 'object' && json !== null && 'k' in json ? json.k : undefined;
  if (typeof kind !== 'string') throw new RecordingError('this is no record: it has no kind "k"', line);
  if (!kinds.has(kind)) throw new RecordingError(`there are no records of the kind '${kind}'`, line);
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? '' : ` ${issue.path.join('.')}`;
  throw new RecordingError(`${kind}${where}: ${issue?.message ?? 'malformed'}`, line);
}

const kinds = new Set<string>(record.options.map(({ shape }) => shape.k.value));

function bytesOf(text: string): Uint8Array {
  if (text.startsWith('0x') || text.startsWith('0X')) {
    const raw = new Uint8Array(8);
    new DataView(raw.buffer).setBigUint64(0, BigInt(text), true);
    return raw;
  }
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
