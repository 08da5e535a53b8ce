/**
 * Fills a video element with a camera's recording from a time on, across segments, holders and gaps, as one stretch:
 * media time is seconds of wall-clock since the start of the first segment, so every frame has a date. Gaps stay holes.
 *
 * Invariant: fragments are appended in the order of time, so a hole with something behind it will never be filled.
 * Times in ms UTC unless named seconds.
 */
import type { SegmentAnswer } from '../api.ts';
import { ApiFailure } from './api-client.ts';
import { clockOrigin, frameTimes } from './fragment-samples.ts';
import { FrameIndex } from './frame-index.ts';
import { type MediaFeed, openMediaFeed } from './media-feed.ts';
import { endMs, RecordingSource, startMs } from './recording-source.ts';
import { readSegment, type SegmentInit, SegmentUnreadable } from './segment-reader.ts';
import { momentText } from './time-text.ts';

const queueBytesMax = 48 * 1024 * 1024;
/** while so much waits for the browser, no more is read */
const waitingBytesMax = 8 * 1024 * 1024;
/** media seconds kept ready, times the speed */
const aheadSeconds = 12;
/** two holders' idea of the same camera's UTC may differ by so much without a step in what is played */
const slewSecondsMax = 0.1;
/** segments further apart are dated anew: the camera's clock drifts */
const sameStretchMs = 10 * 60_000;
const pollMs = 2_000;
/** after this long, a segment that ended has no successor still to come */
const settledMs = 5 * 60_000;

export interface RecordingBufferEvents {
  /** media seconds that were played and are kept */
  readonly behindSeconds: number;
  /** The picture is to go on at this media time. */
  readonly onStart: (seconds: number) => void;
  /** Something was appended or removed. */
  readonly onChange: () => void;
  /** For people. */
  readonly onNote: (note: string) => void;
  /** Nothing follows; `seek` may try again. */
  readonly onFailed: (note: string) => void;
}

/** See the top of this file; constructed empty, filled by `fillFrom`. */
export class RecordingBuffer {
  readonly source: RecordingSource;
  /** what was appended */
  readonly frames = new FrameIndex();
  /** wall-clock of media time 0 */
  originMs = 0;
  /** how fast it is played: more is kept ready */
  speed = 1;
  /** everything up to the end of the recording was appended */
  finished = false;
  private readonly video: HTMLVideoElement;
  private readonly events: RecordingBufferEvents;
  private run = new AbortController();
  /** what is to be shown first */
  private showMs = 0;
  private feed: MediaFeed | undefined;
  private shape = '';
  private mime = '';
  private places: { fromMs: number; server: string }[] = [];
  /** where what can be played began before any of it was forgotten, in media seconds */
  private firstSeconds = Number.POSITIVE_INFINITY;
  /** ms UTC of the camera's clock at 0, and near which segment that was found */
  private lastClock: { captureId: string; zeroMs: number; nearMs: number } | undefined;

  constructor(video: HTMLVideoElement, camera: string, events: RecordingBufferEvents) {
    this.video = video;
    this.source = new RecordingSource(camera);
    this.events = events;
  }

  /** Begins anew at a time, or at the next that is recorded; with what lies `leadMs` before it, too. */
  fillFrom(ms: number, leadMs = 0): void {
    this.run.abort();
    this.run = new AbortController();
    this.showMs = ms;
    void this.fill(ms - leadMs, this.run.signal);
  }

  /** What can be played; undefined while that is about to change without more being played. */
  get ranges(): MediaFeed['ranges'] | undefined {
    return this.feed?.idle === true || this.feed?.full === true ? this.feed.ranges : undefined;
  }

  /** What can be played now, even if that is about to grow. */
  get present(): MediaFeed['ranges'] {
    return this.feed?.ranges ?? [];
  }

  /** What was before this time was forgotten, played or not; −∞: nothing was. */
  get keptFromMs(): number {
    const start = this.present[0]?.start ?? Number.NEGATIVE_INFINITY;
    return start > this.firstSeconds ? this.originMs + start * 1000 : Number.NEGATIVE_INFINITY;
  }

  /** Whether there is a media time at all. */
  get opened(): boolean {
    return this.feed !== undefined;
  }

  /** Who holds what is played at a time. */
  serverAt(ms: number): string | undefined {
    return this.places.findLast((place) => place.fromMs <= ms + 1)?.server;
  }

  close(): void {
    this.run.abort();
    this.feed?.close();
  }

