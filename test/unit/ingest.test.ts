/** The manager's end of a camera link: frames in, acknowledgements and pacing out, and when it holds the camera back. */
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { encode } from '../../firmware/base/codec.ts';
import {
  decodeFrame,
  durableFrame,
  frameKinds,
  gapFrame,
  mappingFrame,
  pacingFrame,
  resendFrame,
  sampleFrames,
  tracksFrame,
} from '../../firmware/media/link-frames.ts';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import { Ingest } from '../../firmware/recording/ingest.ts';
import { audioTrack, videoTrack } from '../support/media-samples.ts';
import { RecorderRig, until } from '../support/recorder-rig.ts';
import { sampleOf } from '../support/synthetic-sample.ts';

/** One ingest of camera `door` (and others), with a link and a feed that only take notes. */
class Bench {
  readonly ingest: Ingest;
  readonly acknowledged: string[] = [];
  readonly pacing: string[] = [];
  readonly resends: string[] = [];
  readonly closed: string[] = [];
  readonly fed: string[] = [];
  paused = 0;
  resumed = 0;

  constructor(rig: Pick<RecorderRig, 'recorder'>, cameras: readonly string[] = ['door'], epoch = 1) {
    this.ingest = new Ingest({
      link: {
        send: (kind, parts) => this.sent(kind, [Buffer.concat(parts)]),
        pause: () => {
          this.paused += 1;
        },
        resume: () => {
          this.resumed += 1;
        },
        close: (reason) => this.closed.push(reason),
      },
      cameras,
      epoch,
      recorder: rig.recorder,
      feed: {
        publishTracks: (camera, tracks) => this.fed.push(`tracks ${camera} ${tracks.length}`),
        publishSample: (camera, trackId, sample) => this.fed.push(`${camera}/${trackId}/${sample.sequence}`),
        publishEnd: (camera, reason) => this.fed.push(`end ${camera} ${reason}`),
        subscribe: () => undefined,
        viewers: () => 0,
      },
    });
  }

  private sent(kind: number, parts: readonly Buffer[]): boolean {
    const [codec, notes] = {
      [frameKinds.durable]: [durableFrame, this.acknowledged] as const,
      [frameKinds.pacing]: [pacingFrame, this.pacing] as const,
      [frameKinds.resend]: [resendFrame, this.resends] as const,
    }[kind] ?? [pacingFrame, this.pacing];
    const decoded = decodeFrame<unknown>(codec, parts);
    assert(decoded.ok, `kind ${kind}`);
    notes.push(JSON.stringify(decoded.value));
    return true;
  }

  tracks(
    first = 0,
    descriptions: readonly TrackDescription[] = [videoTrack()],
    camera = 'door',
  ): string | undefined {
    const tracks = descriptions.map((description, place) => ({ number: first + place, description }));
    return this.ingest.frame(frameKinds.tracks, [encode(tracksFrame, { camera, tracks })]);
  }

  mapping(offsetUs = 1_800_000_000_000_000, camera = 'door'): string | undefined {
    return this.ingest.frame(frameKinds.mapping, [
      encode(mappingFrame, { camera, mapping: { offsetUs, uncertaintyUs: 1 } }),
    ]);
  }

