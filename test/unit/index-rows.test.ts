/** The rows of the index: round trip, order of keys, size, damage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../firmware/base/codec.ts';
import type { FragmentListing } from '../../firmware/media/fragment-listing.ts';
import {
  decodeDetail,
  encodeDetail,
  endOf,
  eventRow,
  keys,
  listingRow,
  nameOfListingKey,
  openRow,
  type SegmentInside,
} from '../../firmware/recording/index-rows.ts';
import { formatSegmentName } from '../../firmware/recording/segment-name.ts';
import { audioTrack, videoTrack } from '../support/media-samples.ts';

const mapping = { offsetUs: 1_795_350_896_789_000, uncertaintyUs: 4_000 };

/** Fragments one after another, as they lie in a file. */
function insideOf(count: number, initBytes = 900): SegmentInside {
  const fragments: FragmentListing[] = [];
  let offset = initBytes;
  for (let place = 0; place < count; place++) {
    const bytes = 1_000 + place;
    const tracks = [
      { trackId: 1, firstSequence: place * 25, count: 25 },
      { trackId: 2, firstSequence: place * 47, count: 47 },
    ];
    fragments.push({ offset, bytes, fromPtsUs: place * 1e6, toPtsUs: (place + 1) * 1e6, mapping, tracks });
    offset += bytes;
  }
  return { initBytes, tracks: [videoTrack(), audioTrack()], fragments };
}

test('a segment’s inside makes the round trip, offsets included', () => {
  for (const count of [0, 1, 60]) {
    assert.deepEqual(decodeDetail(encodeDetail(insideOf(count))), { ok: true, value: insideOf(count) });
  }
});

test('a segment of as many fragments as a scan can find is indexed', () => {
  const decoded = decodeDetail(encodeDetail(insideOf(16_384)));
  assert(decoded.ok);
  assert.equal(decoded.value.fragments.length, 16_384);
});

test('a fragment that claims to last for years is cut, not refused', () => {
  const inside = insideOf(1);
  const [fragment] = inside.fragments;
  assert(fragment !== undefined);
  const fragments = [{ ...fragment, fromPtsUs: -1e15, toPtsUs: 1e15 }];
  const decoded = decodeDetail(encodeDetail({ ...inside, fragments }));
  assert(decoded.ok);
  assert.equal(decoded.value.fragments[0]?.fromPtsUs, -1e15);
});

test('the small rows make the round trip', () => {
  const listing = { fromUs: 1, toUs: 2, bytes: 3, epoch: 4, volume: 5, captureId: 'boot.6' };
  assert.deepEqual(decode(listingRow, encode(listingRow, listing)), { ok: true, value: listing });
  const open = { volume: 1, epoch: 2 };
  assert.deepEqual(decode(openRow, encode(openRow, open)), { ok: true, value: open });
  const event = { camera: 'door', fromUs: 1, toUs: 2, reason: 'camera-off' } as const;
  assert.deepEqual(decode(eventRow, encode(eventRow, event)), { ok: true, value: event });
});

test('a listing row is at most 48 bytes', () => {
  const fromUs = Date.parse('2026-11-22T12:30:00Z') * 1000;
  const listing = {
    fromUs,
    toUs: fromUs + 60e6,
    bytes: 30e6,
    epoch: 5_000,
    volume: 3,
    captureId: 'a1b2c3d4.12',
  };
  assert(encode(listingRow, listing).length <= 48, `${encode(listingRow, listing).length} bytes`);
});

test('the order of keys is the order of times, of one camera at a time', () => {
  const time = fc.integer({ min: 0, max: 9_000_000_000_000_000 });
  fc.assert(
    fc.property(time, time, (a, b) => {
      const [early, late] = [Math.min(a, b), Math.max(a, b)];
      for (const at of [keys.listingAt, keys.eventAt]) {
        assert(early === late || at('door', early) < at('door', late));
      }
      const name = formatSegmentName({ fromUs: early, epoch: 1, sequence: 0 });
      const key = keys.listing('door', early, name);
      assert(key >= keys.listingAt('door', early) && key < keys.listingAt('door', early + 1));
      assert.equal(nameOfListingKey(key), name);
    }),
  );
});

test('a range over one camera holds nothing of a camera whose name goes on', () => {
  const from = keys.listingAt('door', 0);
  const to = keys.listingAt('door', 9_000_000_000_000_000);
  for (const other of ['door-2', 'doo', 'door0', 'e']) {
    const key = keys.listing(other, 5_000_000, 'x');
    assert(key < from || key >= to, key);
  }
});

test('the end of a prefix sorts after everything with it', () => {
  for (const key of [keys.open('z'.repeat(32), '9999-12-31/235959.999Z-9-9'), keys.open('0', '')]) {
    assert(key >= 'o/' && key < endOf('o/'));
  }
  assert(keys.listing('a', 0, 'x') > endOf('o/') && keys.event('z', 0, 'x') < 'o/');
});

test('a damaged row is refused or read as other values, never an error', () => {
  const row = encodeDetail(insideOf(3));
  for (let length = 0; length < row.length; length++) assert(!decodeDetail(row.subarray(0, length)).ok);
  for (let bit = 0; bit < row.length * 8; bit++) {
    const bent = Buffer.from(row);
    bent.writeUInt8((bent[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
    const decoded = decodeDetail(bent);
    if (decoded.ok) assert(Array.isArray(decoded.value.fragments));
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      decodeDetail(garbage);
      decode(listingRow, garbage);
      decode(eventRow, garbage);
    }),
  );
});
