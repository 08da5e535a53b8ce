/** A sample made of nothing, for tests that never decode it. */
import type { Sample } from '../../firmware/media/sample.ts';

/** A delta frame of 100 bytes and 40 ms, unless told otherwise; the payload repeats its sequence. Times are µs. */
export function sampleOf(
  fields: Partial<Omit<Sample, 'payload'>> & { sequence: number; ptsUs: number },
): Sample {
  const { bytes = 100 } = fields;
  const payload = [Buffer.alloc(bytes, fields.sequence & 0xff)];
  return { durationUs: 40_000, compositionUs: 0, keyframe: false, ...fields, payload, bytes };
}
