/**
 * What is known of protocols from the textbooks is found, under each fairness: by both engines, and by the definitions.
 */
import { describe, expect, it } from 'vitest';
import { type Fairness, instantiate, type PropertySet } from '../../language/index.ts';
import type { CheckResult } from '../index.ts';
import { judged, verdicts } from './judge.fixture.ts';
import * as textbook from './textbook.fixture.ts';

const fairnesses: readonly Fairness[] = ['none', 'weak', 'strong'];

function check(set: PropertySet, size = 'ci'): CheckResult {
  return judged(instantiate(set.model, size), [set]);
}

it('says what is assumed of the scheduler', () => {
  const { fairness } = check(textbook.alternatingBitWith('strong', 'weak'));
  expect(fairness).toEqual({ weak: ['send', 'acknowledged'], strong: ['receive'] });
});

describe("Peterson's mutual exclusion", () => {
  it('lets everybody in where processes go on, and nobody has to want in', () => {
    const safe = { exclusion: 'holds', 'everybody can rest': 'holds', 'no deadlock': 'holds' };
    for (const fairness of fairnesses) expect(verdicts(check(textbook.petersonWith(fairness)))).toMatchObject(safe);
    for (const fairness of ['weak', 'strong'] as const) {
      const found = verdicts(check(textbook.petersonWith(fairness)));
      expect(found['who wants gets in']).toBe('holds');
      // The run that stops before anybody wants in.
      expect(found['somebody gets in']).toBe('violated 0 + 0');
    }
    expect(verdicts(check(textbook.petersonWith('none')))['who wants gets in']).toBe('violated 1 + 0');
  });

  it('may let nobody in without the turn, although everybody goes on for ever', () => {
    for (const fairness of ['weak', 'strong'] as const) {
      const result = check(textbook.politeWith(fairness));
      const found = verdicts(result);
      expect(found).toMatchObject({ exclusion: 'holds', 'somebody can get in': 'holds' });
      const { path, loopFrom = -1 } = result.properties.find(({ name }) => name === 'somebody gets in') ?? {};
      const round = path?.actions.slice(loopFrom).map(({ process }) => process);
      expect(new Set(round)).toEqual(new Set([0, 1]));
    }
  });
});

describe('the alternating bit protocol', () => {
  it.each([
    ['strong', 'strong', 'holds', 'holds'],
    ['strong', 'weak', 'holds', 'violated'],
    ['weak', 'strong', 'violated', 'violated'],
    ['weak', 'weak', 'violated', 'violated'],
    ['none', 'none', 'violated', 'violated'],
  ] as const)('with %s reception and %s acknowledgement', (receive, acknowledge, delivered, follows) => {
    const found = verdicts(check(textbook.alternatingBitWith(receive, acknowledge)));
    expect(found['each message is delivered']).toMatch(delivered);
    expect(found['the next message follows']).toMatch(follows);
    expect(found).toMatchObject({ 'it can always go on': 'holds', 'nothing is delivered twice': 'holds' });
  });

  it('loses each message that is sent, where reception is but weakly fair', () => {
    const { properties } = check(textbook.alternatingBitWith('weak', 'strong'));
    const { path, loopFrom } = properties.find(({ name }) => name === 'each message is delivered') ?? {};
    expect(loopFrom).toBe(0);
    expect(path?.actions.map(({ type }) => type)).toEqual(['send', 'loseMessage']);
  });
});

describe('philosophers', () => {
  it('who are all left-handed starve together, each with one fork', () => {
    for (const seats of [2, 3]) {
      const found = verdicts(check(textbook.philosophersWith(seats, 'strong', false)));
      expect(found).toMatchObject({
        'no deadlock': `violated ${2 * seats}`,
        'somebody can eat': `violated ${2 * seats}`,
        'somebody eats': `violated ${2 * seats} + 0`,
      });
    }
  });

  it('of whom one is right-handed always have one who eats, and all of them only with strong fairness', () => {
    for (const seats of [2, 3]) {
      const weak = verdicts(check(textbook.philosophersWith(seats, 'weak', true)));
      const all = { 'no deadlock': 'holds', 'somebody can eat': 'holds', 'somebody eats': 'holds' };
      expect(weak).toMatchObject(all);
      expect(weak['who is hungry eats']).toMatch(/^violated \d+ \+ [1-9]/);
      const strong = verdicts(check(textbook.philosophersWith(seats, 'strong', true)));
      expect(strong).toMatchObject({ ...all, 'who is hungry eats': 'holds' });
    }
  });
});

