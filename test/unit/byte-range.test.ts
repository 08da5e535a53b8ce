/** Byte ranges and conditions of RFC 9110 for a file of 1000 bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseRange, matchesEtag } from '../../firmware/viewing/byte-range.ts';

const etag = '"abc"';
const choose = (range: string | undefined, ifRange?: string) => chooseRange({ range, ifRange }, 1000, etag);

for (const [range, choice] of [
  ['bytes=0-0', [0, 1]],
  ['bytes=0-', [0, 1000]],
  ['bytes=100-199', [100, 200]],
  ['bytes=990-2000', [990, 1000]],
  ['bytes=-5', [995, 1000]],
  ['bytes=-2000', [0, 1000]],
  ['Bytes= 1-2 ', [1, 3]],
  ['bytes=1000-', 'none'],
  ['bytes=5000-6000', 'none'],
  ['bytes=-0', 'none'],
  ['bytes=5-4', 'whole'],
  ['bytes=0-1,3-4', 'whole'],
  ['bytes=', 'whole'],
  ['bytes=a-b', 'whole'],
  ['bytes=1.5-2', 'whole'],
  ['bytes=99999999999999999999-', 'whole'],
  ['items=0-1', 'whole'],
  [undefined, 'whole'],
] as const) {
  test(`${range} is ${typeof choice === 'string' ? choice : choice.join(' to ')}`, () => {
    const expected =
      typeof choice === 'string' ? { kind: choice } : { kind: 'part', start: choice[0], end: choice[1] };
    assert.deepEqual(choose(range), expected);
  });
}

test('if-range with another version gives the whole', () => {
  assert.equal(choose('bytes=0-1', etag).kind, 'part');
  assert.equal(choose('bytes=0-1', '"old"').kind, 'whole');
  assert.equal(choose('bytes=0-1', 'Sun, 22 Nov 2026 12:00:00 GMT').kind, 'whole');
});

test('a chosen part always lies within the file', () => {
  fc.assert(
    fc.property(fc.nat(3000), fc.option(fc.nat(3000)), (first, last) => {
      const choice = choose(`bytes=${first}-${last ?? ''}`);
      return choice.kind !== 'part' || (choice.start >= 0 && choice.start < choice.end && choice.end <= 1000);
    }),
  );
});

test('etags match weakly, one of several, or any', () => {
  assert.equal(matchesEtag('"x", W/"abc"', etag), true);
  assert.equal(matchesEtag('*', etag), true);
  assert.equal(matchesEtag('"ab"', etag), false);
  assert.equal(matchesEtag(undefined, etag), false);
});
