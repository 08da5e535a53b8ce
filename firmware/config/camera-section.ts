/**
 * The settings of a camera unit: its cameras, where their pictures come from, and what is kept for a server that is away.
 * A password is never needed here: a file holds it.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { choice, id, integer, listOf, path, pixels, section, textThat, withoutRepeats } from './fields.ts';
import { gpioFaults, gpioSection } from './gpio-section.ts';
import { mountSection } from './mount-section.ts';
import { parseSourceSpec } from './source-spec.ts';

const source = z.string({ error: 'expected a source' }).transform((text, context) => {
  const spec = parseSourceSpec(text);
  if (spec.ok) return spec.value;
  context.addIssue({ code: 'custom', message: spec.reason });
  return z.NEVER;
});

const rtspSection = section({
  user: textThat((text) => /^[^\p{Cc}\p{Cs}]{1,128}$/u.test(text), 'expected a name of 1..128 characters')
    .optional()
    .describe('name to give; by default the one in the address'),
  passwordFile: path
    .optional()
    .describe('file whose first line is the password to give; read again for every connection'),
  password: z.undefined({ error: 'put it into a file and name that in passwordFile' }).optional(),
  transport: choice(['tcp', 'udp'])
    .default('tcp')
    .describe(
      'how the pictures come: tcp loses nothing and passes firewalls; udp is for cameras that do no other',
    ),
  latencyMs: integer(0, 5000)
    .default(200)
    .describe('how long pictures wait for others that were overtaken, ms'),
  verify: z
    .boolean({ error: 'expected true or false' })
    .default(true)
    .describe('whether the certificate of an rtsps camera must be of an authority that the system trusts'),
});

const camera = section({
  id: id.describe('name of the camera, unique in the site'),
  source: source
    .prefault('test')
    .describe(
      'test, csi (the camera on the ribbon cable), csi:NAME when there are two, /dev/videoN, rtsp://HOST/PATH, file:PATH or the path of a media file',
    ),
  rtsp: rtspSection
    .optional()
    .describe('how to speak to the IP camera of an rtsp source; its H.264 is recorded as it is'),
  microphone: textThat(
    (text) => /^[A-Za-z][\w:=,.-]{0,63}$/.test(text),
    'expected an ALSA device such as hw:1 or plughw:CARD=Device',
  )
    .optional()
    .describe(
      'ALSA device that hears what a csi or /dev/videoN source sees; by default that of the board, if it has one',
    ),
  width: pixels(160, 3840).default(1280).describe('picture width, pixels'),
  height: pixels(120, 2160).default(720).describe('picture height, pixels'),
  frameRate: integer(1, 60).default(25).describe('frames per second'),
  bitrateKbps: integer(64, 20_000).default(2000).describe('video bit rate, kbit/s'),
  keyframeIntervalMs: integer(250, 10_000).default(1000).describe('time from one keyframe to the next, ms'),
  audio: z.boolean({ error: 'expected true or false' }).default(true).describe('whether sound is recorded'),
  mount: mountSection.prefault({}),
})
  .refine(({ source, mount }) => source.kind !== 'rtsp' || mount.kind !== 'digital', {
    path: ['mount', 'kind'],
    error: 'expected a mount that turns the camera: pictures of an rtsp source come as they are',
  })
  .refine(({ source, rtsp }) => source.kind === 'rtsp' || rtsp === undefined, {
    path: ['rtsp'],
    error: 'expected a source rtsp://…, since there are settings of it',
  });

const outbox = section({
  secondsMax: integer(1, 600)
    .default(60)
    .describe('longest time of samples kept for a server that is away, s'),
  bytesMax: integer(1_048_576, 1_073_741_824).default(33_554_432).describe('most bytes of samples kept'),
});

export const cameraSection = section({
  cameras: withoutRepeats(
    listOf(camera, 1, 8),
    (item) => (item as { id?: unknown } | null)?.id ?? Symbol('no id'),
    'expected cameras with different ids',
  ).describe('the cameras of this unit'),
  outbox: outbox.prefault({}).describe('samples that no server has acknowledged'),
  gpio: gpioSection,
})
  .superRefine(({ cameras, gpio }, context) => {
    for (const { path, error } of gpioFaults(cameras, gpio))
      context.addIssue({ code: 'custom', path, message: error });
  })
  .describe('settings of a camera unit');

export type CameraConfig = CameraSection['cameras'][number];
export type CameraDocument = z.input<typeof camera>;
type CameraSection = z.output<typeof cameraSection>;

/** The same settings with the paths of files from `folder` on. */
export function camerasFrom(section: CameraSection, folder: string): CameraSection {
  return { ...section, cameras: section.cameras.map((one) => filesFrom(one, folder)) };
}

function filesFrom(one: CameraConfig, folder: string): CameraConfig {
  const { source, rtsp } = one;
  if (source.kind === 'file') return { ...one, source: { kind: 'file', path: resolve(folder, source.path) } };
  if (rtsp?.passwordFile === undefined) return one;
  return { ...one, rtsp: { ...rtsp, passwordFile: resolve(folder, rtsp.passwordFile) } };
}
