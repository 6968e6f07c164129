/**
 * Users' files: loaded from any kind of folder, and every way in which one can be wrong told with file and line.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { peterson, userFolder } from './user-folder.test.fixture.ts';

const folder = userFolder({});
const { svacheck, write } = folder;
const withImports = (imports: string): string =>
  peterson().replace(/^const Process.*$/m, `${imports}\nif (Color.Red !== 0) throw new Error('no enum');`);
const shared = `import { sort } from 'svacheck';
export const Process = sort('process', { ordered: true });
export enum Color { Red, Green }
`;

describe('a file is loaded', () => {
  it.each([
    ['without a package', {}],
    ['in a package of CommonJS', { 'package.json': '{ "type": "commonjs" }' }],
    ['in a package of modules', { 'package.json': '{ "type": "module" }' }],
    [
      'beside a tsconfig.json for something else',
      {
        'tsconfig.json':
          '{ "compilerOptions": { /* old */ "module": "commonjs", "outDir": "out", "rootDir": "src", "composite": true, "strict": true } }',
      },
    ],
  ])('%s, with its relative imports', async (kind, files) => {
    const name = kind.replaceAll(/\W/g, '-');
    for (const [file, text] of Object.entries(files)) write(join(name, file), text);
    write(join(name, 'shared', 'sorts.ts'), shared);
    for (const [i, path] of ['./shared/sorts.ts', './shared/sorts.js', './shared/sorts'].entries()) {
      write(join(name, `model${i}.ts`), withImports(`import { Color, Process } from '${path}';`));
    }
    const { code, out, err } = await svacheck('check', ...[0, 1, 2].map((i) => join(name, `model${i}.ts`)));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.match(/^peterson +ci +20 +34 .*holds/gm)).toHaveLength(3);
  });

  it('beside the types of Node', async () => {
    const types = new URL('../node_modules/@types/', import.meta.url).pathname;
    write('typed/model.ts', peterson());
    mkdirSync(join(folder.path, 'typed', 'node_modules'));
    symlinkSync(types, join(folder.path, 'typed', 'node_modules', '@types'));
    const { code, err } = await svacheck('check', 'typed/model.ts');
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it('with packages that only it can find', async () => {
    write('packages/node_modules/two/package.json', '{ "name": "two", "main": "two.js", "types": "two.d.ts" }');
    write('packages/node_modules/two/two.js', 'exports.two = 2;');
    write('packages/node_modules/two/two.d.ts', 'export declare const two: number;');
    write('packages/model.ts', `import { two } from 'two';\n${peterson().replace('process: 2', 'process: two')}`);
    const { code, err } = await svacheck('check', 'packages/model.ts', '--size', 'smoke');
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it('whatever it is called by: a default export, or a list of protocols', async () => {
    const text = peterson().replaceAll('export const', 'const');
    write('exports/default.ts', `${text}\nexport default petersonProperties;`);
    write('exports/list.ts', `${text}\nexport const all = [{ model: peterson, properties: [petersonProperties] }];`);
    for (const file of ['default', 'list']) {
      const { out } = await svacheck('list', `exports/${file}.ts`);
      expect(out).toMatch(/^peterson\n[^]*mutual exclusion/);
    }
  });
});

describe('a mistake in a file is told with its place: exit code 2', () => {
  it.each([
    [
      'a misspelt field',
      peterson().replace('[process].up = true', '[process].upp = true'),
      /^error: f\.ts:13:\d+ - error TS2339: Property 'upp' does not exist/,
    ],
    [
      'a value outside of its domain',
      peterson().replace('s.turn = next(Process, process)', 's.turn = 7'),
      /^error: f\.ts:14:\d+ - error TS2322: Type '7' is not assignable to type '"a process"'/,
    ],
    [
      'syntax',
      peterson().replace('state: () =>', 'state: () = >'),
      /^error: f\.ts:7:\d+ - error TS1109: Expression expected/,
    ],
    [
      'an import of what does not exist',
      "import { nothing } from 'nowhere';\nexport { nothing };",
      /^error: f\.ts:1:25 - error TS2307: Cannot find module 'nowhere'/,
    ],
    [
      'a domain without values',
      "import { range } from 'svacheck';\nexport const none = range(5, 1);",
      /^error: f\.ts:2:21 - range\(5, 1\) is empty/,
    ],
    [
      'an exception while it is loaded',
      "export const x = 1;\nthrow new Error('out of order');",
      /^error: f\.ts:2:7 - out of order/,
    ],
    ['nothing exported', 'export const answer = 42;', /^error: f\.ts exports no model and no properties/],
    [
      'a state that cannot be built',
      `${peterson().replace('state: () => ({', 'state: () => ({ ...fail(),')}
function fail(): object { throw new Error('later'); }`,
      /^error: model 'peterson': cannot be built: Error: later/,
    ],
  ])('%s', async (_name, text, message) => {
    const one = userFolder({ 'f.ts': text });
    const { code, out, err } = await one.svacheck('check', 'f.ts');
    expect(err).toMatch(message);
    expect(err).not.toMatch(/^ +at /m);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });

  it('--no-typecheck goes without type errors, not without errors', async () => {
    write('untyped.ts', peterson().replace('[process].up = true', '[process].upp = true'));
    write('unparsed.ts', peterson().replace('state: () =>', 'state: () = >'));
    const field = await svacheck('check', 'untyped.ts', '--no-typecheck');
    expect(field.code).toBe(2);
    expect(field.err).toContain(
      "field flag[process0].upp: there is no such field; did you mean 'up'?\nin an initial state",
    );
    const syntax = await svacheck('check', 'unparsed.ts', '--no-typecheck');
    expect(syntax.code).toBe(2);
    expect(syntax.err).toMatch(/^error: unparsed\.ts:7:\d+ - Expected "=>" but found "="/);
  });
});

describe('list and show', () => {
  it('list has sizes, properties with requirements; as JSON the same', async () => {
    write('peterson.ts', peterson());
    const { out } = await svacheck('list', 'peterson.ts');
    expect(out).toMatch(/mutual exclusion +invariant +REQ-1, REQ-2/);
    const json = await svacheck('list', 'peterson.ts', '--json');
    expect(JSON.parse(json.out)).toMatchObject({
      version: 1,
      models: [{ model: 'peterson', sizes: { ci: { process: 2 } }, properties: [{ name: 'mutual exclusion' }, {}] }],
    });
  });

  it('show has the bound on the states, the domains and the steps', async () => {
    write('peterson.ts', peterson());
    const { code, out } = await svacheck('show', 'peterson.ts', '--set', 'process=3');
    expect(code).toBe(0);
    expect(out).toContain('size ci process=3 (process=3)');
    expect(out).toContain('at most 2^11.6 states');
    expect(out).toMatch(/^flag\[process\]\.up +true \| false$/m);
    expect(out).toMatch(/^enter +process +- it may$/m);
    expect(out).toMatch(/^mutual exclusion +invariant$/m);
  });

  it('every shipped model is listed and shown, within 100 columns', async () => {
    const { code, out } = await svacheck('list');
    expect(code).toBe(0);
    const models = out.split('\n').filter((line) => /^\S/.test(line));
    expect(models).toContain('atc-invalidation');
    for (const model of models) {
      const shown = await svacheck('show', model);
      expect(shown.code).toBe(0);
      expect(Math.max(...shown.out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    }
  });
});