  sample(track: number, sample: Sample): string | undefined {
    for (const { kind, parts } of sampleFrames(track, sample)) {
      const fault = this.ingest.frame(kind, [Buffer.concat(parts)]);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  gap(fields: { camera?: string; fromUs?: number; toUs?: number } = {}): string | undefined {
    const gap = { camera: 'door', fromUs: 1, toUs: 2, reason: 'camera-off' as const, ...fields };
    return this.ingest.frame(frameKinds.gap, [encode(gapFrame, gap)]);
  }
}

/** GOPs of ten frames and one second. */
function gops(count: number, bytes = 100): Sample[] {
  return Array.from({ length: count * 10 }, (_, sequence) =>
    sampleOf({
      sequence,
      ptsUs: sequence * 100_000,
      durationUs: 100_000,
      keyframe: sequence % 10 === 0,
      bytes,
    }),
  );
}

describe('an ingest', () => {
  test('feeds viewers at once, and acknowledges to the camera what is durable', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    assert.equal(bench.tracks(4), undefined);
    assert.equal(bench.mapping(), undefined);
    for (const sample of gops(2)) assert.equal(bench.sample(4, sample), undefined);
    assert.deepEqual(bench.fed.slice(0, 3), ['tracks door 1', 'door/1/0', 'door/1/1']);
    assert.equal(bench.fed.length, 21);
    await until('the first GOP is safe', () => bench.acknowledged.length > 0);
    const point = { camera: 'door', captureId: 'boot-1.1', tracks: [{ trackId: 1, through: 9 }] };
    assert.deepEqual(bench.acknowledged, [JSON.stringify(point)]);
    const intake = bench.ingest.intake.get('door');
    assert.deepEqual([intake?.samples, intake?.receivedBytes], [20, 2_000]);
    assert.equal(intake?.lastFrameUs, 1_800_000_000_000_000 + 1_900_000);
    await bench.ingest.close('gone');
    assert.equal(bench.fed.at(-1), 'end door gone');
    assert.match(bench.acknowledged.at(-1) ?? '', /"through":19/);
  });

  test('goes on with another capture under the same numbers', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    bench.mapping();
    for (const captureId of ['boot.0', 'boot.1']) {
      assert.equal(bench.tracks(0, [videoTrack(captureId), audioTrack(captureId)]), undefined);
      for (const sample of gops(2)) assert.equal(bench.sample(0, sample), undefined);
    }
    await bench.ingest.close('gone');
    const range = { fromUs: 0, toUs: 9e15, limit: 9 };
    const segments = await rig.recorder.archive.segments('door', range);
    assert.deepEqual(
      segments.map(({ captureId }) => captureId),
      ['boot.0', 'boot.1'],
    );
  });

  test('closes the link for frames that break the rules', async () => {
    await using rig = await RecorderRig.open();
    const fresh = (): Bench => {
      const bench = new Bench(rig, ['door', 'gate']);
      bench.mapping();
      assert.equal(bench.tracks(0), undefined);
      return bench;
    };
    const key = sampleOf({ sequence: 0, ptsUs: 0, keyframe: true });
    const cases: [RegExp, (bench: Bench) => string | undefined][] = [
      [/not announced/, (bench) => bench.sample(1, key)],
      [/did not join/, (bench) => bench.tracks(4, [videoTrack('b', 'yard')], 'yard')],
      [/did not join/, (bench) => bench.mapping(0, 'yard')],
      [/did not join/, (bench) => bench.gap({ camera: 'yard' })],
      [/of another camera/, (bench) => bench.tracks(4, [videoTrack('b', 'door')], 'gate')],
      [/of two captures/, (bench) => bench.tracks(0, [videoTrack('a'), audioTrack('b')])],
      [/another kind/, (bench) => bench.tracks(0, [{ ...videoTrack(), format: audioTrack().format }])],
      [/already in use/, (bench) => bench.tracks(0, [videoTrack('b', 'gate')], 'gate')],
      [/tracks: none/, (bench) => bench.tracks(0, [])],
      [/tracks: truncated/, (bench) => bench.ingest.frame(frameKinds.tracks, [Buffer.of(0)])],
      [/mapping: truncated/, (bench) => bench.ingest.frame(frameKinds.mapping, [])],
      [/gap: truncated/, (bench) => bench.ingest.frame(frameKinds.gap, [])],
      [/sample: truncated/, (bench) => bench.ingest.frame(frameKinds.sample, [])],
      [/gap: a time out of range/, (bench) => bench.gap({ fromUs: 3, toUs: 2 })],
      [/gap: a time out of range/, (bench) => bench.gap({ fromUs: -1 })],
      [/gap: a time out of range/, (bench) => bench.gap({ toUs: Number.MAX_SAFE_INTEGER })],
      [/sample: a time out of range/, (bench) => bench.sample(0, { ...key, ptsUs: Number.MAX_SAFE_INTEGER })],
      [/sample: a time out of range/, (bench) => bench.sample(0, { ...key, ptsUs: Number.MIN_SAFE_INTEGER })],
      [/sample: a time out of range/, (bench) => bench.sample(0, { ...key, ptsUs: -1_800_000_000_000_001 })],
    ];
    for (const [reason, provoke] of cases) {
      const bench = fresh();
      assert.match(provoke(bench) ?? 'nothing was refused', reason);
      await bench.ingest.close('gone');
    }
    const repeated = [0, 0].map((number) => ({ number, description: videoTrack() }));
    const twice = encode(tracksFrame, { camera: 'door', tracks: repeated });
    const bench = fresh();
    assert.match(bench.ingest.frame(frameKinds.tracks, [twice]) ?? '', /already in use/);
    await bench.ingest.close('gone');
  });

  test('skips kinds of frames that it does not know', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    assert.equal(bench.ingest.frame(9_999, [Buffer.from('new')]), undefined);
  });

