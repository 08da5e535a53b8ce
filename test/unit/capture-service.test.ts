/** One camera kept capturing: restarts, gaps, the watchdog, and what is told. Virtual time, a scripted process. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { CaptureService, type CaptureState } from '../../firmware/capture/capture-service.ts';
import { type CapturedSample, Outbox, type OutboxItem } from '../../firmware/capture/outbox.ts';
import type { CameraConfig } from '../../firmware/config/unit-config.ts';
import { CaptureScript, type Reel, videoReel } from '../support/scripted-capture.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const camera: CameraConfig = {
  id: 'door',
  source: { kind: 'v4l2', device: '/dev/video0' },
  width: 160,
  height: 120,
  frameRate: 30,
  bitrateKbps: 500,
  keyframeIntervalMs: 1_000,
  audio: false,
};

let reel: Reel;
before(async () => {
  reel = await videoReel();
});

/** A clock whose UTC can be set, as by NTP. */
class SettableClock extends VirtualClock {
  stepMs = 0;

  override utcMs(): number {
    return super.utcMs() + this.stepMs;
  }
}

class Bench {
  readonly clock = new SettableClock();
  readonly script = new CaptureScript();
  readonly outbox = new Outbox({ bytesMax: 10_000_000, secondsMax: 600 });
  readonly states: CaptureState[] = [];
  readonly service: CaptureService;
  samples = 0;

  constructor() {
    this.service = new CaptureService({
      camera,
      hue: 0,
      bootId: 'boot',
      outbox: this.outbox,
      clock: this.clock,
      start: this.script.start,
      onSample: () => {
        this.samples += 1;
      },
      onState: (state) => this.states.push(state),
    });
    this.service.open();
  }

  /** The pipeline of the last process plays, and shows so many frames at once. */
  flow(frames = 1): void {
    const nowUs = this.clock.monotonicMs() * 1_000;
    this.script.last.play(nowUs, nowUs);
    this.script.last.data('video', reel.head);
    this.frames(0, frames);
  }

  frames(from: number, to: number): void {
    for (const buffer of reel.buffers.slice(from, to)) this.script.last.data('video', buffer);
  }

  items(): OutboxItem[] {
    const items: OutboxItem[] = [];
    for (let at = 0; ; at++) {
      const next = this.outbox.read(at);
      if (next === undefined) return items;
      items.push(next.item);
    }
  }

  sampled(): CapturedSample[] {
    return this.items().filter((item) => item.type === 'sample');
  }

  /** Virtual ms until the next process starts. */
  async waitForStart(maxMs = 60_000): Promise<number> {
    const count = this.script.runs.length;
    for (let waited = 0; waited <= maxMs; waited += 10) {
      await Promise.resolve();
      if (this.script.runs.length > count) return waited;
      this.clock.advance(10);
    }
    return assert.fail('no new process');
  }

  told(): string[] {
    return this.states.map((state) => (state.is === 'failed' ? state.failure.message : state.is));
  }
}