  private async fill(fromMs: number, signal: AbortSignal): Promise<void> {
    this.finished = false;
    try {
      const first = await this.firstSegment(fromMs, signal);
      if (first === undefined) return;
      this.showMs = first.ms < fromMs ? first.ms : Math.max(this.showMs, first.ms);
      await this.rewind(first.ms, signal);
      let segment: SegmentAnswer | undefined = first.segment;
      let place: { from: number; resume: number | undefined } = {
        from: (first.ms - startMs(segment)) / 1000,
        resume: undefined,
      };
      while (segment !== undefined) {
        const done = await this.appendSegment(segment, place, signal);
        const next: SegmentAnswer | undefined = await this.nextSegment(segment, signal);
        const grown = next?.url === segment.url;
        place = { from: grown ? place.from : 0, resume: grown ? done : undefined };
        segment = next;
      }
    } catch (problem) {
      if (signal.aborted) return;
      if (problem instanceof ApiFailure) this.events.onFailed(`${problem.message} ${problem.advice}`);
      else if (problem instanceof SegmentUnreadable) this.events.onFailed(problem.message);
      else throw problem;
    }
  }

  private async firstSegment(
    fromMs: number,
    signal: AbortSignal,
  ): Promise<{ segment: SegmentAnswer; ms: number } | undefined> {
    const segment = await this.source.at(fromMs, signal);
    if (segment !== undefined) {
      const start = startMs(segment);
      if (start > this.showMs + 1_000) {
        const reason = this.source.reason(this.showMs, start);
        this.events.onNote(`Nothing recorded at ${momentText(this.showMs)} (${reason}). Plays the next.`);
      }
      return { segment, ms: Math.max(start, fromMs) };
    }
    const last = this.source.before(fromMs);
    if (last === undefined) {
      this.events.onFailed(`Nothing is recorded at ${momentText(fromMs)} or later.`);
      return undefined;
    }
    this.events.onNote(`The recording ends at ${momentText(endMs(last))}. Plays its last seconds.`);
    return { segment: last, ms: Math.max(startMs(last), endMs(last) - 10_000) };
  }

  /**
   * Appends a segment from `from` seconds after its start, or what follows the fragment at `resume`; returns where the
   * last appended fragment is, in seconds after the segment's start.
   */
  private async appendSegment(
    segment: SegmentAnswer,
    place: { from: number; resume: number | undefined },
    signal: AbortSignal,
  ): Promise<number | undefined> {
    let done = place.resume;
    let init: SegmentInit | undefined;
    let offset: number | undefined;
    // the fragment that was appended last is read again, as reading begins with the one that holds a time
    const from = done ?? place.from;
    try {
      for await (const part of readSegment(segment, from, signal)) {
        if (part.kind === 'init') {
          await this.appendInit(part, { segment, from: place.from, resumed: done !== undefined }, signal);
          init = part;
        } else if (init !== undefined && (done === undefined || part.time - init.firstTime > done)) {
          done = part.time - init.firstTime;
          offset ??= this.offsetOf(segment, init.firstTime, clockOrigin(part.bytes) ?? 0);
          await this.room(part.time + offset, signal);
          this.append(part.bytes, init, offset);
        }
      }
    } catch (problem) {
      const known = problem instanceof ApiFailure || problem instanceof SegmentUnreadable;
      if (signal.aborted || !known || this.feed === undefined) throw problem;
      const when = `${momentText(startMs(segment))} to ${momentText(endMs(segment))}`;
      this.events.onNote(`Left out ${when} on ${segment.server}: ${problem.message}`);
    }
    return done;
  }

  private append(bytes: Uint8Array, { summary }: SegmentInit, offset: number): void {
    this.frames.add(
      frameTimes(bytes, summary).map(({ time, keyframe }) => ({ time: time + offset, keyframe })),
    );
    this.feed?.append(bytes, offset);
  }

