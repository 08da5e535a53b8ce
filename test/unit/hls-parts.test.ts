/** Parts of recordings that overlap in every way: each frame that anybody has is in one part, once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseFragment } from '../../firmware/media/mp4-scanner.ts';
import { openSegments, type Part, partsOf } from '../../firmware/viewing/hls-parts.ts';
import { formatPlaylist } from '../../firmware/viewing/hls-playlist.ts';
import { addParts } from '../../firmware/viewing/live-playlists.ts';
import type { HeldSegment } from '../../firmware/viewing/recordings.ts';
import {
  type Delivery,
  gops,
  holdersOf,
  noonUs,
  type StoredSegment,
  store,
} from '../support/stored-segments.ts';

const range = { fromUs: noonUs - 3_600_000_000, toUs: noonUs + 86_400_000_000 };
const partUs = 2_000_000;
const whole: Delivery = {
  holder: 0,
  capture: 0,
  gop: 0,
  frames: gops * 10,
  soundLate: 0,
  soundEarly: 0,
  perSegment: 4,
  clockOffUs: 0,
  lostTail: 0,
};

function held(stored: readonly StoredSegment[]): HeldSegment[] {
  return stored.map(({ holder, detail }) => ({ ...detail.listing, server: holder }));
}

async function partsIn(stored: readonly StoredSegment[]): Promise<Part[]> {
  const { opened, failed } = await openSegments(held(stored), holdersOf(stored));
  assert.deepEqual(failed, []);
  return [...partsOf(opened, { range, partUs, unfinished: true })].flat();
}

/** Sequences of the picture in a part, as a player finds them in its bytes. */
function framesOf(part: Part, stored: readonly StoredSegment[]): number[] {
  const one = stored.find(
    ({ holder, detail }) => holder === part.server && detail.listing.name === part.name,
  );
  assert.ok(one, 'a part of a file that is not there');
  return one.detail.fragments.slice(part.first, part.first + part.count).flatMap(({ offset, bytes }) => {
    const parsed = parseFragment(one.file.subarray(offset, offset + bytes));
    assert.ok(parsed.ok, 'a fragment');
    return parsed.value.batches
      .filter(({ trackId }) => trackId === 1)
      .flatMap(({ samples }) => samples.map(({ sequence }) => sequence));
  });
}

const delivery = fc.record({
  holder: fc.nat(3),
  capture: fc.nat(1),
  gop: fc.nat(gops - 1),
  frames: fc.integer({ min: 1, max: gops * 10 }),
  soundLate: fc.constant(0),
  soundEarly: fc.constant(0),
  perSegment: fc.integer({ min: 1, max: 9 }),
  clockOffUs: fc.integer({ min: -500_000, max: 500_000 }),
  lostTail: fc.nat(2),
});

test('whatever several servers have of a capture, each frame that anybody has is in one part, in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(delivery, { minLength: 1, maxLength: 6 }), async (deliveries) => {
      const stored = deliveries.flatMap((one, place) => store(one, place, false));
      const parts = await partsIn(stored);
      for (const capture of ['boot.0', 'boot.1']) {
        const own = stored.filter(({ detail }) => detail.listing.captureId === capture);
        const all = new Set(own.flatMap(({ samples }) => samples.video.map(({ sequence }) => sequence)));
        const told = parts
          .filter(({ captureId }) => captureId === capture)
          .flatMap((part) => framesOf(part, stored));
        assert.deepEqual(
          told,
          [...all].sort((a, b) => a - b),
        );
      }
    }),
    { numRuns: 300 },
  );
});

