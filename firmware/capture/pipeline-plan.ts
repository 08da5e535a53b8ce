/**
 * Which GStreamer pipeline captures a camera: its source, then parts that the board names (pipeline-parts.ts), then the
 * appsinks. A plan is data: a launch text made only of constants and checked numbers, and properties (paths, devices,
 * addresses) that are set on elements by name, so that no text from a configuration ever becomes part of a pipeline.
 */
import type { BoardCapture } from '../boards/board-schema.ts';
import type { CameraConfig } from '../config/camera-section.ts';
import type { StreamSettings } from '../media/stream-settings.ts';
import type { Position } from '../ptz/position.ts';
import type { DigitalView } from './digital-view.ts';
import {
  aacPrimingUs,
  audioRate,
  type EncoderName,
  encoder,
  evenSound,
  keyframeFrames,
  liveBitrate,
  pace,
  pictureQueue,
  pictures,
  plainCapture,
  shape,
  sound,
  soundOutput,
  soundQueue,
  v4l2Formats,
  videoOutput,
  zoom,
} from './pipeline-parts.ts';
import { rtspPlan } from './rtsp-plan.ts';
import { nearestTestSize, type TestPictureOptions } from './test-picture.ts';

/** Bounds of what a running pipeline can be changed to. */
export interface EncoderPlan {
  readonly name: EncoderName;
  /** what it was told at its start; where `liveBitrate` says nothing it stays so */
  readonly bitrateKbps: number;
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
  /** what of it is done by cutting the picture; undefined: nothing */
  readonly digital?: DigitalView['follows'] | undefined;
}

/** The test picture, and where its camera looks at first if it can be turned. */
type PlannedPicture = TestPictureOptions & Partial<Pick<Aim, 'position' | 'fieldOfView'>>;

/** A property of an element: a value, or for a secret the file whose first line it is. */
export type PlannedProperty = { readonly element: string; readonly property: string } & (
  | { readonly value: string /** it is the path of what must be readable */; readonly readable?: true }
  | { readonly firstLineOf: string }
);

/** What the capture process is told to run. */
export interface PipelinePlan {
  readonly launch: string;
  readonly properties: readonly PlannedProperty[];
  /** names of the appsinks */
  readonly sinks: readonly ('video' | 'audio')[];
  /** the pipeline's clock starts when it is told to play; otherwise when its first sample comes out */
  readonly live: boolean;
  /** samples that the audio encoder puts before the sound, µs: decoded sound is late by so much */
  readonly audioPrimingUs: number;
  /** what the encoder was made for; undefined when the source has encoded already */
  readonly encoder?: EncoderPlan | undefined;
  /** how long the first picture may take, ms */
  readonly startMs: number;
  /** the process draws the pictures itself and pushes them into `appsrc name=source` */
  readonly testPicture?: PlannedPicture;
  /** a part of the picture is cut out, and where from at first */
  readonly view?: (DigitalView & Pick<Aim, 'position'>) | undefined;
  /** name of the element, or of the bin, without which there is a picture all the same */
  readonly soundElement?: string;
}

export interface PlanOptions {
  /** tells the test pictures of several cameras apart, degrees */
  readonly hue: number;
  /** for a camera that can be turned */
  readonly aim?: Aim | undefined;
  /** how the board captures; by default as any machine can */
  readonly capture?: BoardCapture | undefined;
  /** an IP camera was seen to send pictures that refer to later ones */
  readonly reorders?: boolean;
}

/** How long the first picture may take: Node and GStreamer's look at its plugins are slow on a board that has just started. */
const promptMs = 15_000;
/** A sensor is found and finds its exposure first. */
const sensorMs = 30_000;

/** Makes the plan for one camera of a unit. */
export function planPipeline(camera: CapturedCamera, options: PlanOptions): PipelinePlan {
  const { source } = camera;
  switch (source.kind) {
    case 'test':
      return planTest(camera, options);
    case 'file':
      return planFile(camera, source.path, options);
    case 'csi':
      return planCsi(camera, source.camera, options);
    case 'v4l2':
      return planV4l2(camera, source.device, options);
    case 'rtsp':
      return rtspPlan(camera, source, options.reorders);
  }
}

/**
 * Whether a running pipeline can go over to these settings: most encoders take another bit rate at any time, but the
 * longest time between keyframes only when they begin, and a change of the frame rate would be one of the format.
 */
export function isLive(plan: EncoderPlan, settings: StreamSettings): boolean {
  const { name, bitrateKbps, frameRate } = plan;
  if (liveBitrate[name] === undefined && encoderKbps(plan, settings) !== bitrateKbps) return false;
  const most = (plan.keyframeFrames * 1000) / settings.frameRate;
  // Half a frame: what cannot be had exactly anyway.
  return settings.frameRate <= frameRate && settings.keyframeIntervalMs <= most + 500 / frameRate;
}

/**
 * Fewer pictures than the encoder was made for share what it would spend on more: it must be told a higher rate, if it
 * can be.
 */
export function encoderKbps(
  plan: Pick<EncoderPlan, 'name' | 'frameRate'>,
  { bitrateKbps, frameRate }: StreamSettings,
): number {
  if (liveBitrate[plan.name] === undefined) return bitrateKbps;
  return Math.round((bitrateKbps * plan.frameRate) / frameRate);
}

function encoderPlan({ encoder: name }: BoardCapture, settings: StreamSettings): EncoderPlan {
  const { bitrateKbps, frameRate } = settings;
  return { name, bitrateKbps, frameRate, keyframeFrames: keyframeFrames(name, settings) };
}

