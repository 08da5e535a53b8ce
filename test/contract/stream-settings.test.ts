/** What a real pipeline does when its settings change while it runs: test pictures, and a file in place of a camera. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CaptureStream } from '../../firmware/capture/capture-stream.ts';
import { isLive, planPipeline } from '../../firmware/capture/pipeline-plan.ts';
import type { SourceSpec } from '../../firmware/config/source-spec.ts';
import { captureStarter } from '../../firmware/io/capture-child.ts';
import type { Sample } from '../../firmware/media/sample.ts';
import type { StreamSettings } from '../../firmware/media/stream-settings.ts';
import { run } from '../support/gst.ts';
import { until } from '../support/recorder-rig.ts';

const planned: StreamSettings = { bitrateKbps: 600, frameRate: 20, keyframeIntervalMs: 1_000 };
const size = { width: 320, height: 240, audio: false };

/** A camera that runs, and its samples. */
class Running implements Disposable {
  readonly samples: Sample[] = [];
  readonly complaints: string[] = [];
  private readonly process: ReturnType<ReturnType<typeof captureStarter>>;

  constructor(program: string, source: SourceSpec) {
    const plan = planPipeline({ id: 'door', source, ...size, ...planned }, { hue: 0 });
    const stream = new CaptureStream(plan, 'door', 'boot.0');
    this.process = captureStarter(program)(plan, {
      data: (kind, bytes) => {
        const pushed = stream.push(kind, bytes, 0);
        if (pushed.ok) this.samples.push(...pushed.value.map(({ sample }) => sample));
        else this.complaints.push(pushed.reason);
      },
      playing: (fromUs, toUs) => stream.playing(fromUs, toUs),
      failed: (reason) => this.complaints.push(reason),
      ended: () => this.complaints.push('ended'),
      exited: () => undefined,
    });
  }

  /** Goes over to settings; what was on its way still comes, and the rate control needs a while. */
  async adjust(settings: StreamSettings): Promise<void> {
    this.process.adjust(settings);
    await this.next(1);
  }

  /** The samples of so many seconds from now on. */
  async next(seconds: number): Promise<Sample[]> {
    const first = this.samples.length;
    const fromUs = this.samples.at(-1)?.ptsUs ?? 0;
    const isThere = (): boolean => (this.samples.at(-1)?.ptsUs ?? 0) >= fromUs + seconds * 1_000_000;
    await until(`${seconds} s of pictures`, () => first < this.samples.length && isThere());
    return this.samples.slice(first);
  }

  [Symbol.dispose](): void {
    this.process.kill();
  }
}

function kbpsOf(samples: readonly Sample[]): number {
  const bytes = samples.slice(1).reduce((sum, sample) => sum + sample.bytes, 0);
  const us = (samples.at(-1)?.ptsUs ?? 0) - (samples[0]?.ptsUs ?? 0);
  return (bytes * 8_000) / us;
}

function distancesMs(samples: readonly Sample[]): number[] {
  return samples.slice(1).map(({ ptsUs }, place) => (ptsUs - (samples[place]?.ptsUs ?? 0)) / 1000);
}

const keyframesOf = (samples: readonly Sample[]): Sample[] => samples.filter(({ keyframe }) => keyframe);

describe('settings that change while a pipeline runs', () => {
  const program = join(import.meta.dirname, '..', '..', 'dist', 'starling.mjs');
  let folder = '';
  let file = '';

  before(async () => {
    assert(existsSync(program), 'build the program first: npm run build');
    folder = await mkdtemp(join(tmpdir(), 'starling-stream-'));
    file = join(folder, 'noise.mp4');
    const make =
      'videotestsrc pattern=snow num-buffers=800 ! video/x-raw,width=320,height=240,framerate=20/1 ! ' +
      'x264enc speed-preset=ultrafast bitrate=4000 ! mp4mux ! filesink';
    const { code, stderr } = await run('gst-launch-1.0', ['-q', ...make.split(' '), `location=${file}`]);
    assert.equal(code, 0, stderr);
  });
  after(() => rm(folder, { recursive: true }));

  for (const kind of ['test', 'file'] as const) {
    test(`show in bytes, picture times and keyframes, without a break in the sequence: ${kind}`, async () => {
      using camera = new Running(program, kind === 'test' ? { kind } : { kind, path: file });
      await camera.next(1);
      const rates: number[] = [kbpsOf(await camera.next(2))];
      await camera.adjust({ ...planned, bitrateKbps: 150 });
      rates.push(kbpsOf(await camera.next(2)));
      const [high = 0, low = 0] = rates;
      console.log(`${kind}: ${high.toFixed(0)} kbit/s, then ${low.toFixed(0)}`);
      assert(low < high * 0.6, `${high} kbit/s, then ${low}`);
      if (kind === 'file') assert(high > 450 && high < 900 && low < 250, 'noise takes all it is given');

      const fewer = { bitrateKbps: 400, frameRate: 5, keyframeIntervalMs: 1_000 };
      assert(isLive({ name: 'x264enc', bitrateKbps: 600, frameRate: 20, keyframeFrames: 20 }, fewer));
      await camera.adjust(fewer);
      const slow = await camera.next(4);
      for (const ms of distancesMs(slow)) assert(Math.abs(ms - 200) <= 51, `${ms} ms between pictures`);
      for (const ms of distancesMs(keyframesOf(slow))) assert(ms <= 1_401, `${ms} ms between keyframes`);
      assert(keyframesOf(slow).length >= 3, `${keyframesOf(slow).length} keyframes in 4 s`);
      if (kind === 'file') assert(kbpsOf(slow) > 250, `${kbpsOf(slow)} kbit/s of 5 pictures: each gets more`);

      await camera.adjust(planned);
      for (const ms of distancesMs(await camera.next(2))) assert(Math.abs(ms - 50) <= 26, `${ms} ms`);
      assert.deepEqual(
        camera.samples.map(({ sequence }) => sequence),
        camera.samples.map((_, place) => place),
      );
      assert.deepEqual(camera.complaints, []);
    });
  }
});

test('what the encoder fixes when it begins is not changed while it runs', () => {
  const encoder = { name: 'x264enc', bitrateKbps: 500, frameRate: 25, keyframeFrames: 25 } as const;
  const now = { bitrateKbps: 500, frameRate: 25, keyframeIntervalMs: 1_000 };
  const live = (change: Partial<StreamSettings>): boolean => isLive(encoder, { ...now, ...change });
  assert.deepEqual(
    [live({}), live({ bitrateKbps: 20_000 }), live({ frameRate: 1 }), live({ keyframeIntervalMs: 250 })],
    [true, true, true, true],
  );
  assert.deepEqual([live({ frameRate: 26 }), live({ keyframeIntervalMs: 2_000 })], [false, false]);
  assert.equal(live({ frameRate: 5, keyframeIntervalMs: 5_000 }), true, 'as many frames as it was made for');
});
