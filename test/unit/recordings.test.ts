/** Lists of several holders become one, and stay complete up to their end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import type { Gap } from '../../firmware/media/sample.ts';
import type { SegmentListing } from '../../firmware/recording/archive.ts';
import type { Holder, HolderList } from '../../firmware/viewing/holders.ts';
import { listAllRecordings, listRecordings, mergeLists } from '../../firmware/viewing/recordings.ts';

function segment(second: number, length = 60): SegmentListing {
  const [fromUs, toUs] = [second * 1e6, (second + length) * 1e6];
  return {
    camera: 'door',
    name: `s${second}`,
    fromUs,
    toUs,
    bytes: 1,
    captureId: 'c',
    epoch: 1,
    open: false,
  };
}

function list(seconds: number[], options: { truncated?: boolean; gaps?: Gap[] } = {}): HolderList {
  return {
    segments: seconds.map((second) => segment(second)),
    gaps: options.gaps ?? [],
    truncated: options.truncated ?? false,
  };
}

const names = (merged: { segments: readonly { server: string; name: string }[] }): string =>
  merged.segments.map(({ server, name }) => `${server}:${name}`).join(' ');

test('segments are sorted by start and then by server; one that comes twice is listed once', () => {
  const merged = mergeLists([
    { server: 'b', list: list([0, 120]) },
    { server: 'a', list: list([60, 120]) },
    { server: 'a', list: list([60]) },
  ]);
  assert.equal(names(merged), 'b:s0 a:s60 a:s120 b:s120');
  assert.equal(merged.truncated, false);
});

test('a list that was cut says so and keeps the earliest', () => {
  const merged = mergeLists([{ server: 'a', list: list([0, 60, 120]) }], 2);
  assert.deepEqual([names(merged), merged.truncated], ['a:s0 a:s60', true]);
});

test('behind the end of a holder whose list was cut nothing is listed, for it would not be complete', () => {
  const merged = mergeLists([
    { server: 'a', list: list([0, 60], { truncated: true }) },
    { server: 'b', list: list([30, 90, 150]) },
  ]);
  assert.deepEqual([names(merged), merged.truncated], ['a:s0 b:s30 a:s60', true]);
});

test('a gap that two servers know of is listed once', () => {
  const gap: Gap = { camera: 'door', fromUs: 1, toUs: 2, reason: 'camera-off' };
  const merged = mergeLists([
    { server: 'a', list: list([], { gaps: [gap] }) },
    { server: 'b', list: list([], { gaps: [{ ...gap }] }) },
  ]);
  assert.deepEqual(merged.gaps, [gap]);
});

/** A holder of some segments that lists at most three. */
function holder(server: string, seconds: number[], fail?: () => Error): Holder {
  const refuse = (): never => {
    throw new Error('not in this test');
  };
  return {
    server,
    list: async (_camera, { fromUs, toUs }) => {
      if (fail !== undefined) throw fail();
      const found = seconds
        .map((second) => segment(second))
        .filter((s) => s.toUs > fromUs && s.fromUs < toUs);
      return { segments: found.slice(0, 3), gaps: [], truncated: found.length > 3 };
    },
    detail: refuse,
    read: refuse,
  };
}

test('a holder that fails is named with those known not to answer, and the others are listed', async () => {
  const unreachable = new Failure('UNREACHABLE', 'off', { advice: 'on' });
  const range = { fromUs: 0, toUs: 1e9 };
  const holders = [holder('a', [0]), holder('b', [], () => unreachable)];
  const merged = await listRecordings('door', range, { holders, unreachable: ['c'] });
  assert.deepEqual([names(merged), merged.unreachable], ['a:s0', ['b', 'c']]);
});

test('a bug in a holder is not taken for an absence', async () => {
  const holders = [holder('b', [], () => new TypeError('bug'))];
  await assert.rejects(
    listRecordings('door', { fromUs: 0, toUs: 1e9 }, { holders, unreachable: [] }),
    TypeError,
  );
});

test('a long list is read page by page to its end, each segment once', async () => {
  const seconds = Array.from({ length: 20 }, (_, i) => i * 60);
  const holders = [
    holder('a', seconds),
    holder(
      'b',
      seconds.map((second) => second + 10),
    ),
  ];
  const all = await listAllRecordings('door', { fromUs: 0, toUs: 1e12 }, { holders, unreachable: [] });
  assert.equal(all.segments.length, 40);
  assert.equal(new Set(names(all).split(' ')).size, 40);
  assert.equal(all.truncated, false);
});
