/** Long work in pieces: everything else has its turn after each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTurns } from '../../firmware/base/in-turns.ts';

test('everything else has a turn after each piece, and the pieces come in order', async () => {
  let turns = 0;
  let working = true;
  const count = (): void => {
    turns += 1;
    if (working) setImmediate(count);
  };
  setImmediate(count);
  /** Turns that others had had when each piece was made. */
  const seen: number[] = [];
  function* pieces(): Generator<number> {
    for (let piece = 0; piece < 20; piece++) {
      seen.push(turns);
      yield piece;
    }
  }
  const all = await inTurns(pieces());
  working = false;
  assert.deepEqual(
    all,
    Array.from({ length: 20 }, (_, piece) => piece),
  );
  for (const [place, had] of seen.entries()) {
    const before = seen[place - 1];
    if (before !== undefined) assert.ok(had > before, `no turn before piece ${place}`);
  }
  assert.ok(turns >= all.length, `${turns} turns`);
});

test('of nothing there is nothing, and what goes wrong in a piece is thrown', async () => {
  assert.deepEqual(await inTurns([]), []);
  function* pieces(): Generator<number> {
    yield 1;
    throw new RangeError('in the second');
  }
  await assert.rejects(inTurns(pieces()), RangeError);
});
