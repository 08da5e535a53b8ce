/**
 * Which GStreamer pipeline captures a camera. A plan is data: a launch text made only of constants and checked
 * numbers, and properties (paths, devices) that are set on elements by name, so that no text from a configuration
 * ever becomes part of a pipeline.
 *
 * Every pipeline ends in `gdppay ! appsink`: the binding hands over bytes without timestamps, and the GStreamer Data
 * Protocol carries them (see media/gdp-parser.ts). `async=false` keeps a branch without data, such as the sound of a
 * silent file, from holding the others back.
 */
import type { CameraConfig } from '../config/unit-config.ts';
import type { StreamSettings } from '../media/stream-settings.ts';
import type { Position } from '../ptz/position.ts';
import { nearestTestSize, type TestPictureOptions } from './test-picture.ts';

/** Bounds of what a running pipeline can be changed to. */
export interface EncoderPlan {
  /** of the pictures that reach the encoder; it can be given fewer */
  readonly frameRate: number;
  /** frames from one keyframe to the next at the latest; they can be asked for earlier */
  readonly keyframeFrames: number;
}

/** What a camera is, as far as capturing goes. */
export type CapturedCamera = Omit<CameraConfig, 'mount'>;

/** Where a camera looks that can be turned, and how much it sees without zoom, in degrees from left to right. */
export interface Aim {
  readonly position: Position;
  readonly fieldOfView: number;
}

/** The test picture, and where its camera looks at first if it can be turned. */
type PlannedPicture = TestPictureOptions & Partial<Aim>;

/** What the capture process is told to run. */
export interface PipelinePlan {
  readonly launch: string;
  /** paths of files and devices, which must be readable */
  readonly properties: readonly { element: string; property: string; value: string }[];
  /** names of the appsinks */
  readonly sinks: readonly ('video' | 'audio')[];
  /** the pipeline's clock starts when it is told to play; otherwise when its first sample comes out */
  readonly live: boolean;
  /** samples that the audio encoder puts before the sound, µs: decoded sound is late by so much */
  readonly audioPrimingUs: number;
  /** what the encoder was made for */
  readonly encoder: EncoderPlan;
  /** the process draws the pictures itself and pushes them into `appsrc name=source` */
  readonly testPicture?: PlannedPicture;
}

const audioRate = 48_000;
/** FFmpeg's AAC encoder begins with one frame of silence, and GStreamer does not take it off. */
const aacPrimingUs = Math.round((1024 / audioRate) * 1_000_000);

/** A queue that drops the oldest pictures when the encoder cannot keep up: late pictures are worth less than new ones. */
const pictureQueue = 'queue max-size-buffers=4 max-size-bytes=0 max-size-time=0 leaky=downstream';
const soundQueue = 'queue max-size-buffers=200 max-size-bytes=0 max-size-time=0';

function encoderPlan({ frameRate, keyframeIntervalMs }: StreamSettings): EncoderPlan {
  return { frameRate, keyframeFrames: Math.max(1, Math.round((keyframeIntervalMs * frameRate) / 1000)) };
}

/**
 * Whether a running pipeline can go over to these settings: x264enc takes another bit rate at any time, but its
 * longest time between keyframes only when it begins, and a change of its frame rate would be one of the format.
 */
export function isLive({ frameRate, keyframeFrames }: EncoderPlan, settings: StreamSettings): boolean {
  const most = (keyframeFrames * 1000) / settings.frameRate;
  // Half a frame: what cannot be had exactly anyway.
  return settings.frameRate <= frameRate && settings.keyframeIntervalMs <= most + 500 / frameRate;
}

/** Fewer pictures than the encoder was made for share what it would spend on more: it must be told a higher rate. */
export function encoderKbps(plan: EncoderPlan, { bitrateKbps, frameRate }: StreamSettings): number {
  return Math.round((bitrateKbps * plan.frameRate) / frameRate);
}

function encoder(camera: CapturedCamera): string {
  return (
    `x264enc name=encoder tune=zerolatency speed-preset=ultrafast threads=1 bitrate=${camera.bitrateKbps} ` +
    `key-int-max=${encoderPlan(camera).keyframeFrames} option-string=scenecut=0 ! h264parse ! ` +
    'video/x-h264,stream-format=avc,alignment=au ! gdppay ! ' +
    'appsink name=video sync=false async=false max-buffers=64'
  );
}