  test('stores the gaps it is told', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    assert.equal(bench.gap({ fromUs: 10, toUs: 20 }), undefined);
    const { archive } = rig.recorder;
    let gaps = await archive.gaps('door', { fromUs: 0, toUs: 100 });
    for (let round = 0; round < 1_000 && gaps.length === 0; round++) {
      gaps = await archive.gaps('door', { fromUs: 0, toUs: 100 });
    }
    assert.deepEqual(gaps, [{ camera: 'door', fromUs: 10, toUs: 20, reason: 'camera-off' }]);
    rig.faults.failCommit = true;
    assert.equal(bench.gap({ fromUs: 30, toUs: 40 }), undefined);
    await until('the link is closed', () => bench.closed.length > 0);
    rig.faults.failCommit = false;
  });

  test('holds the camera back while the disk is behind, and lets it go when it has caught up', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    bench.tracks();
    bench.mapping();
    const release = rig.faults.stallSyncs('door');
    const samples = gops(40, 50_000);
    const held = samples.findIndex((sample) => {
      bench.sample(0, sample);
      return bench.paused > 0;
    });
    assert(held > 300 && held < 360, `held at sample ${held}: 16 MiB`);
    for (const sample of samples.slice(held + 1, held + 5)) bench.sample(0, sample);
    assert.deepEqual([bench.paused, bench.resumed], [1, 0], 'once, though more was on its way');
    release();
    await until('it goes on', () => bench.resumed === 1);
    const { intake } = bench.ingest;
    for (const sample of samples.slice(held + 5)) bench.sample(0, sample);
    assert.equal(intake.get('door')?.samples, 400);
    await bench.ingest.close('gone');
    assert.match(bench.acknowledged.at(-1) ?? '', /"through":399/);
  });

  test('frames that nothing can decode never hold a camera back', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    bench.tracks();
    bench.mapping();
    for (const sample of gops(50, 50_000)) bench.sample(0, { ...sample, keyframe: false });
    assert.equal(bench.paused, 0);
  });

  test('closes the link when recording fails, once', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    bench.tracks();
    bench.mapping();
    rig.faults.failing.set('append', 'door');
    for (const sample of gops(3)) bench.sample(0, sample);
    await until('the link is closed', () => bench.closed.length > 0);
    for (const sample of gops(6).slice(30)) bench.sample(0, sample);
    await bench.ingest.close('gone');
    assert.deepEqual(bench.closed.length, 1);
    assert.match(bench.closed[0] ?? '', /recording failed: .*append fails/);
    assert.deepEqual(bench.acknowledged, []);
  });

  test('asks the camera to deliver again when another volume takes over, and shows viewers each sample once', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-ingest-'));
    await using rig = await RecorderRig.open({ folder, volumes: [join(folder, 'one'), join(folder, 'two')] });
    const bench = new Bench(rig);
    bench.tracks();
    bench.mapping();
    const samples = gops(6);
    for (const sample of samples.slice(0, 20)) bench.sample(0, sample);
    await until('the first GOP is safe', () => bench.acknowledged.length > 0);
    rig.faults.failing.set('append', join(folder, 'one'));
    for (const sample of samples.slice(20, 40)) bench.sample(0, sample);
    await until('the camera is asked', () => bench.resends.length > 0);
    assert.deepEqual(bench.resends, [JSON.stringify({ camera: 'door' })]);
    const acknowledged = bench.acknowledged.length;
    for (const sample of samples.slice(40, 45)) bench.sample(0, sample);
    bench.tracks();
    bench.mapping();
    for (const sample of samples.slice(10)) bench.sample(0, sample);
    await bench.ingest.close('gone');
    assert.deepEqual(bench.closed, []);
    assert(bench.acknowledged.length > acknowledged, 'what is delivered again is acknowledged');
    assert.match(bench.acknowledged.at(-1) ?? '', /"through":59/);
    assert.deepEqual(
      bench.fed.filter((word) => word.startsWith('door/')),
      samples.map(({ sequence }) => `door/1/${sequence}`),
    );
    assert.equal(bench.fed.filter((word) => word.startsWith('tracks')).length, 1);
    const found = new Set<number>();
    for (const { name } of await rig.recorder.archive.segments('door', { fromUs: 0, toUs: 9e15, limit: 9 })) {
      for (const { tracks } of (await rig.recorder.archive.detail('door', name))?.fragments ?? []) {
        for (const { firstSequence, count } of tracks) {
          for (let place = 0; place < count; place++) found.add(firstSequence + place);
        }
      }
    }
    assert.equal(found.size, 60);
  });

  test('closes the link when the index refuses, so that the camera goes elsewhere; later it is taken again', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    rig.faults.failCommit = true;
    bench.tracks();
    bench.mapping();
    for (const sample of gops(2)) bench.sample(0, sample);
    await until('the link is closed', () => bench.closed.length === 1);
    assert.match(bench.closed.join(), /recording failed: commit fails/);
    assert.deepEqual([rig.recorder.usable(), rig.recorder.indexProblem()], [false, 'commit fails']);
    await bench.ingest.close('gone');
    rig.faults.failCommit = false;
    rig.clock.advance(5_000);
    await until('it is tried again', () => rig.recorder.usable());
    assert.equal(rig.recorder.indexProblem(), undefined);
  });

  test('tells a camera of its own who is watching', async () => {
    await using rig = await RecorderRig.open();
    const bench = new Bench(rig);
    bench.ingest.setPacing('door', true);
    bench.ingest.setPacing('nobody', true);
    assert.deepEqual(bench.pacing, [JSON.stringify({ camera: 'door', immediate: true })]);
  });

  test('a camera that is named twice in a join is recorded once', async () => {
    await using rig = await RecorderRig.open();
    const recorded: string[] = [];
    const record: typeof rig.recorder.record = (options) => {
      recorded.push(options.camera);
      return rig.recorder.record(options);
    };
    const bench = new Bench({ recorder: { ...rig.recorder, record } }, ['door', 'door']);
    assert.deepEqual(recorded, ['door']);
    bench.tracks();
    bench.mapping();
    for (const sample of gops(2)) bench.sample(0, sample);
    await bench.ingest.close('gone');
    assert.deepEqual(
      bench.fed.filter((word) => word.startsWith('end')),
      ['end door gone'],
    );
    assert.equal(
      (await rig.recorder.archive.segments('door', { fromUs: 0, toUs: 9e15, limit: 9 })).length,
      1,
    );
  });
});
