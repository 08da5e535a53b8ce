/**
 * A segment's inside as JSON, from one server to another: SegmentDetail with the decoder configs in base64. What
 * arrives is checked field by field, because a peer may be of another version or broken.
 */
import { z } from 'zod';
import { isId } from '../base/ids.ts';
import { sampleBytesMax } from '../media/sample.ts';
import type { SegmentDetail } from '../recording/archive.ts';

/** Source of a pattern: a segment's name, which becomes part of paths. */
export const segmentNamePattern = '\\d{4}-\\d{2}-\\d{2}/\\d{6}\\.\\d{3}Z-\\d{1,10}-\\d{1,10}';
export const segmentNameJson = z.string().regex(new RegExp(`^${segmentNamePattern}$`));

/** More than any 60 s segment has; bounds against a broken peer. */
const fragmentsMax = 20_000;
export const detailBytesMax = 2 * 1024 * 1024;
/** Those of the recorder have 1 MiB, and one sample more. */
const fragmentBytesMax = 2 * sampleBytesMax;

const count = z.number().int().nonnegative();
const time = z.number().int();
const idText = z.string().refine(isId);

const formatJson = z.object({
  codec: z.enum(['h264', 'aac']),
  config: z
    .base64()
    .max(8192)
    .transform((text) => Buffer.from(text, 'base64')),
  width: count,
  height: count,
  sampleRate: count,
  channels: count,
});

const detailJson = z.object({
  listing: z.object({
    camera: idText,
    name: segmentNameJson,
    fromUs: time,
    toUs: time,
    bytes: count,
    captureId: z.string().max(64),
    epoch: count,
    open: z.boolean(),
  }),
  initBytes: count.positive(),
  tracks: z
    .array(
      z.object({
        camera: idText,
        kind: z.enum(['video', 'audio']),
        rendition: z.enum(['main', 'sub']),
        captureId: z.string().max(64),
        format: formatJson,
      }),
    )
    .min(1)
    .max(16),
  fragments: z
    .array(
      z.object({
        offset: count,
        bytes: count.positive().max(fragmentBytesMax),
        fromPtsUs: time,
        toPtsUs: time,
        mapping: z.object({ offsetUs: time, uncertaintyUs: count }),
        tracks: z
          .array(z.object({ trackId: count.positive(), firstSequence: count, count: count.positive() }))
          .max(16),
      }),
    )
    .max(fragmentsMax),
});

/** JSON text of a segment's inside. */
export function formatDetail(detail: SegmentDetail): string {
  const tracks = detail.tracks.map((track) => ({
    ...track,
    format: { ...track.format, config: track.format.config.toString('base64') },
  }));
  return JSON.stringify({ ...detail, tracks });
}

/** Reads it back; undefined when it is not one. */
export function parseDetail(json: unknown): SegmentDetail | undefined {
  return detailJson.safeParse(json).data;
}
