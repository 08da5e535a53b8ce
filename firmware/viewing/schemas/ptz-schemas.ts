/** What the routes of pan, tilt and zoom take and answer. Degrees; zoom is a factor, 1 is the whole picture. */
import { z } from '@hono/zod-openapi';
import { isPresetName } from '../../base/given-name.ts';
import { id } from './fields.ts';

const pan = z.number().describe('degrees, to the right; 0 is straight ahead');
const tilt = z.number().describe('degrees, upwards');
const zoom = z.number().describe('factor; 1 shows everything');

const position = z.object({ pan, tilt, zoom });

/** `[min, max]` of an axis, null for one that does not move. */
const range = z.tuple([z.number(), z.number()]).nullable();

export const presetName = z
  .string()
  .refine(isPresetName, 'expected a name of 1 to 32 characters without slashes')
  .openapi({ example: 'gate' });

export const ptzAnswer = z
  .object({
    camera: id,
    position: position.nullable().describe('where it looks now; null without a mount'),
    moving: z.boolean(),
    limits: z.object({ pan: range, tilt: range, zoom: range }),
    fieldOfView: z
      .number()
      .nullable()
      .describe('degrees from the left to the right edge of the picture at zoom 1; divide by the zoom'),
    presets: z
      .array(position.extend({ name: presetName }))
      .describe('`home` first, which is always there; the others by name'),
  })
  .openapi('PtzAnswer');

const degrees = z.number().min(-720, 'expected -720..720').max(720, 'expected -720..720');
const factor = z.number().min(-100, 'expected -100..100').max(100, 'expected -100..100');
const share = z.number().min(-1, 'expected -1..1').max(1, 'expected -1..1');

export const ptzCommand = z
  .strictObject({
    pan: degrees.optional(),
    tilt: degrees.optional(),
    zoom: factor.optional(),
    relative: z.boolean().optional().describe('pan, tilt and zoom are added to where it goes now'),
    velocity: z
      .strictObject({ pan: share.optional(), tilt: share.optional(), zoom: share.optional() })
      .optional()
      .describe(
        'turns on, as a share of full speed from -1 to 1 (slower the more it is zoomed in), until told otherwise; ' +
          'send it again at least every 500 ms: without that it stops after 1 s',
      ),
    preset: presetName.optional().describe('goes there; `home` is always there'),
    stop: z.boolean().optional(),
  })
  .refine((wish) => ways(wish) === 1, 'expected one of pan/tilt/zoom, velocity, preset, stop')
  .refine(({ stop }) => stop !== false, { path: ['stop'], error: 'expected true' })
  .openapi('PtzCommand');

function ways(wish: {
  pan?: number | undefined;
  tilt?: number | undefined;
  zoom?: number | undefined;
  velocity?: object | undefined;
  preset?: string | undefined;
  stop?: boolean | undefined;
}): number {
  const goes = [wish.pan, wish.tilt, wish.zoom].some((value) => value !== undefined);
  const others = [wish.velocity, wish.preset, wish.stop].filter((value) => value !== undefined);
  return Number(goes) + others.length;
}
