/**
 * WebAssembly modules as bytes: just the instructions and sections that generated search code needs.
 */

/** The instructions of one function. Local variables are numbered from the parameters on. */
export class Code {
  readonly bytes: number[] = [];

  get(local: number): this {
    return this.op(0x20).unsigned(local);
  }
  set(local: number): this {
    return this.op(0x21).unsigned(local);
  }
  tee(local: number): this {
    return this.op(0x22).unsigned(local);
  }
  getGlobal(global: number): this {
    return this.op(0x23).unsigned(global);
  }
  setGlobal(global: number): this {
    return this.op(0x24).unsigned(global);
  }
  /** A 32-bit constant. */
  i32(value: number): this {
    return this.op(0x41).signed(BigInt(value | 0));
  }
  /** A 64-bit constant. */
  i64(value: bigint): this {
    return this.op(0x42).signed(BigInt.asIntN(64, value));
  }
  load(offset = 0): this {
    return this.op(0x28, 0).unsigned(offset);
  }
  load64(offset = 0): this {
    return this.op(0x29, 0).unsigned(offset);
  }
  store(offset = 0): this {
    return this.op(0x36, 0).unsigned(offset);
  }
  store64(offset = 0): this {
    return this.op(0x37, 0).unsigned(offset);
  }
  block(): this {
    return this.op(0x02, 0x40);
  }
  loop(): this {
    return this.op(0x03, 0x40);
  }
  if(): this {
    return this.op(0x04, 0x40);
  }
  else(): this {
    return this.op(0x05);
  }
  end(): this {
    return this.op(0x0b);
  }
  br(depth: number): this {
    return this.op(0x0c).unsigned(depth);
  }
  brIf(depth: number): this {
    return this.op(0x0d).unsigned(depth);
  }
  brTable(depths: readonly number[], otherwise: number): this {
    this.op(0x0e).unsigned(depths.length);
    for (const depth of depths) this.unsigned(depth);
    return this.unsigned(otherwise);
  }
  return(): this {
    return this.op(0x0f);
  }
  unreachable(): this {
    return this.op(0x00);
  }
  call(index: number): this {
    return this.op(0x10).unsigned(index);
  }
  /** Calls the function of the table whose number is on the stack, which has the type of function `like`. */
  callIndirect(like: number): this {
    return this.op(0x11).unsigned(like).unsigned(0);
  }
  do(...operations: readonly Operation[]): this {
    for (const operation of operations) this.op(opcodes[operation]);
    return this;
  }

  op(...bytes: readonly number[]): this {
    this.bytes.push(...bytes);
    return this;
  }
  unsigned(value: number): this {
    this.bytes.push(...unsigned(value));
    return this;
  }
  private signed(value: bigint): this {
    let rest = value;
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.bytes.push(low);
        return this;
      }
      this.bytes.push(low | 0x80);
    }
  }
}

type Operation = keyof typeof opcodes;
const opcodes = {
  ctz: 0x68,
  eqz: 0x45,
  eq: 0x46,
  ne: 0x47,
  ltU: 0x49,
  gtU: 0x4b,
  leU: 0x4d,
  geU: 0x4f,
  eqz64: 0x50,
  eq64: 0x51,
  geU64: 0x5a,
  add: 0x6a,
  sub: 0x6b,
  mul: 0x6c,
  divU: 0x6e,
  remU: 0x70,
  and: 0x71,
  or: 0x72,
  xor: 0x73,
  shl: 0x74,
  shrU: 0x76,
  rotl: 0x77,
  popcnt64: 0x7b,
  add64: 0x7c,
  sub64: 0x7d,
  mul64: 0x7e,
  and64: 0x83,
  or64: 0x84,
  xor64: 0x85,
  shl64: 0x86,
  shrU64: 0x88,
  wrap: 0xa7,
  extend: 0xad,
  select: 0x1b,
} as const;

const valueTypes = { i32: 0x7f, i64: 0x7e } as const;
export type ValueType = keyof typeof valueTypes;

interface Func {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly code: Code;
}

/** A module that imports one memory (`env.memory`) and exports functions and globals by name. */
export class ModuleBuilder {
  private readonly funcs: Func[] = [];
  private readonly globals: string[] = [];
  private elements: readonly number[] = [];

  /** Declares a mutable 32-bit global that starts at 0; returns its index. */
  global(name: string): number {
    return this.globals.push(name) - 1;
  }

  /** Adds a function, exported unless its name is empty; returns its index, which is known before its code is. */
  func(
    name: string,
    params: readonly ValueType[],
    results: readonly ValueType[],
    locals: readonly ValueType[] = [],
  ): readonly [index: number, code: Code] {
    const code = new Code();
    return [this.funcs.push({ name, params, results, locals, code }) - 1, code];
  }

  /** Sets the functions that can be called by their place in this list. */
  table(functions: readonly number[]): void {
    this.elements = functions;
  }

  /** The module, for a shared memory of at most `pages` pages of 64 KiB. */
  bytes(pages: number): Uint8Array<ArrayBuffer> {
    const types = this.funcs.map(({ params, results }) => [
      0x60,
      ...list(params.map((type) => [valueTypes[type]])),
      ...list(results.map((type) => [valueTypes[type]])),
    ]);
    const memory = [...text('env'), ...text('memory'), 0x02, 0x03, ...unsigned(1), ...unsigned(pages)];
    const exported = [
      ...this.funcs.flatMap((func, i) => (func.name === '' ? [] : [[...text(func.name), 0x00, ...unsigned(i)]])),
      ...this.globals.map((global, i) => [...text(global), 0x03, ...unsigned(i)]),
    ];
    const parts: number[][] = [
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, list(types)),
      section(2, list([memory])),
      section(3, list(this.funcs.map((_, i) => unsigned(i)))),
      section(4, list([[0x70, 0x00, ...unsigned(this.elements.length)]])),
      section(6, list(this.globals.map(() => [0x7f, 0x01, 0x41, 0x00, 0x0b]))),
      section(7, list(exported)),
      section(9, list([[0x00, 0x41, 0x00, 0x0b, ...list(this.elements.map(unsigned))]])),
    ];
    const bodies = this.funcs.map(({ locals, code }) => {
      const declared = list(locals.map((type) => [...unsigned(1), valueTypes[type]]));
      return { declared, code: code.bytes, length: declared.length + code.bytes.length + 1 };
    });
    const count = unsigned(bodies.length);
    const codeLength = bodies.reduce((sum, { length }) => sum + length + unsigned(length).length, count.length);
    const head = [...parts.flat(), 10, ...unsigned(codeLength), ...count];
    const bytes = new Uint8Array(head.length + codeLength - count.length);
    bytes.set(head);
    let at = head.length;
    for (const { declared, code, length } of bodies) {
      for (const part of [unsigned(length), declared, code, [0x0b]]) {
        bytes.set(part, at);
        at += part.length;
      }
    }
    return bytes;
  }
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function list(entries: readonly (readonly number[])[]): number[] {
  return [...unsigned(entries.length), ...entries.flat()];
}

function text(characters: string): number[] {
  const bytes = [...new TextEncoder().encode(characters)];
  return [...unsigned(bytes.length), ...bytes];
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    if (rest === 0) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low + 128);
  }
}
