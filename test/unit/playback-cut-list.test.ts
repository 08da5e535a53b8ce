/** Playback over a server whose list never ends: what lies behind it is named, not left out without a word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPlayback } from '../../firmware/viewing/playback.ts';
import { gops, holdersOf, noonUs, store } from '../support/stored-segments.ts';

const piece = { capture: 0, frames: gops * 10, soundLate: 0, soundEarly: 0, perSegment: 2, lostTail: 0 };

test('a server that says again and again that its list was cut hides nothing', async () => {
  const [honest] = holdersOf(store({ ...piece, holder: 0, gop: 0, clockOffUs: 0 }, 0, false));
  assert.ok(honest);
  const range = { fromUs: noonUs, toUs: noonUs + 600_000_000 };
  const { segments } = await honest.list('door', range);
  const [first] = segments;
  assert.ok(first);
  const liar = {
    ...honest,
    server: 'liar',
    list: async () => ({ segments: [first], gaps: [], truncated: true }),
  };
  const playback = await openPlayback('door', range, {
    holders: [honest, liar],
    unreachable: [],
    nowUs: range.toUs,
  });
  const chunks: Buffer[] = [];
  for await (const chunk of playback.chunks) chunks.push(chunk);
  assert.ok(chunks.length > 0);
  const [missing] = playback.missing();
  assert.ok(
    missing !== undefined && missing.toUs >= (segments.at(-1)?.toUs ?? 0),
    'it is said what may be missing',
  );
});
