/** Long work in slices: everything else has its turn after each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTurns } from '../../firmware/viewing/in-turns.ts';

/** Each piece takes some time of this clock; a timer of it is a turn for others. */
function scene(pieceMs: number) {
  let nowMs = 0;
  let turns = 0;
  const clock = {
    monotonicMs: () => nowMs,
    after: (_ms: number, run: () => void) => {
      turns += 1;
      setImmediate(run);
      return () => undefined;
    },
  };
  function* pieces(count: number): Generator<number> {
    for (let piece = 0; piece < count; piece++) {
      nowMs += pieceMs;
      yield piece;
    }
  }
  return { clock, pieces, turns: () => turns };
}

test('everything else has a turn every few milliseconds, and the pieces come in order', async () => {
  for (const [pieceMs, turns] of [
    [5, 100],
    [30, 200],
    [0.01, 0],
  ] as const) {
    const { clock, pieces, turns: had } = scene(pieceMs);
    const all = await inTurns(pieces(200), clock);
    assert.deepEqual(
      all,
      Array.from({ length: 200 }, (_, piece) => piece),
    );
    assert.equal(had(), turns, `pieces of ${pieceMs} ms`);
  }
});

test('of nothing there is nothing, and what goes wrong in a piece is thrown', async () => {
  const { clock } = scene(1);
  assert.deepEqual(await inTurns([], clock), []);
  function* pieces(): Generator<number> {
    yield 1;
    throw new RangeError('in the second');
  }
  await assert.rejects(inTurns(pieces(), clock), RangeError);
});