test('a hand-over in the middle of a GOP is no discontinuity, and a hole is one', async () => {
  const stored = [
    ...store({ ...whole, frames: 35 }, 0, false),
    ...store({ ...whole, holder: 1, gop: 3, frames: 20 }, 1, false),
    ...store({ ...whole, holder: 1, gop: 6, frames: 20 }, 2, false),
    ...store({ ...whole, capture: 1 }, 3, false),
  ];
  const sign = (path: string): string => `${path}?s`;
  const parts = await partsIn(stored);
  const pieces = formatPlaylist(parts, {
    camera: 'door',
    sequence: 0,
    discontinuities: 0,
    ended: true,
    unreachable: ['s1'],
    sign,
  });
  const text = [...pieces].join('');
  const lines = text.split('\n');
  assert.equal(lines.filter((line) => line === '#EXT-X-DISCONTINUITY').length, 2, text);
  assert.equal(lines.filter((line) => line.startsWith('#EXT-X-MAP')).length, 3, text);
  assert.ok(
    lines.filter((line) => line.includes('/parts/')).every((line) => /\?s"?$/.test(line)),
    'signed',
  );
  const seconds = lines.flatMap((line) => /^#EXTINF:([\d.]+),$/.exec(line)?.[1] ?? []).map(Number);
  const sum = seconds.reduce((total, one) => total + one, 0);
  assert.ok(Math.abs(sum - (5 + 2 + 8)) < 0.05, `${sum} s`);
  const target = Number(/TARGETDURATION:(\d+)/.exec(text)?.[1]);
  assert.ok(
    seconds.every((one) => Math.round(one) <= target),
    text,
  );
  assert.match(text, /#EXT-X-PROGRAM-DATE-TIME:2026-11-22T12:00:00\.000Z/);
  const gaps = lines.flatMap((line, place) => (line === '#EXT-X-GAP' ? [lines[place + 1] ?? ''] : []));
  assert.ok(
    gaps.length > 0 && gaps.every((line) => line.includes('/s1/')),
    'gaps are of who cannot be reached',
  );
});

test('a long playlist is made in small steps: nobody waits for a whole day to be gone through', async () => {
  const stored = store({ ...whole, perSegment: 1 }, 0, false);
  const { opened } = await openSegments(held(stored), holdersOf(stored));
  const steps = [...partsOf(opened, { range, partUs, unfinished: true })];
  assert.ok(stored.length > 4);
  for (const parts of steps)
    assert.ok(new Set(parts.map(({ name }) => name)).size <= 1, 'a segment at a time');
  const [part] = steps.flat();
  assert.ok(part !== undefined);
  const options = { camera: 'door', sequence: 0, discontinuities: 0, ended: true, unreachable: [] };
  const day = Array.from({ length: 20_000 }, () => part);
  const longest = Math.max(
    ...[...formatPlaylist(day, { ...options, sign: (path) => path })].map(({ length }) => length),
  );
  assert.ok(longest < 100_000, `${longest} characters in one step`);
});

test('a live playlist never changes what it told, numbers its parts on, and misses nothing at a hand-over', async () => {
  const playlist = { parts: [] as Part[], sequence: 0, discontinuities: 0 };
  const seen = new Map<number, string>();
  let stored: StoredSegment[] = [];
  for (let frames = 5; frames <= gops * 10; frames += 5) {
    // The first server writes 42 frames, the other one has the camera from its fourth GOP on.
    stored = [
      ...store({ ...whole, frames: Math.min(frames, 42) }, 0, false).map((one) => asOpen(one, frames < 42)),
      ...(frames <= 40 ? [] : store({ ...whole, holder: 1, gop: 4, frames: frames - 40 }, 1, false)).map(
        (one) => asOpen(one, true),
      ),
    ];
    const { opened } = await openSegments(held(stored), holdersOf(stored));
    const last = playlist.parts.at(-1);
    const after = last === undefined ? undefined : { captureId: last.captureId, ptsUs: last.toPtsUs };
    addParts(playlist, [...partsOf(opened, { range, partUs, unfinished: false, after })].flat());
    for (const [place, part] of playlist.parts.entries()) {
      const text = `${part.server} ${framesOf(part, stored).join()}`;
      const number = playlist.sequence + place;
      assert.equal(seen.get(number) ?? text, text, `part ${number} changed`);
      seen.set(number, text);
    }
  }
  const numbers = [...seen.keys()];
  assert.deepEqual(
    numbers,
    numbers.map((_, place) => (numbers[0] ?? 0) + place),
  );
  const frames = [...seen.values()].flatMap((text) => (text.split(' ')[1] ?? '').split(',').map(Number));
  assert.deepEqual(
    frames,
    frames.map((_, place) => place),
    'each frame once, none missing',
  );
  assert.ok(frames.length >= 60, `${frames.length} frames`);
  assert.ok(playlist.sequence >= noonUs / 1_000_000, 'numbers begin with the time');
});

function asOpen(stored: StoredSegment, open: boolean): StoredSegment {
  const listing = { ...stored.detail.listing, open };
  return { ...stored, detail: { ...stored.detail, listing } };
}
