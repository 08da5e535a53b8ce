/**
 * An IP camera that a unit adopts, with a real RTSP server: its H.264 as it is, its sound, who may see it, and what
 * happens when it hangs, dies, or sends something else.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { CapturedSample } from '../../firmware/capture/backlog.ts';
import { CaptureService, type CaptureState } from '../../firmware/capture/capture-service.ts';
import { Outbox } from '../../firmware/capture/outbox.ts';
import type { CapturedCamera } from '../../firmware/capture/pipeline-plan.ts';
import { UtcKeeper } from '../../firmware/capture/utc-mapping.ts';
import { parseSourceSpec } from '../../firmware/config/source-spec.ts';
import { captureStarter } from '../../firmware/io/capture-child.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { decodedFrames } from '../support/decoded-frames.ts';
import { run } from '../support/gst.ts';
import { bundle, getRecordings, startNetwork, until } from '../support/network.ts';
import { packetsOfFile } from '../support/recorded-video.ts';
import { RtspCamera } from '../support/rtsp-camera.ts';

const password = 'p@ss w:rd/!';
const credentials = `admin:${encodeURIComponent(password)}@`;

/** One capture of an IP camera, with the real process. */
class Capture implements AsyncDisposable {
  readonly states: CaptureState[] = [];
  private readonly outbox = new Outbox({ bytesMax: 30_000_000, secondsMax: 600 });
  private readonly service: CaptureService;

  constructor(source: string, fields: Partial<CapturedCamera> = {}) {
    const spec = parseSourceSpec(source);
    assert(spec.ok, spec.ok ? '' : spec.reason);
    const settings = {
      width: 640,
      height: 360,
      frameRate: 25,
      bitrateKbps: 2_000,
      keyframeIntervalMs: 1_000,
    };
    this.service = new CaptureService({
      camera: { id: 'gate', source: spec.value, audio: true, ...settings, ...fields },
      hue: 0,
      bootId: 'boot',
      outbox: this.outbox,
      utc: new UtcKeeper({ clock: systemClock, trusted: () => true, certain: true, writtenUtcMs: 0 }),
      clock: systemClock,
      start: captureStarter(bundle),
      onSample: () => undefined,
      onState: (state) => this.states.push(state),
    });
    this.service.open();
  }

  get pid(): number | undefined {
    return this.service.pid;
  }

  items(): ReturnType<Outbox['read']>[] {
    const items: ReturnType<Outbox['read']>[] = [];
    for (let at = 0; ; at++) {
      const next = this.outbox.read(at);
      if (next === undefined) return items;
      items.push(next);
    }
  }

  samples(kind: 'video' | 'audio' = 'video'): CapturedSample[] {
    return this.items()
      .map((next) => next?.item)
      .filter((item) => item?.type === 'sample')
      .filter(({ capture, trackId }) => capture.tracks[trackId - 1]?.kind === kind);
  }

  failures(): string[] {
    return this.states.flatMap((state) => (state.is === 'failed' ? [state.failure.message] : []));
  }

  flows(): number {
    return this.states.filter(({ is }) => is === 'flowing').length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]();
  }
}

/** The network abstraction layer units of AVC samples that hold pictures (ISO/IEC 14496-10 §7.4.1: types 1 and 5). */
function pictureUnits(samples: readonly CapturedSample[]): string[] {
  return samples.flatMap(({ sample }) => {
    const bytes = Buffer.concat(sample.payload.map((part) => Buffer.from(part)));
    const units: string[] = [];
    for (let at = 0; at + 4 < bytes.length; ) {
      const length = bytes.readUInt32BE(at);
      const unit = bytes.subarray(at + 4, at + 4 + length);
      if ([1, 5].includes((unit[0] ?? 0) & 31)) units.push(unit.toString('base64'));
      at += 4 + length;
    }
    return units;
  });
}

