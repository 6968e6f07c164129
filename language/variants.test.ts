import { describe, expect, it } from 'vitest';
import { claims, edited } from './edits.fixture.ts';
import { enabled, variants } from './index.ts';
import { messageOf, start } from './runs.fixture.ts';

describe('a variant', () => {
  const spec = { doc: 'a bug', reference: 'CVE-1', edits: () => [] } as const;

  it('tells what it is, what it breaks and at which size that was recorded', () => {
    const [plain, sized] = variants(claims, {
      plain: { ...spec, violates: { 'never nine': 4 } },
      sized: { ...spec, violates: { 'never nine': 0 }, size: 'deep', set: { page: 2 } },
    }).variants;
    expect(plain).toMatchObject({
      name: 'plain',
      doc: 'a bug',
      reference: 'CVE-1',
      violates: { 'never nine': 4 },
      size: 'smoke',
      set: {},
    });
    expect(sized).toMatchObject({ size: 'deep', set: { page: 2 } });
  });

  it('must name a property that it breaks, with a number of steps', () => {
    const declare = (violates: Readonly<Record<string, number>>) => (): unknown =>
      variants(claims, { bug: { ...spec, violates } });
    expect(messageOf(declare({}))).toBe(
      "ModelError: model 'protocol', variant 'bug': names no property that it violates",
    );
    expect(messageOf(declare({ 'never nine': 1.5 }))).toBe(
      "ModelError: model 'protocol', variant 'bug': the recorded length 1.5 of 'never nine' is not a number of steps",
    );
    expect(messageOf(declare({ 'never nine': -1 }))).toContain('the recorded length -1');
  });

  it('is named by the errors that it makes', () => {
    const instance = edited(({ replace }) => [replace(['unmap', 'clear', 'add one'], (s) => void (s.n = 10))]);
    expect(instance.variant).toBe('bug');
    expect(messageOf(() => enabled(instance, start(instance)))).toBe(
      "ModelError: model 'protocol', variant 'bug', action 'unmap', step 'clear', 'add one', field n: 10 is not an integer from 0 to 9",
    );
  });
});