  private async appendInit(
    init: SegmentInit,
    place: { segment: SegmentAnswer; from: number; resumed: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const { segment } = place;
    if (this.feed === undefined || this.shape !== init.summary.shape) {
      if (this.feed !== undefined) await this.playedOut(signal);
      this.openFeed(init, segment);
      this.events.onStart(Math.max(place.from, (this.showMs - this.originMs) / 1000));
    } else if (this.mime !== init.summary.mime) {
      this.feed.changeType(init.summary.mime);
    }
    this.mime = init.summary.mime;
    this.shape = init.summary.shape;
    this.feed?.append(init.bytes);
    if (place.resumed) return;
    this.places.push({ fromMs: startMs(segment), server: segment.server });
    if (this.places.length > 2_000) this.places.shift();
  }

  private openFeed(init: SegmentInit, segment: SegmentAnswer): void {
    this.forget();
    this.originMs = startMs(segment);
    const { mime } = init.summary;
    this.feed = openMediaFeed(this.video, mime, {
      queueBytesMax,
      onChange: () => {
        this.firstSeconds = Math.min(this.firstSeconds, this.present[0]?.start ?? this.firstSeconds);
        this.events.onChange();
      },
      onTrouble: (reason) => {
        this.run.abort();
        this.forget();
        this.events.onFailed(`The browser cannot go on: ${reason}`);
      },
    });
    if (this.feed === undefined) throw new SegmentUnreadable(`This browser cannot play ${mime}.`);
  }

  private async rewind(ms: number, signal: AbortSignal): Promise<void> {
    if (this.feed === undefined || ms < this.originMs) {
      this.forget();
      return;
    }
    this.places = [];
    this.frames.clear();
    // a seek before that would find what is about to go
    await this.feed.clear();
    if (signal.aborted) throw new ApiFailure('ABORTED', 'No longer needed.', '');
    this.firstSeconds = Number.POSITIVE_INFINITY;
    this.events.onStart((Math.max(ms, this.showMs) - this.originMs) / 1000);
  }

  private forget(): void {
    this.feed?.close();
    this.feed = undefined;
    this.places = [];
    this.firstSeconds = Number.POSITIVE_INFINITY;
    this.frames.clear();
  }

  /**
   * What is added to a segment's times. Through one capture the camera's own clock goes on, whoever holds it, so that a
   * hand-over leaves neither a hole nor an overlap, and a picture keeps its time when the buffer is filled anew from
   * elsewhere; `clock` is what it says at the segment's time 0.
   */
  private offsetOf(segment: SegmentAnswer, firstTime: number, clock: number): number {
    const exact = (startMs(segment) - this.originMs) / 1000 - firstTime;
    const { captureId } = segment;
    const nearMs = startMs(segment);
    const last = this.lastClock;
    const same = last?.captureId === captureId && Math.abs(nearMs - last.nearMs) < sameStretchMs;
    const offset = same ? (last.zeroMs - this.originMs) / 1000 + clock : exact;
    const keeps = same && Math.abs(offset - exact) < slewSecondsMax;
    const zeroMs = keeps ? last.zeroMs : this.originMs + (exact - clock) * 1000;
    this.lastClock = { captureId, zeroMs, nearMs };
    return keeps ? offset : exact;
  }

  /** The next segment; near the present, waits for it to be written. Undefined at the end of everything. */
  private async nextSegment(segment: SegmentAnswer, signal: AbortSignal): Promise<SegmentAnswer | undefined> {
    for (;;) {
      const next = await this.source.after(segment, signal);
      if (next !== undefined) return next;
      if (!segment.open && Date.now() - endMs(segment) > settledMs) {
        this.finished = true;
        this.feed?.end();
        return undefined;
      }
      await until(() => false, pollMs, signal);
    }
  }

  /** Waits while enough is buffered, then forgets what was played long ago. */
  private async room(nextSeconds: number, signal: AbortSignal): Promise<void> {
    const enough = () =>
      (this.feed?.waitingBytes ?? 0) > waitingBytesMax ||
      this.readySeconds(nextSeconds) >= aheadSeconds * this.speed;
    await until(() => !enough(), Number.POSITIVE_INFINITY, signal);
    const keepFrom = this.video.currentTime - this.events.behindSeconds;
    const first = this.feed?.ranges[0]?.start;
    if (first !== undefined && first < keepFrom - 20) this.feed?.remove(0, keepFrom);
  }

  /** Seconds ready to play, holes not counted; while the browser is busy, everything before `limit`. */
  private readySeconds(limit: number): number {
    const now = this.video.currentTime;
    const ranges = this.ranges ?? [{ start: now, end: limit }];
    return ranges.reduce((sum, range) => sum + Math.max(0, range.end - Math.max(now, range.start)), 0);
  }

  private playedOut(signal: AbortSignal): Promise<void> {
    const done = () => this.video.currentTime >= (this.present.at(-1)?.end ?? 0) - 0.1;
    return until(() => this.feed?.idle === true && done(), Number.POSITIVE_INFINITY, signal);
  }
}

async function until(done: () => boolean, limitMs: number, signal: AbortSignal): Promise<void> {
  const begun = performance.now();
  while (!signal.aborted && !done() && performance.now() - begun < limitMs) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  if (signal.aborted) throw new ApiFailure('ABORTED', 'No longer needed.', '');
}
