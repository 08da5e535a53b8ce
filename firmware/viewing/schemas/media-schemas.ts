/** What is asked of, and answered about, days, playlists and single frames. */
import { z } from '@hono/zod-openapi';
import { count, id, timeQuery, wholeNumber } from './fields.ts';

/** Of all that a place on earth may be from UTC, in minutes. */
const offsetQuery = z
  .string()
  .regex(/^[+-]?\d{1,4}$/, 'expected minutes east of UTC, -840 to 840')
  .default('0')
  .openapi({ type: 'integer', minimum: -840, maximum: 840, description: 'minutes east of UTC' });

export const daysQuery = z.object({
  month: z
    .string()
    .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'expected a month such as 2026-11')
    .openapi({ example: '2026-11' }),
  offset: offsetQuery,
});

export const daysAnswer = z
  .object({
    camera: id,
    month: z.string(),
    days: z
      .array(z.object({ day: z.string().openapi({ format: 'date' }), seconds: count }))
      .describe('of which there is anything'),
    unreachable: z.array(id).describe('servers that did not answer; what they have is missing here'),
  })
  .openapi('DaysAnswer');

export const playlistQuery = z.object({
  from: timeQuery.optional(),
  to: timeQuery.optional().describe('without both: a live playlist of what was stored last'),
});

export const frameQuery = z.object({
  at: timeQuery.optional().describe('by default the newest frame of the live camera'),
  width: wholeNumber(16, 3840).optional().describe('pixels; never more than the camera has'),
  exact: z.enum(['0', '1']).optional().describe('1: the frame of that very time, not the keyframe before it'),
});

export const keyframeQuery = z.object({ at: timeQuery });

/** A day's folder and a file in it, as names of segments have them. */
export const segmentParams = z.object({
  camera: id,
  server: id,
  day: z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'expected the url of a playlist or a list of recordings'),
  segment: z
    .string()
    .regex(/^\d{6}\.\d{3}Z-\d{1,10}-\d{1,10}$/, 'expected the url of a playlist or a list of recordings'),
  file: z.string().max(20),
});
