/** Digital zoom in a pipeline that runs: what is shown changes, the stream does not. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Result } from '../../firmware/base/result.ts';
import { CaptureStream, type StreamedSample } from '../../firmware/capture/capture-stream.ts';
import { type CapturedCamera, planPipeline } from '../../firmware/capture/pipeline-plan.ts';
import { captureStarter } from '../../firmware/io/capture-child.ts';
import { parameterSets, toByteStream } from '../../firmware/media/annex-b.ts';
import type { Position } from '../../firmware/ptz/position.ts';
import { run } from '../support/gst.ts';
import { bundle, until } from '../support/network.ts';

const size = { width: 320, height: 240 };
const everything: Position = { pan: 0, tilt: 0, zoom: 1 };

/** Colour bars, bright on the left and dark on the right, as a camera with digital zoom. */
class Bars implements Disposable {
  readonly samples: StreamedSample[] = [];
  readonly complaints: string[] = [];
  private readonly process: ReturnType<ReturnType<typeof captureStarter>>;

  constructor(path: string, position: Position) {
    const settings = { frameRate: 20, bitrateKbps: 2_000, keyframeIntervalMs: 500, audio: false };
    const camera: CapturedCamera = { id: 'door', source: { kind: 'file', path }, ...size, ...settings };
    const plan = planPipeline(camera, { hue: 0, aim: { position, fieldOfView: 60, digital: 'all' } });
    const stream = new CaptureStream(plan, 'door', 'boot.0');
    this.process = captureStarter(bundle)(plan, {
      data: (kind, bytes) => {
        const pushed = stream.push(kind, bytes, 0);
        if (pushed.ok) this.samples.push(...pushed.value);
        else this.complaints.push(pushed.reason);
      },
      playing: (fromUs, toUs) => stream.playing(fromUs, toUs),
      failed: (reason) => this.complaints.push(reason),
      ended: () => this.complaints.push('ended'),
      exited: () => undefined,
    });
  }

  aim(position: Position): void {
    this.process.aim(position);
  }

  /** Looks there, and waits until the pictures that were on their way have come. */
  async look(position: Position): Promise<void> {
    this.process.aim(position);
    await this.more(30);
  }

  async more(count: number): Promise<void> {
    const before = this.samples.length;
    await until(
      `${count} pictures`,
      () => this.samples.length >= before + count || this.complaints.length > 0,
    );
    assert.deepEqual(this.complaints, []);
  }

  /** Mean brightness of the last picture's upper half: at its left and its right end. */
  async lastPicture(): Promise<{ left: number; right: number }> {
    const format = this.samples[0]?.capture.tracks[0]?.format;
    assert(format !== undefined, 'a track');
    const units = [valueOf(parameterSets(format.config))];
    for (const { sample } of this.samples) units.push(valueOf(toByteStream(sample.payload)));
    const args = ['-v', 'error', '-f', 'h264', '-i', '-', '-f', 'rawvideo', '-pix_fmt', 'gray', '-'];
    const { stdout } = await run('ffmpeg', args, Buffer.concat(units));
    const { width, height } = size;
    assert.equal(stdout.length % (width * height), 0, 'every picture is as large as the first');
    const picture = stdout.subarray(-width * height);
    const mean = (from: number): number => {
      let sum = 0;
      for (let y = 0; y < height / 2; y++)
        for (let x = from; x < from + 20; x++) sum += picture[y * width + x] ?? 0;
      return sum / (20 * (height / 2));
    };
    return { left: mean(4), right: mean(width - 24) };
  }

  [Symbol.dispose](): void {
    this.process.kill();
  }
}

function valueOf<T>(result: Result<T>): T {
  assert(result.ok, result.ok ? '' : result.reason);
  return result.value;
}

describe('digital zoom', () => {
  let folder = '';
  let file = '';
  before(async () => {
    assert(existsSync(bundle), 'build the program first: npm run build');
    folder = await mkdtemp(join(tmpdir(), 'starling-zoom-'));
    file = join(folder, 'bars.mp4');
    const make =
      'videotestsrc pattern=smpte num-buffers=1200 ! video/x-raw,format=I420,width=320,height=240,framerate=20/1 ! ' +
      'x264enc speed-preset=ultrafast bitrate=1000 ! mp4mux ! filesink';
    const { code, stderr } = await run('gst-launch-1.0', ['-q', ...make.split(' '), `location=${file}`]);
    assert.equal(code, 0, stderr);
  });
  after(() => rm(folder, { recursive: true }));

  test('shows a part of the picture, another one, and all of it again, in one stream of one size', async () => {
    using bars = new Bars(file, everything);
    await bars.more(20);
    const all = await bars.lastPicture();
    assert(all.left > 150 && all.right < 80, `bright left, dark right: ${JSON.stringify(all)}`);

    await bars.look({ pan: -22.5, tilt: 10, zoom: 7 });
    const left = await bars.lastPicture();
    assert(left.left > 150 && left.right > 150, `bright all over: ${JSON.stringify(left)}`);

    await bars.look({ pan: 30, tilt: 10, zoom: 7 });
    const right = await bars.lastPicture();
    assert(right.left < 80 && right.right < 80, `dark all over: ${JSON.stringify(right)}`);

    await bars.look(everything);
    const again = await bars.lastPicture();
    assert(again.left > 150 && again.right < 80, `as before: ${JSON.stringify(again)}`);
    assert.deepEqual(
      bars.samples.map(({ sample }) => sample.sequence),
      bars.samples.map((_, place) => place),
    );
  });

  test('begins where the camera was left', async () => {
    using bars = new Bars(file, { pan: 30, tilt: 10, zoom: 7 });
    await bars.more(10);
    const first = await bars.lastPicture();
    assert(first.left < 80 && first.right < 80, JSON.stringify(first));
  });

  test('follows a hundred movements one after another', async () => {
    using bars = new Bars(file, everything);
    await bars.more(5);
    for (let step = 0; step < 100; step++) {
      const zoom = 1 + (step % 20) / 4;
      bars.aim({ pan: ((step * 37) % 60) - 30, tilt: ((step * 11) % 30) - 15, zoom });
      if (step % 10 === 0) await bars.more(1);
    }
    await bars.look({ pan: -22.5, tilt: 10, zoom: 7 });
    const last = await bars.lastPicture();
    assert(last.left > 150 && last.right > 150, JSON.stringify(last));
  });
});
