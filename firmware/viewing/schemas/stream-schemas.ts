/** How a camera streams: what is in force, and what may be changed. */
import { z } from '@hono/zod-openapi';
import { type StreamSettings, streamBounds } from '../../media/stream-settings.ts';
import { count, id } from './fields.ts';

export const streamAnswer = z
  .object({
    camera: id,
    manager: id,
    bitrateKbps: count,
    frameRate: count,
    keyframeIntervalMs: count,
    restarted: z.boolean().describe('the capture was restarted for the change: a moment is missing'),
  })
  .openapi('StreamAnswer');

function setting(name: keyof StreamSettings) {
  const [min, max] = streamBounds[name];
  const expected = `expected ${min}..${max}`;
  return z.number(expected).int(expected).min(min, expected).max(max, expected).optional();
}

export const streamWish = z
  .strictObject({
    bitrateKbps: setting('bitrateKbps'),
    frameRate: setting('frameRate'),
    keyframeIntervalMs: setting('keyframeIntervalMs'),
    reset: z.boolean().optional().describe("back to the unit's settings first"),
  })
  .refine((wish) => Object.values(wish).some((value) => value !== undefined && value !== false), {
    error: 'nothing to change',
  })
  .openapi('StreamWish');
