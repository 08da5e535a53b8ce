/**
 * The video of the page's stand-in server, made by ffmpeg at run time: live pictures with one frame per fragment, and
 * recordings with a fragment per second, both on a camera's monotonic clock.
 *
 * Every frame of a recording has its second (six bits) and its segment's number (two bits) painted in its lower left
 * corner as black or white squares, so that a test can read from the pixels what is really shown.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { boxAt, readInit } from '../../firmware/viewing/web/fmp4-boxes.ts';

const ffmpeg = 'ffmpeg';
const quiet = ['-v', 'error', '-nostdin'];
export const frameRate = 15;
export const pictureSize = '640x360';
/** Side of a painted square, in pixels of the 640 × 360 picture. */
export const squareSide = 24;
const text = 'x=w-tw-12:y=h-th-10:fontsize=22:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=5';
const clockScale = ['-video_track_timescale', '1000000'];
const aac = ['-c:a', 'aac', '-b:a', '48k'];

function encoder(preset: string): string[] {
  const encode = ['-c:v', 'libx264', '-preset', preset, '-tune', 'zerolatency', '-pix_fmt', 'yuv420p'];
  return [...encode, '-g', String(frameRate), '-crf', '27', ...clockScale];
}

export interface RecordingPlan {
  /** 1 to 3 */
  readonly number: number;
  readonly seconds: number;
  /** painted as the time of day; ms UTC, whole seconds */
  readonly fromMs: number;
  /** the camera's clock at the first frame */
  readonly clockSeconds: number;
  /** by default there is */
  readonly sound?: boolean;
}