function planTest(
  configured: CapturedCamera,
  { hue, aim, capture = plainCapture }: PlanOptions,
): PipelinePlan {
  const { width, height } = nearestTestSize(configured.width, configured.height);
  const camera = { ...configured, width, height };
  const { frameRate, id, audio } = camera;
  const video =
    `appsrc name=source is-live=true format=time block=false max-bytes=${width * height * 6} ` +
    `caps=${pictures(camera, 'I420')} ! queue max-size-buffers=8 ! ${encoder(capture, camera)} ! ${videoOutput()}`;
  // A tick at each whole second of running time, when the test picture flashes. Not `is-live`: a live source counts
  // its ticks from whenever it got going. Its ticks come one buffer (20 ms) early, hence the offset.
  const ticks =
    'audiotestsrc wave=ticks freq=880 volume=0.5 samplesperbuffer=960 timestamp-offset=20000000 ! ' +
    `audio/x-raw,rate=${audioRate},channels=1 ! identity sync=true ! ${soundQueue} ! ${soundOutput}`;
  const { position, fieldOfView } = aim ?? {};
  return {
    launch: audio ? `${video} ${ticks}` : video,
    properties: [],
    sinks: audio ? ['video', 'audio'] : ['video'],
    live: true,
    encoder: encoderPlan(capture, camera),
    audioPrimingUs: aacPrimingUs,
    startMs: promptMs,
    testPicture: {
      width,
      height,
      frameRate,
      label: id.toUpperCase(),
      hue,
      ...(position === undefined ? {} : { position }),
      ...(fieldOfView === undefined ? {} : { fieldOfView }),
    },
  };
}

function planFile(camera: CapturedCamera, path: string, options: PlanOptions): PipelinePlan {
  const { capture = plainCapture } = options;
  const picture = [
    'decode.',
    'queue',
    shape(camera, capture.rawFormat),
    'identity sync=true',
    ...lively(camera, options),
    ...encoded(camera, options),
  ];
  const video = picture.join(' ! ');
  const heard = `decode. ! ${soundQueue} ! ${sound(2)} ! identity sync=true ! ${soundOutput}`;
  return {
    launch: `filesrc name=source ! decodebin name=decode ${video}${camera.audio ? ` ${heard}` : ''}`,
    properties: [{ element: 'source', property: 'location', value: path, readable: true }],
    sinks: camera.audio ? ['video', 'audio'] : ['video'],
    live: false,
    encoder: encoderPlan(capture, camera),
    audioPrimingUs: aacPrimingUs,
    startMs: promptMs,
    view: viewOf(camera, options),
  };
}

/** The camera on the board's own connector. With two of them, `name` is libcamera's for the one that is meant. */
function planCsi(camera: CapturedCamera, name: string | undefined, options: PlanOptions): PipelinePlan {
  // libcamera settles on colours by itself that encoders refuse.
  const format = `${pictures(camera, 'NV12')},colorimetry=bt709,interlace-mode=progressive`;
  const chosen = name === undefined ? [] : [{ element: 'source', property: 'camera-name', value: name }];
  return planLive(camera, options, {
    source: ['libcamerasrc name=source', format],
    properties: chosen,
    startMs: sensorMs,
  });
}

/** Video4Linux: raw or JPEG cameras, on USB or anywhere else. */
function planV4l2(camera: CapturedCamera, device: string, options: PlanOptions): PipelinePlan {
  const raw = (options.capture ?? plainCapture).rawFormat;
  return planLive(camera, options, {
    source: ['v4l2src name=source', v4l2Formats(camera), 'decodebin', shape(camera, raw)],
    properties: [{ element: 'source', property: 'device', value: device, readable: true }],
    startMs: sensorMs,
  });
}

/** What can be changed of raw pictures while they run: how many there are, and the part that is shown. */
function lively(camera: CapturedCamera, options: PlanOptions): string[] {
  return viewOf(camera, options) === undefined ? [pace(camera)] : [pace(camera), zoom(camera)];
}

function encoded(camera: CapturedCamera, { capture = plainCapture }: PlanOptions): string[] {
  return [encoder(capture, camera), videoOutput()];
}

function viewOf({ width, height }: CapturedCamera, { aim }: PlanOptions): PipelinePlan['view'] {
  if (aim?.digital === undefined) return undefined;
  const { position, fieldOfView, digital } = aim;
  return { width, height, fieldOfView, follows: digital, position };
}

/** What gives raw pictures of the right size and rate. */
interface LiveSource extends Pick<PipelinePlan, 'properties' | 'startMs'> {
  readonly source: readonly string[];
}

/** A camera of the board, and the sound beside it if there is a microphone. */
function planLive(
  camera: CapturedCamera,
  options: PlanOptions,
  { source, properties, startMs }: LiveSource,
): PipelinePlan {
  const { capture = plainCapture } = options;
  const parts = [...source, ...lively(camera, options), pictureQueue, ...encoded(camera, options)];
  const launch = parts.join(' ! ');
  const device = camera.audio ? (camera.microphone ?? capture.audio?.device) : undefined;
  const picture: PipelinePlan = {
    launch,
    properties,
    sinks: ['video'],
    live: true,
    encoder: encoderPlan(capture, camera),
    audioPrimingUs: 0,
    startMs,
    view: viewOf(camera, options),
  };
  if (device === undefined) return picture;
  // It must not give the clock: times are those of the unit's monotonic clock, and a sound card's drifts.
  const heard = `alsasrc name=microphone provide-clock=false ! ${evenSound} ! ${soundQueue} ! ${soundOutput}`;
  return {
    ...picture,
    launch: `${launch} ${heard}`,
    properties: [...properties, { element: 'microphone', property: 'device', value: device }],
    sinks: ['video', 'audio'],
    audioPrimingUs: aacPrimingUs,
    soundElement: 'microphone',
  };
}
