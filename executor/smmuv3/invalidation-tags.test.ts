import { describe, expect, it } from 'vitest';
import { InvalidationTags, invalidationTags } from './invalidation-tags.ts';

function taken(tags: InvalidationTags, streamId = 1): NonNullable<ReturnType<InvalidationTags['take']>> {
  const request = tags.take(streamId);
  if (request === undefined) throw new Error('no ITag is free');
  return request;
}

describe('the ITags of a function', () => {
  it('are 32, each taken once, of each function for itself', () => {
    const tags = new InvalidationTags(false);
    expect(Array.from({ length: invalidationTags }, () => taken(tags).itag)).toEqual(
      Array.from({ length: 32 }, (_, itag) => itag),
    );
    expect(tags.take(1)).toBeUndefined();
    expect(taken(tags, 2).itag).toBe(0);
    expect(tags.outstanding(1)).toHaveLength(32);
  });

  it('are free when the last completion of the request has come', () => {
    const tags = new InvalidationTags(false);
    const request = taken(tags);
    expect(tags.complete(1, 0, 2)).toBeUndefined();
    expect(request.state).toBe('outstanding');
    expect(taken(tags).itag).toBe(1);
    expect(tags.complete(1, 0, 2)).toBe(request);
    expect(request.state).toBe('complete');
    expect(taken(tags).itag).toBe(0);
    expect(tags.unexpected).toEqual([]);
  });

  it.each([0, 9, 1.5, -1])('no request has %d completions', (count) => {
    const tags = new InvalidationTags(false);
    taken(tags);
    expect(() => tags.complete(1, 0, count)).toThrow(RangeError);
  });

  it('of a request that timed out are taken until all of its completions have come', () => {
    const tags = new InvalidationTags(false);
    const request = taken(tags);
    tags.timeOut(request);
    expect(request.state).toBe('timed out');
    expect(tags.complete(1, 0, 2)).toBeUndefined();
    expect(taken(tags).itag).toBe(1);
    expect(tags.complete(1, 0, 2)).toBeUndefined();
    expect(request.state).toBe('timed out');
    expect(tags.unexpected).toHaveLength(2);
    expect(taken(tags).itag).toBe(0);
  });

  it('of a function that was reset are free; what was outstanding has timed out', () => {
    const tags = new InvalidationTags(false);
    const [first, second] = [taken(tags), taken(tags)];
    tags.timeOut(first);
    const other = taken(tags, 2);
    expect(tags.reset(1)).toEqual([second]);
    expect([first.state, second.state, other.state]).toEqual(['timed out', 'timed out', 'outstanding']);
    expect(taken(tags).itag).toBe(0);
    expect(tags.reset(3)).toEqual([]);
  });

  it('only what is outstanding times out', () => {
    const tags = new InvalidationTags(false);
    const request = taken(tags);
    tags.complete(1, 0, 1);
    expect(() => tags.timeOut(request)).toThrow('not outstanding');
    const again = taken(tags);
    // The ITag is taken, by another request.
    expect(() => tags.timeOut(request)).toThrow('not outstanding');
    tags.timeOut(again);
    expect(() => tags.timeOut(again)).toThrow('not outstanding');
  });
});