/** A recorded segment: pictures and, mostly, sound. */
export async function makeRecording(plan: RecordingPlan): Promise<Buffer> {
  const length = `duration=${plan.seconds}`;
  const ground = `drawbox=x=0:y=ih-${squareSide}:w=${8 * squareSide}:h=${squareSide}:color=black:t=fill`;
  const squares = Array.from({ length: 8 }, (_, bit) => {
    const lit = bit < 6 ? `mod(floor(t/${2 ** bit}),2)` : String((plan.number >> (bit - 6)) & 1);
    const place = `x=${bit * squareSide}:y=ih-${squareSide}:w=${squareSide}:h=${squareSide}`;
    return `drawbox=${place}:color=white:t=fill:enable='${lit}'`;
  });
  const clock = `drawtext=text='%{pts\\:gmtime\\:${plan.fromMs / 1000}} UTC':${text}`;
  const picture = `testsrc2=size=${pictureSize}:rate=${frameRate}:${length},noise=alls=14:allf=t`;
  const movie = [
    '-movflags',
    'empty_moov+default_base_moof+frag_keyframe',
    '-write_prft',
    'pts',
    '-f',
    'mp4',
  ];
  const pictures = ['-f', 'lavfi', '-i', picture];
  const tone = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:${length}`];
  const [inputs, sound] = plan.sound === false ? [pictures, []] : [[...pictures, ...tone], aac];
  const painted = ['-vf', [ground, ...squares, clock].join(','), ...encoder('ultrafast')];
  const { stdout } = await promisify(execFile)(
    ffmpeg,
    [...quiet, ...inputs, ...painted, ...sound, '-shortest', ...movie, 'pipe:1'],
    { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
  );
  return shiftTimes(stdout, stdout, plan.clockSeconds);
}

export type LivePart =
  | { readonly kind: 'init'; readonly bytes: Buffer }
  | { readonly kind: 'fragment'; readonly bytes: Buffer; readonly keyframe: boolean };

export interface LivePlan {
  /** an ffmpeg source */
  readonly picture: string;
  readonly audio: boolean;
  /** the camera's clock at the first frame */
  readonly clockSeconds: number;
  /** x264's; `ultrafast` is baseline profile, `veryfast` is high */
  readonly preset: string;
}

/** A camera that films in real time until it is killed. */
export function filmLive(plan: LivePlan, onPart: (part: LivePart) => void): ChildProcess {
  const pictures = ['-re', '-f', 'lavfi', '-i', plan.picture];
  const sound = ['-re', '-f', 'lavfi', '-i', 'sine=frequency=330:sample_rate=48000'];
  const painted = ['-vf', `drawtext=text='%{localtime}':${text}`, ...encoder(plan.preset)];
  const movie = [
    '-movflags',
    'empty_moov+default_base_moof+frag_every_frame',
    '-flush_packets',
    '1',
    '-f',
    'mp4',
  ];
  const [inputs, sounds] = plan.audio ? [[...pictures, ...sound], aac] : [pictures, []];
  const child = spawn(ffmpeg, [...quiet, ...inputs, ...painted, ...sounds, ...movie, 'pipe:1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest: Buffer = Buffer.alloc(0);
  let init: Buffer = Buffer.alloc(0);
  child.stdout?.on('data', (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    for (let part = wholePart(rest); part !== undefined; part = wholePart(rest)) {
      const bytes = rest.subarray(0, part.end);
      rest = rest.subarray(part.end);
      if (part.type === 'moov') {
        init = bytes;
        onPart({ kind: 'init', bytes });
      } else {
        const shifted = shiftTimes(bytes, init, plan.clockSeconds);
        onPart({ kind: 'fragment', bytes: shifted, keyframe: part.keyframe });
      }
    }
  });
  return child;
}

/** Ends of the fragments of a recording: as much as a server shows while it still writes. */
export function fragmentEnds(file: Buffer): number[] {
  const ends: number[] = [];
  for (let box = boxAt(file, 0); box !== undefined; box = boxAt(file, box.end)) {
    if (box.type === 'mdat') ends.push(box.end);
  }
  return ends;
}

/** The same pictures in a much larger file: after each fragment comes a box of so many bytes that means nothing. */
export function padFragments(file: Buffer, bytes: number): Buffer {
  const padding = Buffer.alloc(bytes);
  padding.writeUInt32BE(bytes, 0);
  padding.write('free', 4);
  const ends = fragmentEnds(file);
  return Buffer.concat(ends.flatMap((end, place) => [file.subarray(ends[place - 1] ?? 0, end), padding]));
}

/** The end of the first `moov` or `mdat`, and whether the latter holds an IDR picture. */
function wholePart(bytes: Buffer): { end: number; type: string; keyframe: boolean } | undefined {
  for (let box = boxAt(bytes, 0); box !== undefined && box.end <= bytes.length; box = boxAt(bytes, box.end)) {
    if (box.type !== 'moov' && box.type !== 'mdat') continue;
    let keyframe = false;
    for (let at = box.content; box.type === 'mdat' && at + 5 <= box.end; at += 4 + bytes.readUInt32BE(at)) {
      if (((bytes[at + 4] ?? 0) & 31) === 5) keyframe = true;
    }
    return { end: box.end, type: box.type, keyframe };
  }
  return undefined;
}

/** Adds to every `tfdt`, in its track's timescale. */
export function shiftTimes(bytes: Buffer, init: Buffer, seconds: number): Buffer {
  const scales = new Map(readInit(init)?.tracks.map((track) => [track.id, track.timescale]));
  const shifted = Buffer.from(bytes);
  let scale = 0;
  const walk = (from: number, to: number): void => {
    for (
      let box = boxAt(shifted, from);
      box !== undefined && box.offset < to;
      box = boxAt(shifted, box.end)
    ) {
      if (box.type === 'moof' || box.type === 'traf') walk(box.content, box.end);
      else if (box.type === 'tfhd') scale = scales.get(shifted.readUInt32BE(box.content + 4)) ?? 0;
      else if (box.type === 'tfdt') {
        const time = shifted.readBigUInt64BE(box.content + 4) + BigInt(Math.round(seconds * scale));
        shifted.writeBigUInt64BE(time, box.content + 4);
      }
    }
  };
  walk(0, shifted.length);
  return shifted;
}
