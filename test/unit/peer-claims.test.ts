/** What another server claims of its recordings, however wrong, takes nothing away from those of other servers. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import type { Archive, SegmentDetail, SegmentListing } from '../../firmware/recording/archive.ts';
import { formatSegmentName } from '../../firmware/recording/segment-name.ts';
import type { Directory } from '../../firmware/viewing/directory.ts';
import { holdersOf } from '../../firmware/viewing/holders.ts';
import { listAllRecordings, type MergedList } from '../../firmware/viewing/recordings.ts';
import { formatMs } from '../../firmware/viewing/time-query.ts';
import { emptyArchive } from '../support/bare-viewing.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const startUs = Date.parse('2026-11-22T12:00:00Z') * 1_000;
const minuteUs = 60_000_000;
const range = { fromUs: startUs, toUs: startUs + 10 * minuteUs };

function segment(fromUs: number, toUs = fromUs + minuteUs): SegmentListing {
  const name = formatSegmentName({ fromUs, epoch: 1, sequence: 1 });
  return { camera: 'door', name, fromUs, toUs, bytes: 1, captureId: 'c', epoch: 1, open: false };
}

/** A segment as another server lists it. */
function claim(fromUs: number, toUs?: number): object {
  const { name, fromUs: from, toUs: to, bytes, captureId, epoch, open } = segment(fromUs, toUs);
  return { name, from: formatMs(from), to: formatMs(to), bytes, captureId, epoch, open };
}

/** Server s1 with two segments; s2 answers every request with `json`. */
function site(json: unknown) {
  const directory: Directory = {
    site: 'demo',
    self: 's1',
    servers: () => [
      { id: 's1', state: 'self', hops: 0, pageUrl: '', cameras: [] },
      { id: 's2', state: 'reachable', hops: 1, pageUrl: '', cameras: [] },
    ],
    cameras: () => [],
  };
  const archive: Archive = {
    ...emptyArchive,
    segments: async () => [segment(startUs), segment(startUs + minuteUs)],
  };
  const body = JSON.stringify(json);
  const peers = {
    get: async () => ({ status: 200, headers: {}, body: Readable.from([Buffer.from(body)]) }),
    webSocket: () => assert.fail('no WebSocket is needed'),
  };
  return holdersOf(directory, { archive, peers, clock: new VirtualClock() });
}

/** The list of all when s2 claims something. */
function listWith(claims: { segments: object[]; truncated: boolean }): Promise<MergedList> {
  return listAllRecordings('door', range, site({ gaps: [], ...claims }));
}

const serversOf = (list: MergedList): string[] => list.segments.map(({ server }) => server);

test('a list with a name that no recording has is no list', async () => {
  for (const name of ['a b', '../../x', '2026-11-22/120000.000Z-1-1.mp4', '2026-11-22/12000.000Z-1-1']) {
    const list = await listWith({ segments: [{ ...claim(startUs), name }], truncated: false });
    assert.deepEqual([serversOf(list), list.unreachable], [['s1', 's1'], ['s2']], name);
  }
  const list = await listWith({ segments: [claim(startUs)], truncated: false });
  assert.deepEqual([serversOf(list), list.unreachable], [['s1', 's2', 's1'], []]);
});

test('a list that is cut and not full, or tells of other times, hides no recording of others', async () => {
  const far = claim(0);
  for (const segments of [[], [far], [claim(startUs)], Array.from({ length: 10_000 }, () => far)]) {
    const list = await listWith({ segments, truncated: true });
    const own = serversOf(list).filter((server) => server === 's1').length;
    assert.deepEqual([own, list.truncated, list.unreachable], [2, false, []], `${segments.length}`);
    assert.ok(list.segments.every(({ fromUs }) => fromUs >= startUs));
  }
});

test('a full list that is cut is believed', async () => {
  const segments = Array.from({ length: 10_000 }, (_, n) => ({
    ...claim(startUs),
    name: formatSegmentName({ fromUs: startUs, epoch: 1, sequence: n }),
  }));
  const list = await listWith({ segments, truncated: true });
  assert.equal(list.truncated, true);
});

test('a description of a recording is bounded, and so is each fragment in it', async () => {
  const listing = segment(startUs);
  const format = { codec: 'h264', config: '', width: 1, height: 1, sampleRate: 0, channels: 0 };
  const track = { camera: 'door', kind: 'video', rendition: 'main', captureId: 'c', format };
  const times = { fromPtsUs: 0, toPtsUs: 1, mapping: { offsetUs: 0, uncertaintyUs: 0 } };
  const detail = (bytes: number, rest: object = {}): Promise<SegmentDetail | undefined> => {
    const fragments = [{ offset: 1, bytes, ...times, tracks: [] }];
    const [, other] = site({ listing, initBytes: 1, tracks: [track], fragments, ...rest }).holders;
    return other?.detail('door', listing.name) ?? assert.fail('s2 can be asked');
  };
  const mib = 1024 * 1024;
  const unreachable = (thrown: unknown): boolean =>
    thrown instanceof Failure && thrown.code === 'UNREACHABLE';
  assert.equal((await detail(10 * mib))?.fragments[0]?.bytes, 10 * mib);
  for (const bytes of [17 * mib, 2 ** 45]) await assert.rejects(detail(bytes), unreachable);
  await assert.rejects(detail(mib, { more: 'x'.repeat(2 * mib) }), unreachable);
});
