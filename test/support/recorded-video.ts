/** What is in a recorded file, by ffprobe and ffmpeg: packets, and what the test picture and its sound say. */
import assert from 'node:assert';
import { readTestBar } from '../../firmware/capture/test-bar.ts';
import { flashArea } from '../../firmware/capture/test-picture.ts';
import { run } from './gst.ts';

/** A packet's presentation time and duration, s, in file order. */
export interface ProbedPacket {
  readonly pts: number;
  readonly duration: number;
}

/** Fails when ffprobe or ffmpeg has anything to say about a file. */
export async function assertPlayable(path: string): Promise<void> {
  const probe = await run('ffprobe', ['-v', 'error', '-show_streams', path]);
  assert.equal(probe.stderr, '', `ffprobe ${path}`);
  assert.equal(probe.code, 0);
  const decode = await run('ffmpeg', ['-v', 'error', '-nostdin', '-i', path, '-f', 'null', '-']);
  assert.equal(decode.stderr, '', `ffmpeg ${path}`);
  assert.equal(decode.code, 0);
}

/** Packets of the first video (`v`) or audio (`a`) stream. */
export async function packetsOfFile(path: string, stream: 'v' | 'a'): Promise<ProbedPacket[]> {
  const entries = ['-select_streams', `${stream}:0`, '-show_entries', 'packet=pts_time,duration_time'];
  const { stdout } = await run('ffprobe', ['-v', 'error', ...entries, '-of', 'csv=p=0', path]);
  return stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => {
      const [pts, duration] = line.split(',').map(Number);
      assert(pts !== undefined && duration !== undefined && !Number.isNaN(pts), `ffprobe said ${line}`);
      return { pts, duration };
    });
}

/** Luma of every frame, in order. */
async function lumaFrames(path: string, width: number, height: number): Promise<Buffer[]> {
  const args = ['-v', 'error', '-nostdin', '-i', path, '-map', '0:v', '-fps_mode', 'passthrough'];
  const { stdout } = await run('ffmpeg', [...args, '-f', 'rawvideo', '-pix_fmt', 'gray', '-']);
  const bytes = width * height;
  assert.equal(stdout.length % bytes, 0);
  return Array.from({ length: stdout.length / bytes }, (_, n) => stdout.subarray(n * bytes, (n + 1) * bytes));
}

/** One decoded picture of the test source. */
export interface DecodedPicture {
  readonly pts: number;
  readonly frameNumber: number;
  /** when it was drawn, ms UTC */
  readonly utcMs: number;
  readonly flash: boolean;
}

/** Decodes every picture and reads its bar. */
export async function picturesOf(path: string, width: number, height: number): Promise<DecodedPicture[]> {
  const packets = await packetsOfFile(path, 'v');
  const frames = await lumaFrames(path, width, height);
  assert.equal(frames.length, packets.length, `${path}: frames decoded and packets stored`);
  const patch = flashArea(width);
  return frames.map((frame, n) => {
    const luma = (x: number, y: number): number => frame[y * width + x] ?? 0;
    const bar = readTestBar(luma, width, height);
    assert(bar.ok, `${path}, frame ${n}: ${bar.ok ? '' : bar.reason}`);
    const flash = luma(patch.x + patch.width / 2, patch.y + patch.height / 2) > 160;
    return { pts: packets[n]?.pts ?? Number.NaN, ...bar.value, flash };
  });
}

/** Times, s, at which a tick begins: the first loud moment after at least 0.3 s of quiet. */
export async function ticksOf(path: string): Promise<number[]> {
  const rate = 48_000;
  const args = ['-v', 'error', '-nostdin', '-i', path, '-map', '0:a', '-ac', '1', '-ar', String(rate)];
  const { stdout } = await run('ffmpeg', [...args, '-f', 's16le', '-']);
  const first = (await packetsOfFile(path, 'a'))[0];
  assert(first);
  const ticks: number[] = [];
  let lastLoud = Number.NEGATIVE_INFINITY;
  for (let n = 0; n < stdout.length / 2; n++) {
    if (Math.abs(stdout.readInt16LE(n * 2)) < 4_000) continue;
    if (n - lastLoud > 0.3 * rate) ticks.push(first.pts + n / rate);
    lastLoud = n;
  }
  return ticks;
}
