/**
 * The parts that pipelines are made of, each a function from checked numbers to launch text. A board names its parts in
 * board.yaml (boards/capture-schema.ts); this is what the names mean.
 *
 * What was learnt of them: v4l2h264enc takes its level from caps only, needs v4l2convert before it (libcamera's pictures
 * come with strides and colours that it refuses), and hangs when every picture is to be a keyframe. A queue drops its
 * oldest picture when what follows cannot keep up: late pictures are worth less than new ones.
 */
import type { BoardCapture } from '../boards/board-schema.ts';
import type { StreamSettings } from '../media/stream-settings.ts';

/** A picture's size and how many there are a second. */
export interface PictureFormat {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
}

export type EncoderName = BoardCapture['encoder'];

/** What a machine does of which nobody has said anything: the processor encodes. */
export const plainCapture: BoardCapture = {
  source: 'v4l2',
  convert: 'videoconvert',
  encoder: 'x264enc',
  rawFormat: 'I420',
  threads: 1,
  maxWidth: 3840,
  maxHeight: 2160,
  maxFps: 60,
};

/** The elements of a board's own camera, converter and encoder. */
export function elementsOf(capture: BoardCapture = plainCapture): string[] {
  const source = { libcamera: 'libcamerasrc', v4l2: 'v4l2src', test: 'appsrc' }[capture.source];
  return [source, capture.convert, capture.encoder];
}

export function pictures({ width, height, frameRate }: PictureFormat, format: string): string {
  return `video/x-raw,format=${format},width=${width},height=${height},framerate=${frameRate}/1`;
}

export const pictureQueue = 'queue max-size-buffers=4 max-size-bytes=0 max-size-time=0 leaky=downstream';
export const soundQueue = 'queue max-size-buffers=200 max-size-bytes=0 max-size-time=0';

/** To the size, the rate and the format that is wanted, by the processor. */
export function shape(format: PictureFormat, raw: string): string {
  return `videoconvert ! videoscale ! videorate ! ${pictures(format, raw)}`;
}

/**
 * Drops pictures at run time (`max-rate`), behind a caps setter that keeps this from the encoder: it would begin anew
 * with another format.
 */
export function pace({ frameRate }: PictureFormat): string {
  const caps = `video/x-raw,framerate=${frameRate}/1`;
  return `videorate name=pace drop-only=true ! capssetter join=true replace=false caps=${caps}`;
}

/** Digital zoom: cuts a part out at run time (`left`, `right`, `top`, `bottom`), and makes it as large as before. */
export function zoom({ width, height }: PictureFormat): string {
  // The part has the shape of the whole but for a pixel or two: without the ratio the scaler would make up for these by
  // another ratio, which is another format to the encoder.
  const caps = `video/x-raw,width=${width},height=${height},pixel-aspect-ratio=1/1`;
  return `videocrop name=crop ! videoscale add-borders=false ! ${caps}`;
}

/**
 * What a USB camera is asked for: raw pictures of the size and rate that are wanted, else compressed ones, else
 * whatever it has. Without the last two a camera that has only other sizes would refuse.
 */
export function v4l2Formats({ width, height, frameRate }: PictureFormat): string {
  const exact = `width=${width},height=${height},framerate=[${frameRate}/1,120/1]`;
  return `capsfilter caps="video/x-raw,${exact};image/jpeg,${exact};video/x-raw;image/jpeg"`;
}

/** Frames from one keyframe to the next. */
export function keyframeFrames(encoder: EncoderName, settings: StreamSettings): number {
  const { keyframeIntervalMs, frameRate } = settings;
  return Math.max(encoder === 'v4l2h264enc' ? 2 : 1, Math.round((keyframeIntervalMs * frameRate) / 1000));
}

/** From raw pictures to H.264, in the board's encoder. */
export function encoder(capture: BoardCapture, settings: StreamSettings): string {
  const { convert, profile, level } = capture;
  const limits = [
    ...(profile === undefined ? [] : [`profile=${profile}`]),
    // GStreamer would take 4 for a number, and level 1b is none.
    ...(level === undefined ? [] : [`level=(string)${level}`]),
  ];
  const parts = [convert, encoderElement(capture, settings)];
  if (limits.length > 0) parts.push(`video/x-h264,${limits.join(',')}`);
  return parts.join(' ! ');
}

function encoderElement({ encoder: name, threads }: BoardCapture, settings: StreamSettings): string {
  const { bitrateKbps } = settings;
  const frames = keyframeFrames(name, settings);
  switch (name) {
    case 'x264enc':
      return (
        `x264enc name=encoder tune=zerolatency speed-preset=ultrafast threads=${threads} bitrate=${bitrateKbps} ` +
        `key-int-max=${frames} option-string=scenecut=0`
      );
    case 'openh264enc':
      return (
        `openh264enc name=encoder usage-type=camera complexity=low rate-control=bitrate ` +
        `multi-thread=${threads} bitrate=${bitrateKbps * 1000} gop-size=${frames}`
      );
    case 'v4l2h264enc':
      return (
        'v4l2h264enc name=encoder extra-controls="controls,repeat_sequence_header=1,' +
        `h264_i_frame_period=${frames},video_bitrate=${bitrateKbps * 1000}"`
      );
  }
}

/**
 * How a running encoder is told another bit rate: `bitrate` in bits per second times `perKbps`; undefined for one that
 * must begin anew, since the binding cannot set the structure that holds its controls.
 */
export const liveBitrate: Readonly<Record<EncoderName, { readonly perKbps: number } | undefined>> = {
  x264enc: { perKbps: 1 },
  openh264enc: { perKbps: 1000 },
  v4l2h264enc: undefined,
};

/**
 * The end of the picture's branch. `gdppay`: the binding hands over bytes without timestamps, and the GStreamer Data
 * Protocol carries them (media/gdp-parser.ts). `async=false` keeps a branch without data, such as the sound of a silent
 * file, from holding the others back.
 */
export function videoOutput(parser = 'h264parse'): string {
  return (
    `${parser} ! video/x-h264,stream-format=avc,alignment=au ! gdppay ! ` +
    'appsink name=video sync=false async=false max-buffers=64'
  );
}

export const audioRate = 48_000;
/** FFmpeg's AAC encoder begins with one frame of silence, and GStreamer does not take it off. */
export const aacPrimingUs = Math.round((1024 / audioRate) * 1_000_000);

/** From raw sound to AAC, and the end of the sound's branch. */
export const soundOutput =
  'avenc_aac bitrate=64000 ! aacparse ! audio/mpeg,mpegversion=4,stream-format=raw ! gdppay ! ' +
  'appsink name=audio sync=false async=false max-buffers=200';

export function sound(channels: number): string {
  return `audioconvert ! audioresample ! audio/x-raw,rate=${audioRate},channels=${channels}`;
}

/**
 * Sound of a clock that is not ours, of an IP camera or a microphone: what is missing becomes silence, what comes twice is
 * left out, so that its times never go back.
 */
export const evenSound = `${sound(1)} ! audiorate`;
