/** Times as the page writes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clockText, dayText, durationText, momentText } from '../../firmware/viewing/web/time-text.ts';

const thisYear = new Date().getFullYear();

test('a day of another year has its year, one of this year has none', () => {
  const before = new Date(thisYear - 1, 5, 7, 12).getTime();
  const now = new Date(thisYear, 5, 7, 12).getTime();
  assert.match(dayText(before), new RegExp(`7.*${thisYear - 1}`));
  assert.match(dayText(now), /7/);
  assert.doesNotMatch(dayText(now), new RegExp(String(thisYear)));
});

test('a moment has its day where it is not today', () => {
  const now = Date.now();
  assert.equal(momentText(now), clockText(now));
  assert.equal(momentText(now - 3 * 86_400_000).startsWith(dayText(now - 3 * 86_400_000)), true);
});

test('a duration has its two largest parts', () => {
  assert.deepEqual([7_000, 125_000, 11_040_000, 183_600_000].map(durationText), [
    '7 s',
    '2 min 5 s',
    '3 h 4 min',
    '2 d 3 h',
  ]);
});
