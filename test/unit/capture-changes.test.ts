/** A capture while the time is learnt or set, and while its settings are changed. Virtual time, a scripted process. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { unknownUs } from '../../firmware/capture/utc-mapping.ts';
import { CaptureBench, to1970Ms } from '../support/capture-bench.ts';
import { type Reel, videoReel } from '../support/scripted-capture.ts';

let reel: Reel;
before(async () => {
  reel = await videoReel();
});

describe('a capture service', () => {
  test('its samples do not go back in time while a manager’s clock draws it back', () => {
    const bench = new CaptureBench(reel);
    bench.flow(1);
    for (let frame = 1; frame < 30; frame++) {
      bench.clock.advance(4_000);
      const utcUs = (bench.clock.utcMs() - 400) * 1_000;
      bench.utc.timed({ server: 'ss-1', utcUs, atMs: bench.clock.monotonicMs(), uncertaintyMs: 1 });
      bench.frames(frame, frame + 1);
    }
    const samples = bench.sampled();
    const utc = samples.map(({ sample, mapping }) => sample.ptsUs + mapping.offsetUs);
    assert.deepEqual(
      utc,
      utc.toSorted((a, b) => a - b),
    );
    const offsets = new Set(samples.map(({ mapping }) => mapping.offsetUs));
    assert(offsets.size > 20, `${offsets.size} mappings on the way`);
  });

  test('dates what it captured before anybody knew the time as soon as somebody does', () => {
    const bench = new CaptureBench(reel, { stepMs: to1970Ms });
    bench.clock.advance(1_000);
    bench.flow(3);
    assert.equal(bench.sampled()[0]?.mapping.uncertaintyUs, unknownUs);
    const utcUs = (bench.clock.utcMs() - to1970Ms) * 1_000;
    bench.utc.timed({ server: 'ss-1', utcUs, atMs: bench.clock.monotonicMs(), uncertaintyMs: 2 });
    bench.service.clockHeard();
    bench.frames(3, 6);
    const offsets = new Set(bench.sampled().map(({ mapping }) => mapping.offsetUs));
    assert.deepEqual([...offsets], [-to1970Ms * 1_000]);
    assert(bench.sampled().every(({ mapping }) => mapping.uncertaintyUs < 100_000));
  });

  test('tells the time since the run before as one in which the camera was off', () => {
    const startUs = -to1970Ms * 1_000;
    const bench = new CaptureBench(reel, { offSinceUs: startUs - 7_000_000 });
    bench.clock.advance(1_000);
    bench.flow(12);
    const [gap, first] = bench.items();
    assert(first?.type === 'sample');
    const toUs = first.sample.ptsUs + first.mapping.offsetUs;
    assert.deepEqual(gap, { type: 'gap', fromUs: startUs - 7_000_000, toUs, reason: 'camera-off' });
    assert.equal(bench.items().filter(({ type }) => type === 'gap').length, 1, 'once');
  });

  test('tells that the camera was off when it knows the time, before the next keyframe, and not of a time to come', () => {
    const startUs = -to1970Ms * 1_000;
    const bench = new CaptureBench(reel, { stepMs: to1970Ms, offSinceUs: startUs - 7_000_000 });
    bench.flow(5);
    assert(bench.items().every(({ type }) => type === 'sample'));
    bench.clock.stepMs = 0;
    bench.clock.advance(1_000);
    bench.frames(5, 12);
    const place = bench.items().findIndex(({ type }) => type === 'gap');
    const gap = bench.items()[place];
    assert(gap?.type === 'gap' && gap.reason === 'camera-off' && gap.toUs === startUs);
    const next = bench.items()[place + 1];
    assert(next?.type === 'sample' && next.sample.keyframe);
    const early = new CaptureBench(reel, { offSinceUs: startUs + 3_600_000_000 });
    early.flow(1);
    assert.equal(early.items().length, 1);
  });

  test('passes settings on to the process that can take them, and restarts it at once for others', async () => {
    const bench = new CaptureBench(reel);
    bench.flow(3);
    const fewer = { bitrateKbps: 300, frameRate: 10, keyframeIntervalMs: 1_000 };
    assert.deepEqual(bench.service.setStream(fewer), { restarted: false });
    assert.deepEqual(bench.script.last.adjusted, [fewer]);
    assert.deepEqual(bench.service.stream, fewer);
    assert.deepEqual(bench.service.setStream(fewer), { restarted: false }, 'no news');
    assert.equal(bench.script.last.adjusted.length, 1);

    const more = { ...fewer, frameRate: 40 };
    assert.deepEqual(bench.service.setStream(more), { restarted: true });
    assert(bench.script.last.killed);
    assert((await bench.waitForStart()) <= 10);
    assert.match(bench.script.last.plan.launch, /bitrate=300 key-int-max=40 /);
    bench.clock.advance(1_000);
    bench.flow(1);
    assert.deepEqual(bench.told(), ['flowing'], 'it is no trouble');
    const gaps = bench.items().filter((item) => item.type === 'gap');
    assert.deepEqual(
      gaps.map(({ reason }) => reason),
      ['capture-restarted'],
    );
  });

  test('starts with the settings that were made while nothing ran', async () => {
    const bench = new CaptureBench(reel);
    bench.script.last.exit('exit code 1');
    const settings = { bitrateKbps: 900, frameRate: 50, keyframeIntervalMs: 2_000 };
    assert.deepEqual(bench.service.setStream(settings), { restarted: true });
    await bench.waitForStart();
    assert.match(bench.script.last.plan.launch, /bitrate=900 key-int-max=100 /);
  });

  test('looks where its camera was turned to, also when it starts again', async () => {
    const position = { pan: 5, tilt: 0, zoom: 1 };
    const bench = new CaptureBench(reel, { aim: { position, fieldOfView: 60 } });
    assert.deepEqual(bench.script.last.plan.testPicture?.position, position);
    bench.service.aim({ ...position, pan: 9 });
    assert.deepEqual(bench.script.last.aimed, [{ ...position, pan: 9 }]);
    bench.script.last.exit('exit code 1');
    bench.service.aim({ ...position, pan: 12 });
    await bench.waitForStart();
    const { testPicture } = bench.script.last.plan;
    assert.deepEqual([testPicture?.position?.pan, testPicture?.fieldOfView], [12, 60]);
  });

  test('takes a new clock mapping when the machine’s clock was set, and keeps the old one through jitter', () => {
    const bench = new CaptureBench(reel);
    bench.flow(1);
    const offsets = (): number[] => [...new Set(bench.sampled().map(({ mapping }) => mapping.offsetUs))];
    bench.clock.stepMs = 1;
    bench.clock.advance(4_000);
    bench.frames(1, 2);
    assert.equal(offsets().length, 1);
    bench.clock.stepMs = 60_000;
    bench.clock.advance(499);
    bench.frames(2, 3);
    bench.clock.advance(2);
    bench.frames(3, 10);
    assert.equal(offsets().length, 1, 'a GOP has one date');
    bench.frames(10, 11);
    assert.equal(offsets().length, 2);
    const [before = 0, after = 0] = offsets();
    assert.equal(after - before, 60_000_000);
  });
});
