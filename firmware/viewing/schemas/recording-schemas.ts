/** Answers about recordings, and ranges of them that are kept whatever retention says. */
import { z } from '@hono/zod-openapi';
import { count, id, time, timeQuery } from './fields.ts';

export const segmentAnswer = z
  .object({
    server: id,
    name: z.string(),
    from: time,
    to: time,
    bytes: count,
    captureId: z.string(),
    epoch: count,
    open: z.boolean(),
    url: z.string().describe('path on any server'),
  })
  .openapi('SegmentAnswer');

/** A range that retention never deletes, on whatever server. */
export const protectedRangeAnswer = z
  .object({
    id: z.string(),
    from: time,
    to: time,
    note: z.string(),
    by: z.string().describe('who wanted it'),
    at: time,
  })
  .openapi('ProtectedRangeAnswer');

export const recordingsAnswer = z
  .object({
    camera: id,
    segments: z.array(segmentAnswer).describe('of all holders, by start'),
    gaps: z.array(z.object({ from: time, to: time, reason: z.string() })),
    protected: z
      .array(protectedRangeAnswer)
      .optional()
      .describe('always there: those that overlap the range; retention never deletes them'),
    resolution: z.number().optional().describe('with ?resolution: seconds; shorter holes are closed'),
    covered: z
      .array(z.object({ server: id, from: time, to: time }))
      .optional()
      .describe('with ?resolution, instead of segments: what each server has, by start'),
    unreachable: z.array(id),
    truncated: z.boolean().describe("the list was cut at the limit; ask again from the last segment's end"),
  })
  .openapi('RecordingsAnswer');

export const protectedAnswer = z
  .object({ camera: id, ranges: z.array(protectedRangeAnswer).describe('by start') })
  .openapi('ProtectedAnswer');

const noteCharactersMax = 400;

export const protectWish = z
  .strictObject({
    from: timeQuery,
    to: timeQuery,
    note: z.string().max(noteCharactersMax, `expected ${noteCharactersMax} characters at most`).default(''),
    by: z
      .string()
      .max(64, 'expected 64 characters at most')
      .optional()
      .describe('who wants it; only where nobody signs in, otherwise it is whoever asks'),
  })
  .openapi('ProtectWish');
