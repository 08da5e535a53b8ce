/** The nearest keyframe over several servers: who is asked, in which order, and whose answer counts. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import type { ServerEntry } from '../../firmware/viewing/directory.ts';
import {
  type Keyframe,
  KeyframeFinder,
  keyframeHeaders,
  keyframeMp4,
  type NearestKeyframe,
} from '../../firmware/viewing/nearest-keyframe.ts';
import { emptyArchive } from '../support/bare-viewing.ts';
import { videoTrack } from '../support/media-samples.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const atUs = Date.parse('2026-11-22T12:00:00.123Z') * 1_000;

function keyframe(parts: Partial<Keyframe> = {}): Keyframe {
  const payload = Buffer.from('0000000165', 'hex');
  const fields = { durationUs: 40_000, uncertaintyUs: 0, sequence: 1, continuous: true };
  return { track: videoTrack(), atUs, payload, ...fields, ...parts };
}

/** What a server has: a keyframe, nothing at that time, or no answer. */
type Held = Keyframe | 'nothing' | 'silent';

/** Server s1 without recordings, and others. */
function scene(held: Record<string, Held>) {
  const states: Record<string, ServerEntry['state']> = {};
  const finder = new KeyframeFinder();
  const asked: string[] = [];
  const get = async (server: string) => {
    asked.push(server);
    const has = held[server];
    if (has === 'silent' || has === undefined)
      throw new Failure('UNREACHABLE', `${server} is silent`, { advice: 'Wait.' });
    const found = { keyframe: has === 'nothing' ? undefined : has, nextUs: undefined, unreachable: [] };
    const body = Readable.from(has === 'nothing' ? [] : [keyframeMp4(has)]);
    return { status: has === 'nothing' ? 404 : 200, headers: keyframeHeaders(found), body };
  };
  const servers = (): ServerEntry[] => [
    { id: 's1', state: 'self', hops: 0, pageUrl: '', cameras: [] },
    ...Object.keys(held).map((id) => {
      return { id, state: states[id] ?? 'reachable', hops: 1, pageUrl: '', cameras: [] };
    }),
  ];
  const sources = {
    archive: emptyArchive,
    peers: { get, webSocket: () => assert.fail('no WebSocket is needed') },
    clock: new VirtualClock(),
    directory: { site: 'demo', self: 's1', servers, cameras: () => [] },
    own: false,
  };
  /** The answer, and who was asked for it. */
  const nearest = async (timeUs = atUs): Promise<NearestKeyframe & { asked: string[] }> => {
    asked.length = 0;
    const found = await finder.nearest('door', timeUs, sources);
    return { ...found, asked: [...asked] };
  };
  return { held, states, nearest };
}

test('a keyframe behind the time that was asked for is no answer', async () => {
  const { nearest } = scene({
    s2: keyframe({ atUs: atUs + 1_000 }),
    s3: keyframe({ atUs: atUs - 5_000_000 }),
  });
  const found = await nearest();
  assert.deepEqual([found.keyframe?.atUs, found.unreachable], [atUs - 5_000_000, ['s2']]);
  // Times are told in whole ms: what is shown in the same ms is at the time.
  const same = await scene({ s2: keyframe({ atUs: atUs + 999 }) }).nearest();
  assert.deepEqual([same.keyframe?.atUs, same.unreachable], [atUs + 999, []]);
});

test('who had the times around it is asked first, and alone while nothing is missing there', async () => {
  const { held, nearest } = scene({ s2: 'nothing', s3: keyframe(), s4: 'nothing' });
  assert.deepEqual((await nearest()).asked, ['s2', 's3', 's4']);
  assert.deepEqual((await nearest(atUs + 1_000_000)).asked, ['s3']);
  held.s3 = keyframe({ continuous: false });
  const holed = await nearest(atUs + 1_000_000);
  assert.deepEqual([holed.asked, holed.keyframe?.atUs], [['s3', 's2', 's4'], atUs], 'each is asked once');
});

test('who had the times around it is not asked while it cannot be reached, and forgotten when it fails', async () => {
  const { held, states, nearest } = scene({ s2: keyframe({ atUs: atUs - 5_000_000 }), s3: keyframe() });
  await nearest();
  states.s3 = 'unreachable';
  const without = await nearest();
  assert.deepEqual([without.asked, without.unreachable], [['s2'], ['s3']]);
  states.s3 = 'reachable';
  held.s2 = 'nothing';
  assert.equal((await nearest()).keyframe?.atUs, atUs, 's3 is asked first from now on');
  held.s3 = 'silent';
  const failed = await nearest();
  assert.deepEqual([failed.asked, failed.unreachable], [['s3', 's2'], ['s3']], 'asked once');
  assert.deepEqual((await nearest()).asked, ['s2', 's3'], 'all at once again');
});
