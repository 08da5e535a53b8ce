/**
 * Decodes one frame in a program of its own: GStreamer's `gst-launch-1.0`, with the stream on its standard input and
 * JPEG on its standard output. The pipeline is an array of constants and two numbers; nothing of a request is in it.
 *
 * Invariants: a program runs `decodeMs` at the most, with `addressBytesMax` of memory and `outputBytesMax` of output,
 * then it is killed; the last picture that it wrote whole is the answer. Which decoder there is, is found out once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Failure } from '../base/failure.ts';
import type { FrameDecoder } from '../viewing/frame-pictures.ts';

const decodeMs = 10_000;
const inspectMs = 20_000;
const addressBytesMax = 2 * 1024 * 1024 * 1024;
const pictureBytesMax = 32 * 1024 * 1024;
const outputBytesMax = 1024 * 1024 * 1024;
const errorCharsMax = 500;

/** The best first: hardware of the boards, then FFmpeg's, then Cisco's. */
const decoders = ['v4l2h264dec', 'avdec_h264', 'openh264dec'] as const;

/** Uses what GStreamer has on this machine. */
export function gstreamerDecoder(): FrameDecoder {
  let found: Promise<string> | undefined;
  return {
    async jpeg(stream, { width, height }) {
      found ??= findDecoder();
      const decoder = await found.catch((thrown: unknown) => {
        // It may be installed meanwhile.
        found = undefined;
        throw thrown;
      });
      // By way of RGB: `jpegenc` takes the brightness of other formats as it comes, and black would be grey.
      const size = `video/x-raw,format=RGB,width=${width},height=${height},pixel-aspect-ratio=1/1`;
      const convert = ['videoscale', 'method=bilinear', '!', 'videoconvert', '!', size];
      const pipeline = ['fdsrc', 'fd=0', '!', 'h264parse', '!', decoder, '!', ...convert];
      const args = ['-q', ...pipeline, '!', 'jpegenc', 'quality=85', '!', 'fdsink', 'fd=1'];
      return lastPicture(
        'prlimit',
        [`--as=${addressBytesMax}`, '--core=0', 'gst-launch-1.0', ...args],
        stream,
      );
    },
  };
}

async function findDecoder(): Promise<string> {
  for (const decoder of decoders) {
    const child = spawn('gst-inspect-1.0', ['--exists', decoder], { stdio: 'ignore' });
    if ((await ended(child, inspectMs)) === 0) return decoder;
  }
  throw new Failure('SERVER_FAILED', 'GStreamer has no decoder for H.264', {
    advice: 'Install gstreamer1.0-libav and gstreamer1.0-tools.',
  });
}

/** Exit code; null when it was killed, or could not be started. */
function ended(child: ChildProcess, limitMs: number): Promise<number | null> {
  return new Promise((resolve) => {
    const late = setTimeout(() => child.kill('SIGKILL'), limitMs);
    const settle = (code: number | null): void => {
      clearTimeout(late);
      resolve(code);
    };
    child.once('error', () => settle(null));
    child.once('close', settle);
  });
}

async function lastPicture(program: string, args: readonly string[], input: Buffer): Promise<Buffer> {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, GST_DEBUG: '1' },
  });
  const pictures = new PictureSplitter();
  let errors = '';
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > outputBytesMax || !pictures.push(chunk)) child.kill('SIGKILL');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    if (errors.length < errorCharsMax) errors += chunk.toString('utf8');
  });
  // It may end before it has read everything; what it says then counts.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await ended(child, decodeMs);
  if (code === 0 && pictures.last !== undefined) return pictures.last;
  const why =
    errors.trim().slice(0, errorCharsMax) || (code === null ? 'it took too long' : `exit code ${code}`);
  throw new Failure('SERVER_FAILED', `the picture could not be decoded: ${why}`, {
    advice: 'Check that gstreamer1.0-tools and gstreamer1.0-libav are installed.',
  });
}

/**
 * Pictures one after another, as `jpegenc` writes them; only the last whole one is kept. In the coded part of a JPEG a
 * byte FF is always followed by 00 or a restart marker, so FF D9 is its end (ITU-T T.81 §B.1.1.5).
 */
export class PictureSplitter {
  last: Buffer | undefined;
  private parts: Buffer[] = [];
  private bytes = 0;
  private endsWithFf = false;

  /** False when a picture is larger than it may be. */
  push(chunk: Buffer): boolean {
    let from = 0;
    if (this.endsWithFf && chunk[0] === 0xd9) from = this.finish(chunk, 0, 1);
    for (let at = chunk.indexOf(end, from); at >= 0; at = chunk.indexOf(end, from)) {
      from = this.finish(chunk, from, at + 2);
    }
    const rest = chunk.subarray(from);
    if (rest.length > 0) {
      this.parts.push(rest);
      this.bytes += rest.length;
      this.endsWithFf = rest.at(-1) === 0xff;
    }
    return this.bytes <= pictureBytesMax;
  }

  private finish(chunk: Buffer, from: number, to: number): number {
    this.last = Buffer.concat([...this.parts, chunk.subarray(from, to)]);
    this.parts = [];
    this.bytes = 0;
    this.endsWithFf = false;
    return to;
  }
}

const end = Buffer.from([0xff, 0xd9]);