function pictures({ width, height, frameRate }: CapturedCamera): string {
  return `video/x-raw,format=I420,width=${width},height=${height},framerate=${frameRate}/1`;
}

const soundEncoder =
  'avenc_aac bitrate=64000 ! aacparse ! audio/mpeg,mpegversion=4,stream-format=raw ! gdppay ! ' +
  'appsink name=audio sync=false async=false max-buffers=200';

/**
 * Makes the plan for one camera of a unit. `hue` in degrees tells the test pictures of several cameras apart; `aim`
 * is for a camera that can be turned.
 */
export function planPipeline(camera: CapturedCamera, hue: number, aim?: Aim): PipelinePlan {
  const { source } = camera;
  switch (source.kind) {
    case 'test':
      return planTest(camera, hue, aim);
    case 'file':
      return planFile(camera, source.path);
    case 'v4l2':
      return planV4l2(camera, source.device);
  }
}

function planTest(configured: CapturedCamera, hue: number, aim: Aim | undefined): PipelinePlan {
  const { width, height } = nearestTestSize(configured.width, configured.height);
  const camera = { ...configured, width, height };
  const { frameRate, id, audio } = camera;
  const video =
    `appsrc name=source is-live=true format=time block=false max-bytes=${width * height * 6} ` +
    `caps=${pictures(camera)} ! queue max-size-buffers=8 ! ${encoder(camera)}`;
  // A tick at each whole second of running time, when the test picture flashes. Not `is-live`: a live source counts
  // its ticks from whenever it got going. Its ticks come one buffer (20 ms) early, hence the offset.
  const sound =
    'audiotestsrc wave=ticks freq=880 volume=0.5 samplesperbuffer=960 timestamp-offset=20000000 ! ' +
    `audio/x-raw,rate=${audioRate},channels=1 ! identity sync=true ! ${soundQueue} ! ${soundEncoder}`;
  return {
    launch: audio ? `${video} ${sound}` : video,
    properties: [],
    sinks: audio ? ['video', 'audio'] : ['video'],
    live: true,
    encoder: encoderPlan(camera),
    audioPrimingUs: aacPrimingUs,
    testPicture: { width, height, frameRate, label: id.toUpperCase(), hue, ...aim },
  };
}

const convert = 'videoconvert ! videoscale ! videorate';

/**
 * Drops pictures at run time (`max-rate`), behind a caps setter that keeps this from the encoder: it would begin anew
 * with another format.
 */
function pace({ frameRate }: CapturedCamera): string {
  const caps = `video/x-raw,framerate=${frameRate}/1`;
  return `videorate name=pace drop-only=true ! capssetter join=true replace=false caps=${caps}`;
}

function planFile(camera: CapturedCamera, path: string): PipelinePlan {
  const video = `decode. ! queue ! ${convert} ! ${pictures(camera)} ! identity sync=true ! ${pace(camera)} ! ${encoder(camera)}`;
  const sound =
    `decode. ! ${soundQueue} ! audioconvert ! audioresample ! audio/x-raw,rate=${audioRate},channels=2 ! ` +
    `identity sync=true ! ${soundEncoder}`;
  return {
    launch: `filesrc name=source ! decodebin name=decode ${video}${camera.audio ? ` ${sound}` : ''}`,
    properties: [{ element: 'source', property: 'location', value: path }],
    sinks: camera.audio ? ['video', 'audio'] : ['video'],
    live: false,
    encoder: encoderPlan(camera),
    audioPrimingUs: aacPrimingUs,
  };
}

/** Video4Linux: raw or JPEG cameras. Their sound is a device of its own, not captured here. */
function planV4l2(camera: CapturedCamera, device: string): PipelinePlan {
  return {
    launch: `v4l2src name=source ! decodebin ! ${convert} ! ${pictures(camera)} ! ${pace(camera)} ! ${pictureQueue} ! ${encoder(camera)}`,
    properties: [{ element: 'source', property: 'device', value: device }],
    sinks: ['video'],
    live: true,
    encoder: encoderPlan(camera),
    audioPrimingUs: 0,
  };
}
