/**
 * The segments of one camera around what is being played, in order, asked for as playing needs them. Times in ms UTC.
 */
import type { RecordingsAnswer, SegmentAnswer } from '../api.ts';
import { getRecordingsPage } from './api-client.ts';
import { gapReason, playableSegments } from './recording-rows.ts';

const lookBehindMs = 15 * 60_000;
const lookAheadMs = 24 * 3_600_000;

/** One camera's segments; a new one for every camera. */
export class RecordingSource {
  private readonly camera: string;
  private segments: SegmentAnswer[] = [];
  private gaps: RecordingsAnswer['gaps'] = [];
  private unreachable: string[] = [];

  constructor(camera: string) {
    this.camera = camera;
  }

  /** The segment that holds a time, or else the next one; asks the server when it is not known. */
  async at(ms: number, signal: AbortSignal): Promise<SegmentAnswer | undefined> {
    const known = this.segments.find((segment) => endMs(segment) > ms);
    if (known !== undefined && startMs(known) <= ms) return known;
    await this.load(ms - lookBehindMs, ms + lookAheadMs, signal);
    const near = this.segments.find((segment) => endMs(segment) > ms);
    if (near !== undefined || ms + lookAheadMs > Date.now()) return near;
    await this.load(ms, Date.now() + 60_000, signal);
    return this.segments.find((segment) => endMs(segment) > ms);
  }

  /** The segment after this one, or this one again when it has grown. */
  async after(segment: SegmentAnswer, signal: AbortSignal): Promise<SegmentAnswer | undefined> {
    const next = segment.open ? undefined : this.next(segment);
    if (next !== undefined) return next;
    const start = startMs(segment);
    await this.load(start - lookBehindMs, start + lookAheadMs, signal);
    const again = this.segments.find((candidate) => candidate.url === segment.url);
    if (again !== undefined && (again.bytes > segment.bytes || again.to > segment.to)) return again;
    if (this.next(segment) === undefined && endMs(segment) + lookAheadMs < Date.now()) {
      await this.load(endMs(segment), Date.now() + 60_000, signal);
    }
    return this.next(segment);
  }

  /** The last segment that begins before a time, of those known. */
  before(ms: number): SegmentAnswer | undefined {
    return this.segments.findLast((segment) => startMs(segment) < ms);
  }

  /** Why there is nothing between two times, for people. */
  reason(fromMs: number, toMs: number): string {
    const missing = this.unreachable.length > 0 ? `; no answer from ${this.unreachable.join(', ')}` : '';
    return `${gapReason(this.gaps, fromMs, toMs)}${missing}`;
  }

  private next(segment: SegmentAnswer): SegmentAnswer | undefined {
    const place = this.segments.findIndex((candidate) => candidate.url === segment.url);
    return place < 0 ? this.segments.find((other) => other.from > segment.from) : this.segments[place + 1];
  }

  private async load(fromMs: number, toMs: number, signal: AbortSignal): Promise<void> {
    const answer = await getRecordingsPage(this.camera, { fromMs, toMs }, signal);
    this.segments = playableSegments(answer.segments);
    this.gaps = answer.gaps;
    this.unreachable = answer.unreachable;
  }
}

/** Start of a segment. */
export function startMs(segment: SegmentAnswer): number {
  return Date.parse(segment.from);
}

/** End of a segment, as far as it is written. */
export function endMs(segment: SegmentAnswer): number {
  return Date.parse(segment.to);
}
