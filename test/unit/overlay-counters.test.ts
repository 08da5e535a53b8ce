/** How far incarnations and epochs are believed to have risen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterMax, mayRise } from '../../firmware/overlay/counters.ts';

const honestMax = 2 ** 31;

test('a number that an honest unit can have is followed, however much was forgotten', () => {
  for (const known of [0, 1, 70_000, honestMax - 1, honestMax + 5, counterMax])
    for (const claimed of [0, 1, 5_000, 70_000, honestMax])
      assert(mayRise(known, claimed), `${known} ${claimed}`);
});

test('beyond that it is followed a little further each time, up to the end', () => {
  assert(!mayRise(0, honestMax + 65_537));
  assert(mayRise(honestMax, honestMax + 65_536));
  assert(!mayRise(honestMax, honestMax + 65_537));
  assert(mayRise(counterMax - 1, counterMax));
  assert(!mayRise(counterMax, counterMax + 1));
});
