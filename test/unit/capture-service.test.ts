/** One camera kept capturing: restarts, gaps, the watchdog, and what is told. Virtual time, a scripted process. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { CaptureBench } from '../support/capture-bench.ts';
import { type Reel, videoReel } from '../support/scripted-capture.ts';

let reel: Reel;
before(async () => {
  reel = await videoReel();
});

describe('a capture service', () => {
  test('puts what the process delivers into the outbox, numbered, on the unit’s clock', () => {
    const bench = new CaptureBench(reel);
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
    const bench = new CaptureBench(reel);
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
    const bench = new CaptureBench(reel);
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
    const bench = new CaptureBench(reel);
    bench.script.last.exit('exit code 1');
    await bench.waitForStart();
    bench.flow(1);
    assert.deepEqual(
      bench.items().map(({ type }) => type),
      ['sample'],
    );
  });

  test('a gap while which the clock was set is as long as it was', async () => {
    const bench = new CaptureBench(reel);
    bench.flow(1);
    bench.script.last.exit('SIGKILL');
    bench.clock.stepMs = 56 * 365 * 86_400_000;
    await bench.waitForStart();
    bench.flow(1);
    const gap = bench.items().find((item) => item.type === 'gap');
    assert(gap !== undefined && gap.toUs - gap.fromUs < 1_000_000, 'not half a century');
  });

  test('backs off from 0.2 s to 30 s, and from the start again once frames have flowed', async () => {
    const bench = new CaptureBench(reel);
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

  test('an IP camera may take 20 s to show its first frame, and 5 s for each one after that', async () => {
    const bench = new CaptureBench(reel, { source: { kind: 'rtsp', url: 'rtsp://10.0.0.5/live' } });
    bench.clock.advance(19_990);
    assert(!bench.script.last.killed, 'it connects');
    bench.clock.advance(10);
    assert(bench.script.last.killed, 'it does not');
    await bench.waitForStart();
    bench.clock.advance(15_000);
    bench.flow(1);
    bench.clock.advance(4_980);
    assert(!bench.script.last.killed, 'a frame came');
    bench.clock.advance(40);
    assert(bench.script.last.killed, 'no further one came');
    assert.match(bench.told().join(), /no frame for 20 s.*flowing/);
  });

  test('a microphone that fails takes no picture away: at once without it, and with it again a minute later', async () => {
    const source = { kind: 'v4l2', device: '/dev/video0' } as const;
    const bench = new CaptureBench(reel, { source, microphone: 'hw:9' });
    assert.deepEqual(bench.script.last.plan.sinks, ['video', 'audio']);
    bench.script.last.fail('no such device', 'sound');
    assert((await bench.waitForStart()) <= 10, 'at once');
    assert.deepEqual(bench.script.last.plan.sinks, ['video']);
    bench.flow(1);
    assert.match(bench.told().join(), /microphone: no such device.*flowing/);
    bench.script.last.exit('SIGSEGV');
    await bench.waitForStart();
    assert.deepEqual(bench.script.last.plan.sinks, ['video'], 'not yet again');
    bench.clock.advance(4_000);
    for (let second = 4; second < 60; second += 4) {
      bench.flow(1);
      bench.clock.advance(4_000);
    }
    bench.script.last.exit('SIGSEGV');
    await bench.waitForStart();
    assert.deepEqual(bench.script.last.plan.sinks, ['video', 'audio']);
  });

  test('an IP camera that hangs up is told as that, and a password is in no word about it', async () => {
    const url = 'rtsp://10.0.0.5/live';
    const bench = new CaptureBench(reel, {
      source: { kind: 'rtsp', url, user: 'admin', password: 'hunter2' },
    });
    bench.flow(1);
    bench.script.last.end();
    await bench.waitForStart();
    const told = bench.told().join();
    assert.match(told, /rtsp:\/\/10\.0\.0\.5\/live: the camera ended the connection/);
    const all = JSON.stringify(bench.states);
    assert.match(all, /Check the address, user and password/);
    assert(!all.includes('hunter2') && !all.includes('admin'), all);
  });

  test('a process that shows no first frame for 30 s, or no further one for 5 s, is killed', async () => {
    const bench = new CaptureBench(reel);
    bench.clock.advance(29_990);
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
    assert.match(bench.told().join(), /no frame for 30 s.*flowing/);
  });

  test('a frame that comes after its process was given up changes nothing', async () => {
    const bench = new CaptureBench(reel);
    bench.script.last.data('video', reel.head);
    bench.clock.advance(30_000);
    bench.frames(0, 1);
    assert.deepEqual([bench.samples, bench.told()], [0, []]);
    await bench.waitForStart();
    assert.match(bench.told().join(), /no frame for 30 s/);
  });

  test('a frame of the process before does not give the next one more time', async () => {
    const bench = new CaptureBench(reel);
    bench.flow(1);
    bench.script.last.exit('exit code 1');
    await bench.waitForStart();
    bench.clock.advance(30_000);
    assert(bench.script.last.killed);
  });

  test('an error is told with the camera and its source, and again when it is another or after frames', async () => {
    const bench = new CaptureBench(reel);
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
    const bench = new CaptureBench(reel);
    for (let round = 0; round < 20; round++) {
      bench.script.last.fail('no such device');
      await bench.waitForStart();
    }
    const advice = bench.states.map((state) => (state.is === 'failed' ? state.failure.advice : ''));
    const waits = advice.map((text) => /in ([\d.]+) s/.exec(text)?.[1]);
    assert.deepEqual(waits, ['0.2', '0.4', '0.8', '1.6', '3.2', '6.4', '12.8', '25.6', '30.0']);
  });

  test('a process that ends without a word is an error that says how', () => {
    const bench = new CaptureBench(reel);
    bench.script.last.exit('SIGSEGV');
    assert.deepEqual(bench.told(), ['camera door, source /dev/video0: the capture process ended (SIGSEGV)']);
  });

  test('the end of a file is no error, told once however often it comes without a frame, and backs off', async () => {
    const bench = new CaptureBench(reel);
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
    const bench = new CaptureBench(reel);
    bench.flow(1);
    bench.script.last.data('video', Buffer.alloc(100, 0xff));
    assert(bench.script.last.killed);
    bench.script.last.data('video', reel.buffers[1] ?? Buffer.alloc(0));
    assert.equal(bench.samples, 1);
    await bench.waitForStart();
    assert.match(bench.told().at(-1) ?? '', /GDP/);
  });

  test('ends its process when it is closed, waits for that, and starts no other', async () => {
    const bench = new CaptureBench(reel);
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
    const bench = new CaptureBench(reel);
    bench.script.last.exit('exit code 1');
    await bench.service[Symbol.asyncDispose]();
    bench.clock.advance(60_000);
    assert.equal(bench.script.runs.length, 1);
    assert.equal(bench.clock.pending, 0);
  });

  test('runs the plan of its camera', () => {
    const { plan } = new CaptureBench(reel).script.last;
    assert.deepEqual(plan.properties, [
      { element: 'source', property: 'device', value: '/dev/video0', readable: true },
    ]);
  });
});