describe('an IP camera', () => {
  let folder = '';
  let file = '';
  let camera: RtspCamera;

  before(async () => {
    assert(existsSync(bundle), 'build the program first: npm run build');
    folder = await mkdtemp(join(tmpdir(), 'starling-rtsp-'));
    file = join(folder, 'two-seconds.mp4');
    const make =
      'videotestsrc num-buffers=60 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! ' +
      'x264enc bframes=2 b-adapt=false speed-preset=ultrafast key-int-max=15 bitrate=300 ! h264parse ! mp4mux ! filesink';
    const { code, stderr } = await run('gst-launch-1.0', ['-q', ...make.split(' '), `location=${file}`]);
    assert.equal(code, 0, stderr);
    camera = await RtspCamera.start({ file, user: 'admin', password });
  });
  after(async () => {
    await camera?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  test('is recorded as it comes, with a keyframe first, in real time, and its G.711 sound as AAC', async () => {
    await using capture = new Capture(camera.url('/live', credentials));
    await until('three seconds of pictures and sound', () => {
      const ends = (['video', 'audio'] as const).map((kind) => {
        const samples = capture.samples(kind);
        return (samples.at(-1)?.sample.ptsUs ?? 0) - (samples[0]?.sample.ptsUs ?? 0);
      });
      return ends.every((us) => us > 3_000_000);
    });
    const [video, audio] = [capture.samples('video'), capture.samples('audio')];
    assert.equal(video[0]?.sample.keyframe, true);
    const tracks = video[0].capture.tracks;
    assert.deepEqual(
      tracks.map(({ format }) => format.codec),
      ['h264', 'aac'],
    );
    const { format } = tracks[0] ?? {};
    assert(format?.codec === 'h264');
    assert.deepEqual(
      [format.width, format.height],
      [320, 240],
      'the camera’s own size, not that of unit.yaml',
    );
    const times = video.map(({ sample }) => sample.ptsUs);
    for (const [place, us] of times.entries()) {
      const distance = us - (times[place - 1] ?? us - 50_000);
      assert(distance > 0 && distance < 200_000, `${distance} µs between pictures`);
    }
    for (const { sample } of video.slice(1))
      assert(sample.durationUs > 10_000 && sample.durationUs < 200_000, `${sample.durationUs} µs`);
    const apart = (audio[0]?.sample.ptsUs ?? 0) - (video[0].sample.ptsUs ?? 0);
    assert(Math.abs(apart) < 1_000_000, `sound begins ${apart} µs after the picture`);
    const now = systemClock.monotonicMs() * 1_000;
    assert(Math.abs(now - (times.at(-1) ?? 0)) < 2_000_000, 'dated by the unit’s clock');
    assert.deepEqual(capture.failures(), []);
  });

  test('is not encoded again: every picture is one of its file, byte by byte; its end is told as that', async () => {
    const { stdout } = await run('ffmpeg', ['-v', 'error', '-i', file, '-c', 'copy', '-f', 'h264', '-']);
    const whole = stdout.toString('latin1');
    await using capture = new Capture(camera.url('/file', credentials), { audio: false });
    await until('it ends', () => capture.failures().length > 0);
    assert.match(
      capture.failures()[0] ?? '',
      /rtsp:\/\/127\.0\.0\.1:\d+\/file: the camera ended the connection/,
    );
    // The third picture refers to a later one: the camera is asked anew, and decode times are worked out.
    const samples = capture.samples().filter(({ capture: { captureId } }) => captureId === 'boot.1');
    const units = pictureUnits(samples);
    assert(units.length >= 45, `${units.length} of 60 pictures`);
    for (const unit of units)
      assert(whole.includes(Buffer.from(unit, 'base64').toString('latin1')), 'it is in the file');
    assert(
      samples.some(({ sample }) => sample.compositionUs > 0),
      'shown later than decoded',
    );
    const decodeTimes = samples.map(({ sample }) => sample.ptsUs - sample.compositionUs);
    assert.deepEqual(
      decodeTimes,
      [...decodeTimes].sort((a, b) => a - b),
      'pictures that refer to later ones keep their order',
    );
  });

  test('that wants another password is told as that, without the password; the file is read again each time', async () => {
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 'hunter2\nsecond line\n');
    const rtsp = { user: 'admin', passwordFile, transport: 'tcp', latencyMs: 50, verify: true } as const;
    await using capture = new Capture(camera.url('/quiet'), { rtsp });
    await until('it is refused', () => capture.failures().length > 0);
    assert.match(capture.failures()[0] ?? '', /Unauthorized/);
    await writeFile(passwordFile, `${password}\n`);
    await until('it is let in', () => capture.flows() > 0);
    assert.doesNotMatch(JSON.stringify(capture.states), /hunter2|p@ss|p%40ss/);
    assert.deepEqual(
      capture.samples()[0]?.capture.tracks.map(({ kind }) => kind),
      ['video'],
      'it has no sound',
    );
  });

  test('that speaks TLS is believed only when its certificate is, or when that is not asked', async () => {
    const pem = join(folder, 'camera.pem');
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const files = ['-subj', '/CN=127.0.0.1', '-days', '2', '-keyout', pem, '-out', `${pem}.crt`];
    assert.equal((await run('openssl', [...request, ...files])).code, 0);
    await appendFile(pem, await readFile(`${pem}.crt`));
    await using secure = await RtspCamera.start({ user: 'admin', password, pem });
    const rtsp = { transport: 'tcp', latencyMs: 50, verify: true } as const;
    {
      await using doubting = new Capture(secure.url('/quiet', credentials), { rtsp });
      await until('it is refused', () => doubting.failures().length > 0);
      assert.equal(doubting.flows(), 0);
      console.log(`an unknown certificate: ${doubting.failures()[0]}`);
    }
    await using capture = new Capture(secure.url('/quiet', credentials), {
      rtsp: { ...rtsp, verify: false },
    });
    await until('it is let in', () => capture.flows() > 0);
  });

  test('that sends no H.264 is told as that', async () => {
    await using capture = new Capture(camera.url('/jpeg', credentials));
    await until('it is refused', () => capture.failures().length > 0);
    const [state] = capture.states;
    assert(state?.is === 'failed');
    assert.match(state.failure.advice, /that it sends H\.264/);
  });

  test('that dies and comes back is recorded again, with the time between explained', async () => {
    await using capture = new Capture(camera.url('/live', credentials));
    await until('frames flow', () => capture.samples().length > 20);
    await camera.die();
    await until('it is missed', () => capture.failures().length > 0);
    await camera.comeBack();
    await until('frames flow again', () => capture.flows() === 2);
    const gap = capture.items().find((next) => next?.item.type === 'gap')?.item;
    assert(gap?.type === 'gap' && gap.reason === 'capture-restarted');
    assert(gap.toUs > gap.fromUs, 'a span of time');
  });

  test('that hangs without hanging up is noticed, and its process ended; it is asked again when it goes on', async () => {
    await using capture = new Capture(camera.url('/live', credentials));
    await until('frames flow', () => capture.samples().length > 20);
    const before = capture.pid;
    camera.hang();
    const hungMs = systemClock.monotonicMs();
    await until('it is missed', () => capture.failures().length > 0);
    const noticedMs = systemClock.monotonicMs() - hungMs;
    console.log(
      `a hung IP camera is noticed after ${(noticedMs / 1_000).toFixed(1)} s: ${capture.failures()[0]}`,
    );
    assert(noticedMs < 12_000, `${noticedMs} ms`);
    assert.notEqual(capture.pid, before);
    await camera.die();
    await camera.comeBack();
    await until('frames flow again', () => capture.flows() === 2);
  });
});

test('a unit records an IP camera, ffprobe finds nothing wrong, and its password is in no log', async () => {
  await using camera = await RtspCamera.start({ user: 'admin', password });
  const sources = [camera.url('/live', credentials)];
  await using network = await startNetwork({ servers: 1, cameras: 1, sources });
  const recordings = () => getRecordings(network.url(), 'cam-1').catch(() => undefined);
  await until('six seconds are recorded', async () => {
    const answer = await recordings();
    const [first] = answer?.segments ?? [];
    return first !== undefined && Date.parse(first.to) - Date.parse(first.from) > 6_000;
  });
  await network.unit('cam-1').stop();
  await network.unit('ss-1').stop();
  const { stdout } = await run('find', [network.folder, '-name', '*.mp4']);
  const files = stdout.toString().trim().split('\n').sort();
  assert.equal(files.length, 1, `one recording: ${files.join(', ')}; ${network.messages.join('; ')}`);
  const [recorded = ''] = files;
  const frames = await decodedFrames(recorded);
  const seconds = (frames.at(-1)?.pts ?? 0) - (frames[0]?.pts ?? 0);
  assert(frames[0]?.key === true && seconds > 5, `${frames.length} pictures in ${seconds} s`);
  // As many as the camera sends, 20 a second, but for what a busy machine makes it leave out.
  assert(frames.length > seconds * 12, `${frames.length} pictures in ${seconds} s`);
  for (const kind of ['v', 'a'] as const) {
    const times = (await packetsOfFile(recorded, kind)).map(({ pts }) => pts);
    assert(times.length > 50, `${times.length} packets of ${kind}`);
    for (const [place, pts] of times.entries())
      assert(pts > (times[place - 1] ?? -1), `${kind}: ${pts} s is not after ${times[place - 1]} s`);
  }
  const { stdout: told } = await run('grep', ['-rlE', 'p@ss|p%40ss', '--include=*.log', network.folder]);
  assert.equal(told.toString(), '');
  assert.doesNotMatch(network.messages.join('\n'), /p@ss|p%40ss/);
});