describe('a capture service', () => {
  test('puts what the process delivers into the outbox, numbered, on the unit’s clock', () => {
    const bench = new Bench();
    bench.clock.advance(2_000);
    bench.flow(12);
    const samples = bench.sampled();
    assert.deepEqual(
      samples.map(({ sample }) => sample.sequence),
      Array.from({ length: 12 }, (_, place) => place),
    );
    assert.deepEqual(
      samples.map(({ sample }) => sample.keyframe),
      samples.map((_, place) => place % 10 === 0),
    );
    assert.equal(samples[0]?.sample.ptsUs, 2_000_000);
    assert.equal(samples[3]?.sample.ptsUs, 2_100_000);
    assert.equal(samples[0]?.mapping.offsetUs, (bench.clock.utcMs() - bench.clock.monotonicMs()) * 1_000);
    assert.equal(samples[0]?.capture.captureId, 'boot.0');
    assert.equal(bench.samples, 12);
    assert.deepEqual(bench.told(), ['flowing']);
  });

  test('starts anew as a capture of its own, with sequences from 0, and explains the time between', async () => {
    const bench = new Bench();
    bench.flow(3);
    bench.script.last.exit('SIGSEGV');
    await bench.waitForStart();
    bench.clock.advance(700);
    bench.flow(2);
    const items = bench.items();
    const gap = items[3];
    assert(gap?.type === 'gap');
    const [, , last, , first] = items;
    assert(last?.type === 'sample' && first?.type === 'sample');
    const endUs = last.sample.ptsUs + last.sample.durationUs + last.mapping.offsetUs;
    assert.deepEqual(gap, {
      type: 'gap',
      reason: 'capture-restarted',
      fromUs: endUs,
      toUs: first.sample.ptsUs + first.mapping.offsetUs,
    });
    assert.deepEqual([first.capture.captureId, first.sample.sequence], ['boot.1', 0]);
    assert(gap.toUs - gap.fromUs > 700_000 && gap.toUs - gap.fromUs < 1_100_000);
  });

  test('explains one gap over several starts that showed nothing', async () => {
    const bench = new Bench();
    bench.flow(3);
    for (let round = 0; round < 3; round++) {
      bench.script.last.exit('exit code 1');
      await bench.waitForStart();
    }
    bench.flow(1);
    const gaps = bench.items().filter(({ type }) => type === 'gap');
    assert.equal(gaps.length, 1);
    assert.equal(bench.sampled().at(-1)?.capture.captureId, 'boot.3');
  });

  test('tells no gap of the time before its first frame', async () => {
    const bench = new Bench();
    bench.script.last.exit('exit code 1');
    await bench.waitForStart();
    bench.flow(1);
    assert.deepEqual(
      bench.items().map(({ type }) => type),
      ['sample'],
    );
  });

  test('a gap while which the clock was set is as long as it was', async () => {
    const bench = new Bench();
    bench.flow(1);
    bench.script.last.exit('SIGKILL');
    bench.clock.stepMs = 56 * 365 * 86_400_000;
    await bench.waitForStart();
    bench.flow(1);
    const gap = bench.items().find((item) => item.type === 'gap');
    assert(gap !== undefined && gap.toUs - gap.fromUs < 1_000_000, 'not half a century');
  });

  test('backs off from 0.2 s to 30 s, and from the start again once frames have flowed', async () => {
    const bench = new Bench();
    const waits: number[] = [];
    for (let round = 0; round < 10; round++) {
      bench.script.last.exit('exit code 1');
      waits.push(await bench.waitForStart());
    }
    assert.deepEqual(waits, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    bench.flow(1);
    bench.script.last.exit('exit code 1');
    assert.equal(await bench.waitForStart(), 200);
  });

  test('a process that shows no frame for 5 s is killed, from its start on and from its last frame', async () => {
    const bench = new Bench();
    bench.clock.advance(4_990);
    assert(!bench.script.last.killed);
    bench.clock.advance(10);
    assert(bench.script.last.killed);
    await bench.waitForStart();
    bench.flow(1);
    bench.clock.advance(4_000);
    bench.frames(1, 2);
    bench.clock.advance(4_990);
    assert(!bench.script.last.killed, 'the last frame counts');
    bench.clock.advance(20);
    assert(bench.script.last.killed, 'and nothing is added to it');
    assert.match(bench.told().join(), /no frame for 5 s.*flowing/);
  });

  test('a frame that comes after its process was given up changes nothing', async () => {
    const bench = new Bench();
    bench.script.last.data('video', reel.head);
    bench.clock.advance(5_000);
    bench.frames(0, 1);
    assert.deepEqual([bench.samples, bench.told()], [0, []]);
    await bench.waitForStart();
    assert.match(bench.told().join(), /no frame for 5 s/);
  });

  test('a frame of the process before does not give the next one more time', async () => {
    const bench = new Bench();
    bench.flow(1);
    bench.script.last.exit('exit code 1');
    await bench.waitForStart();
    bench.clock.advance(5_000);
    assert(bench.script.last.killed);
  });

  test('an error is told with the camera and its source, and again when it is another or after frames', async () => {
    const bench = new Bench();
    bench.script.last.fail('no such device');
    await bench.waitForStart();
    bench.script.last.fail('permission denied');
    await bench.waitForStart();
    bench.flow(1);
    bench.script.last.fail('permission denied');
    assert.deepEqual(bench.told(), [
      'camera door, source /dev/video0: no such device',
      'camera door, source /dev/video0: permission denied',
      'flowing',
      'camera door, source /dev/video0: permission denied',
    ]);
    const [first] = bench.states;
    assert(first?.is === 'failed');
    assert.equal(first.failure.code, 'SOURCE_FAILED');
    assert.match(first.failure.advice, /trying again in 0\.2 s/);
  });

  test('the same error is told again only while the next try moves further away', async () => {
    const bench = new Bench();
    for (let round = 0; round < 20; round++) {
      bench.script.last.fail('no such device');
      await bench.waitForStart();
    }
    const advice = bench.states.map((state) => (state.is === 'failed' ? state.failure.advice : ''));
    const waits = advice.map((text) => /in ([\d.]+) s/.exec(text)?.[1]);
    assert.deepEqual(waits, ['0.2', '0.4', '0.8', '1.6', '3.2', '6.4', '12.8', '25.6', '30.0']);
  });

  test('a process that ends without a word is an error that says how', () => {
    const bench = new Bench();
    bench.script.last.exit('SIGSEGV');
    assert.deepEqual(bench.told(), ['camera door, source /dev/video0: the capture process ended (SIGSEGV)']);
  });

  test('the end of a file is no error, told once however often it comes without a frame, and backs off', async () => {
    const bench = new Bench();
    bench.flow(2);
    bench.script.last.end();
    assert.deepEqual(bench.told(), ['flowing', 'ended']);
    const waits: number[] = [];
    for (let round = 0; round < 3; round++) {
      waits.push(await bench.waitForStart());
      bench.script.last.end();
    }
    assert.deepEqual(waits, [200, 400, 800]);
    assert.deepEqual(bench.told(), ['flowing', 'ended']);
    await bench.waitForStart();
    bench.flow(1);
    assert.deepEqual(bench.told(), ['flowing', 'ended', 'flowing']);
  });

  test('a stream that is no GDP ends the process, and nothing after it counts', async () => {
    const bench = new Bench();
    bench.flow(1);
    bench.script.last.data('video', Buffer.alloc(100, 0xff));
    assert(bench.script.last.killed);
    bench.script.last.data('video', reel.buffers[1] ?? Buffer.alloc(0));
    assert.equal(bench.samples, 1);
    await bench.waitForStart();
    assert.match(bench.told().at(-1) ?? '', /GDP/);
  });

  test('takes a new clock mapping when the machine’s clock was set, and keeps the old one through jitter', () => {
    const bench = new Bench();
    bench.flow(1);
    const offsets = (): number[] => [...new Set(bench.sampled().map(({ mapping }) => mapping.offsetUs))];
    bench.clock.stepMs = 3;
    bench.clock.advance(4_999);
    bench.frames(1, 2);
    bench.clock.advance(4_999);
    bench.frames(2, 3);
    assert.equal(offsets().length, 1);
    bench.clock.stepMs = 60_000;
    bench.clock.advance(4_999);
    bench.frames(3, 4);
    bench.clock.advance(2);
    bench.frames(4, 5);
    assert.equal(offsets().length, 2);
    const [before = 0, after = 0] = offsets();
    assert.equal(after - before, 60_000_000);
  });

  test('ends its process when it is closed, waits for that, and starts no other', async () => {
    const bench = new Bench();
    bench.flow(1);
    await bench.service[Symbol.asyncDispose]();
    assert(bench.script.last.killed);
    assert.equal(bench.service.pid, undefined);
    bench.clock.advance(60_000);
    assert.equal(bench.script.runs.length, 1);
    assert.equal(bench.clock.pending, 0);
    assert.deepEqual(bench.told(), ['flowing'], 'being closed is no trouble');
  });

  test('is closed at once between two processes', async () => {
    const bench = new Bench();
    bench.script.last.exit('exit code 1');
    await bench.service[Symbol.asyncDispose]();
    bench.clock.advance(60_000);
    assert.equal(bench.script.runs.length, 1);
    assert.equal(bench.clock.pending, 0);
  });

  test('runs the plan of its camera', () => {
    const { plan } = new Bench().script.last;
    assert.deepEqual(plan.properties, [{ element: 'source', property: 'device', value: '/dev/video0' }]);
  });
});