describe('a server', () => {
  it('lets a client starve unless it is strongly fair to it', () => {
    const found = Object.fromEntries(
      fairnesses.map((fairness) => [fairness, verdicts(check(textbook.serverWith(fairness)))]),
    );
    expect(found['none']?.['somebody is served']).toBe('violated 1 + 0');
    expect(found['weak']).toMatchObject({ 'somebody is served': 'holds', 'the server becomes free': 'holds' });
    expect(found['weak']?.['who asks is served']).toMatch(/^violated \d+ \+ [1-9]/);
    expect(found['strong']).toMatchObject({ 'who asks is served': 'holds', 'somebody is served': 'holds' });
  });

  it('that serves by tickets needs but weak fairness, and lets nobody overtake', () => {
    for (const size of ['smoke', 'ci']) {
      expect(verdicts(check(textbook.ticketsWith('weak'), size))).toEqual({
        exclusion: 'holds',
        'who waits gets in': 'holds',
        'first come, first served': 'holds',
        'no deadlock': 'holds',
      });
    }
    expect(verdicts(check(textbook.ticketsWith('none')))).toMatchObject({ 'who waits gets in': 'violated 1 + 0' });
    const impatient = verdicts(check(textbook.ticketsWith('weak', false)));
    expect(impatient).toMatchObject({ exclusion: 'violated 4', 'first come, first served': 'violated 3' });
  });
});

describe('a scheduler', () => {
  it('that is fair to each task runs each, and one that is fair to all together need not', () => {
    const fair = { 'each is run': 'holds', 'one is run': 'holds' };
    for (const fairness of ['weak', 'strong'] as const) {
      expect(verdicts(check(textbook.schedulerWith(fairness, 'apart')))).toMatchObject(fair);
      expect(verdicts(check(textbook.schedulerWith(fairness, 'together')))).toMatchObject({
        'each is run': 'violated 1 + 1',
        'one is run': 'holds',
      });
    }
    for (const how of ['apart', 'together'] as const) {
      const unfair = { 'each is run': 'violated 0 + 0', 'one is run': 'violated 0 + 0' };
      expect(verdicts(check(textbook.schedulerWith('none', how)))).toMatchObject(unfair);
    }
  });
});

describe('a long chain', () => {
  it('comes to its end, if it has to go on', () => {
    expect(verdicts(check(textbook.chainWith('weak', 'none')))).toEqual({
      'it comes to the end': 'holds',
      'it can come to the end': 'holds',
      'from the middle to the end': 'holds',
      'there is no way back': 'holds',
      'it goes one by one': 'holds',
      'no step leads from 32 to 33': 'violated 33',
      'nobody turns back': 'vacuous',
      'it ends': 'holds',
    });
    expect(verdicts(check(textbook.chainWith('none', 'none')))).toMatchObject({
      'it comes to the end': 'violated 0 + 0',
      'from the middle to the end': 'violated 20 + 0',
      'it can come to the end': 'holds',
    });
  });

  it('may end in a dead end', () => {
    expect(verdicts(check(textbook.chainWith('strong', 'dead end')))).toMatchObject({
      'it comes to the end': 'violated 34 + 0',
      'it can come to the end': 'violated 34',
      'from the middle to the end': 'violated 34 + 0',
      'it ends': 'violated 34',
    });
  });

  it('may end in a ring from which nothing leads out, and in which there is always a next step', () => {
    expect(verdicts(check(textbook.chainWith('strong', 'ring')))).toMatchObject({
      'it comes to the end': 'violated 34 + 2',
      'it can come to the end': 'violated 34',
      'from the middle to the end': 'violated 34 + 2',
      'it ends': 'holds',
    });
  });
});
