/** The newest frame of a camera is given out as what it shows now only while it is. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import { SnapshotRounds } from '../../firmware/telemetry/snapshot-rounds.ts';
import type { ErrorAnswer } from '../../firmware/viewing/api.ts';
import { newestFrame } from '../../firmware/viewing/frame-pictures.ts';
import { createLiveHub } from '../../firmware/viewing/live-hub.ts';
import { bareViewing, cameraEntry } from '../support/bare-viewing.ts';
import { videoTrack } from '../support/media-samples.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const hourMs = 3_600_000;
/** avcC with one SPS and one PPS, of 4 bytes each */
const config = Buffer.from('0142c01effe1000467420000' + '01000468ce3c80', 'hex');

interface Scene {
  readonly clock: VirtualClock;
  /** A camera whose frames are dated so much before they come sends one. */
  readonly send: (agoMs?: number) => void;
  readonly ask: (headers?: Record<string, string>) => Promise<Response>;
  readonly snapshot: () => Promise<Uint8Array | undefined>;
}

function scene(): Scene {
  const clock = new VirtualClock();
  const live = createLiveHub({ onWatched: () => undefined });
  const plain = videoTrack('boot.0', 'door');
  const track: TrackDescription = { ...plain, format: { ...plain.format, config } };
  live.publishTracks('door', [track]);
  let sequence = 0;
  const send = (agoMs = 0): void => {
    sequence += 1;
    const payload = Buffer.from([0, 0, 0, 2, 0x65, sequence]);
    const times = { sequence, ptsUs: sequence * 40_000, durationUs: 40_000, compositionUs: 0 };
    const sample: Sample = { ...times, keyframe: true, payload: [payload], bytes: payload.length };
    live.publishSample('door', 1, sample, (clock.utcMs() - agoMs) * 1000);
  };
  const directory = {
    site: 'demo',
    self: 's1',
    servers: () => [],
    cameras: () => [cameraEntry('door', 's1')],
  };
  const { ask } = bareViewing({ live, clock, directory, decoder: { jpeg: async (stream) => stream } });
  return {
    clock,
    send,
    ask: (headers = {}) => ask('/api/cameras/door/frame.jpg', { headers }),
    snapshot: async () => newestFrame(live, 'door', clock)?.stream,
  };
}

async function assertOld(response: Response, said: RegExp): Promise<void> {
  assert.equal(response.status, 503);
  const { error, advice } = (await response.json()) as ErrorAnswer;
  assert.match(error, said);
  assert.match(advice, /\?at=/);
}

describe('the newest frame of a camera that is attached', () => {
  test('and sends nothing any more is refused, with when it was taken, to people and to other servers', async () => {
    const { clock, send, ask } = scene();
    send();
    clock.advance(9_000);
    assert.equal((await ask()).status, 200);
    clock.advance(2_000);
    const said = /^door shows nothing now: its newest picture is of 2026-11-22T12:00:00\.000Z$/;
    for (const headers of [{}, { 'x-starling-own': '1' }]) await assertOld(await ask(headers), said);
    clock.advance(hourMs);
    await assertOld(await ask(), said);
    send();
    assert.equal((await ask()).status, 200);
  });

  test('and sends what it held back in an outage is refused', async () => {
    const { send, ask } = scene();
    send(60_000);
    await assertOld(await ask(), /11:59:00/);
    send(1_000);
    assert.equal((await ask()).status, 200);
  });

  for (const [where, agoMs] of [
    ['behind', hourMs],
    ['ahead', -hourMs],
  ] as const) {
    test(`and whose clock is an hour ${where} is given while it sends, and refused when it does not`, async () => {
      const { clock, send, ask } = scene();
      for (let times = 0; times < 5; times++) {
        send(agoMs);
        assert.equal((await ask()).status, 200);
        clock.advance(60_000);
      }
      await assertOld(await ask(), /shows nothing now/);
      send(agoMs);
      assert.equal((await ask()).status, 200);
    });
  }
});

test('no snapshot of a camera that shows nothing now is published', async () => {
  const { clock, send, snapshot } = scene();
  const published: string[] = [];
  const rounds = new SnapshotRounds({
    clock,
    everyMs: 60_000,
    cameras: () => ['door'],
    frame: snapshot,
    publish: (camera) => published.push(`${camera} ${clock.monotonicMs() / 1000}`),
  });
  send();
  rounds.start();
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await turn();
  };
  await turn();
  for (let minutes = 0; minutes < 60; minutes++) await pass(60_000);
  assert.deepEqual(published, ['door 0']);
  await pass(59_000);
  send();
  await pass(1_000);
  rounds.stop();
  assert.deepEqual(published, ['door 0', 'door 3660']);
});
