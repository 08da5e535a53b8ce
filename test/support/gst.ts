/**
 * Real media for tests: encodes with GStreamer at run time and hands out the bytes, or our samples of them; and runs
 * programs such as ffprobe as oracles. Nothing is kept on disk. Times are µs.
 */
import assert from 'node:assert';
import { spawn } from 'node:child_process';
import { parseCaps } from '../../firmware/media/caps.ts';
import { type GdpPacket, GdpParser } from '../../firmware/media/gdp-parser.ts';
import type { Sample, TrackDescription, TrackFormat } from '../../firmware/media/sample.ts';

/** What a program printed and how it ended. */
export interface Outcome {
  stdout: Buffer;
  stderr: string;
  code: number | null;
}

/** Runs a program to its end, `input` on its standard input. */
export async function run(program: string, args: readonly string[], input?: Uint8Array): Promise<Outcome> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // a program may end before it has read everything; its exit code and stderr tell
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString(), code };
}

/** The bytes that `gst-launch-1.0 <pipeline> ! gdppay` writes. */
export async function recordGdp(pipeline: string): Promise<Buffer> {
  const args = ['-q', ...`${pipeline} ! gdppay ! fdsink fd=1`.split(/\s+/)];
  const { stdout, stderr, code } = await run('gst-launch-1.0', args);
  assert.equal(code, 0, `gst-launch-1.0 ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** All packets of a whole GDP stream. */
export function packetsOf(gdp: Uint8Array): GdpPacket[] {
  const packets = new GdpParser().push(gdp);
  assert(packets.ok, packets.ok ? '' : packets.reason);
  return packets.value;
}

/** A track's format and all of its samples. */
export interface Encoded {
  format: TrackFormat;
  samples: Sample[];
}

/** Samples of a GDP stream with sequences from `firstSequence` and running time moved by `originUs`. */
function samplesOf(gdp: Uint8Array, { originUs = 0, firstSequence = 0 } = {}): Encoded {
  let format: TrackFormat | undefined;
  const samples: Sample[] = [];
  for (const packet of packetsOf(gdp)) {
    if (packet.type === 'caps') {
      const caps = parseCaps(packet.text);
      assert(caps.ok, caps.ok ? '' : caps.reason);
      format = caps.value;
    }
    if (packet.type !== 'buffer') continue;
    const { ptsUs, dtsUs = ptsUs, durationUs = 0, delta, payload, bytes } = packet;
    assert(ptsUs !== undefined && dtsUs !== undefined);
    samples.push({
      sequence: firstSequence + samples.length,
      ptsUs: ptsUs + originUs,
      durationUs,
      compositionUs: ptsUs - dtsUs,
      keyframe: !delta,
      payload,
      bytes,
    });
  }
  assert(format !== undefined && samples.length > 0, 'GDP stream without caps or samples');
  return { format, samples };
}

/** Options of `encodeVideo`. */
export interface VideoOptions {
  frames?: number;
  width?: number;
  height?: number;
  /** a keyframe every so many frames */
  gopFrames?: number;
  /** consecutive B-frames; these bring composition offsets */
  bFrames?: number;
  originUs?: number;
  firstSequence?: number;
}

/** H.264 at 30 frames/s from x264enc. */
export async function encodeVideo(options: VideoOptions = {}): Promise<Encoded> {
  const { frames = 30, width = 320, height = 180, gopFrames = 30, bFrames = 0 } = options;
  const tuning = bFrames === 0 ? 'tune=zerolatency' : `bframes=${bFrames} b-adapt=false`;
  const gdp = await recordGdp(
    `videotestsrc num-buffers=${frames} pattern=ball` +
      ` ! video/x-raw,format=I420,width=${width},height=${height},framerate=30/1` +
      ` ! x264enc ${tuning} speed-preset=ultrafast threads=1 key-int-max=${gopFrames} bitrate=500` +
      ' ! h264parse ! video/x-h264,stream-format=avc,alignment=au',
  );
  return samplesOf(gdp, options);
}

/** Mono AAC-LC at 48 kHz; a buffer is 1024 samples. */
export async function encodeAudio(
  options: { buffers?: number; originUs?: number; firstSequence?: number } = {},
): Promise<Encoded> {
  const gdp = await recordGdp(
    `audiotestsrc num-buffers=${options.buffers ?? 47} ! audio/x-raw,rate=48000,channels=1` +
      ' ! avenc_aac ! aacparse ! audio/mpeg,mpegversion=4,stream-format=raw',
  );
  return samplesOf(gdp, options);
}

/** A track of camera `door` with this format. */
export function describeTrack(format: TrackFormat, captureId = 'boot-1.1'): TrackDescription {
  return {
    camera: 'door',
    kind: format.codec === 'aac' ? 'audio' : 'video',
    rendition: 'main',
    captureId,
    format,
  };
}
