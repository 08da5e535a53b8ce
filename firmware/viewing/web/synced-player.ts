/**
 * Plays one camera's recording by a clock that it shares with others: follows it by small changes of its rate, by a seek
 * where it is far off, and waits where the camera recorded nothing. Times in ms UTC unless named seconds.
 */
import { DisplayedFrames } from './displayed-frames.ts';
import { correctionOf, type PlaybackClock } from './playback-clock.ts';
import { recordedOf } from './recorded.ts';
import { RecordingBuffer } from './recording-buffer.ts';
import type { Place } from './recordings-cache.ts';

/** So long after a seek the position says nothing. */
const settleMs = 250;
/** What is buffered so close behind the clock will do: it is filled in order. */
const fillAheadMs = 20_000;
const retryMs = 3_000;
/** Shorter holes are breaks between segments: there is nothing to find in them. */
const breakSeconds = 1.5;

export interface SyncedStatus {
  /** `gap`: the camera recorded nothing at this time */
  readonly state: 'loading' | 'showing' | 'gap' | 'failed';
  /** why nothing is shown; for people */
  readonly note: string;
  readonly server: string | undefined;
}

/** See the top of this file; `steer` is called ten times a second. */
export class SyncedPlayer {
  readonly camera: string;
  /** since when it has nothing to show although there should be something; undefined: it has */
  loadingSince: number | undefined;
  status: SyncedStatus = { state: 'loading', note: '', server: undefined };
  private readonly video: HTMLVideoElement;
  private readonly clock: PlaybackClock;
  private readonly buffer: RecordingBuffer;
  private readonly frames: DisplayedFrames;
  private filledFromMs: number | undefined;
  private filledAt = 0;
  private problem = '';
  private soughtAt = 0;

  constructor(video: HTMLVideoElement, camera: string, clock: PlaybackClock) {
    this.video = video;
    this.camera = camera;
    this.clock = clock;
    this.frames = new DisplayedFrames(video, () => this.tell());
    this.buffer = new RecordingBuffer(video, camera, {
      behindSeconds: 10,
      // the buffer keeps what is around the playing position
      onStart: (seconds) => {
        video.currentTime = seconds;
        this.soughtAt = 0;
      },
      onChange: () => {},
      onNote: () => {},
      onFailed: (note) => {
        this.problem = note;
      },
    });
    video.dataset.camera = camera;
    this.frames.watch();
  }

  close(): void {
    this.buffer.close();
    this.frames.close();
    this.video.removeAttribute('src');
    this.video.load();
  }

  /** Media seconds before the clock; undefined while nothing is shown, or just after a seek. */
  get aheadSeconds(): number | undefined {
    const settling = this.video.seeking || performance.now() - this.soughtAt < settleMs;
    if (this.status.state !== 'showing' || settling) return undefined;
    return this.video.currentTime - this.mediaTime(this.clock.atMs);
  }

  /** When the picture that belongs to a time began, as far as that is known. */
  changedMs(ms: number): number | undefined {
    return this.beside(ms, -1, false);
  }

  /** When the picture after a time is (`direction` 1) or the one before it (−1), or the keyframe there. */
  beside(ms: number, direction: 1 | -1, keyframes: boolean): number | undefined {
    const { frames, originMs } = this.buffer;
    const time = this.mediaTime(ms);
    const to = keyframes ? frames.keyframeBeside(time, direction) : frames.beside(time, direction);
    return to === undefined ? undefined : originMs + to * 1_000;
  }

  /** Brings the video to where the clock is. */
  steer(): void {
    const ms = this.clock.atMs;
    this.buffer.speed = this.clock.speed;
    const place = recordedOf(this.camera).recordings.at(ms);
    const media = this.mediaTime(ms);
    const { ranges } = this.buffer;
    // while the browser takes something in, what it had is still there
    if (ranges === undefined && this.status.state === 'showing') return this.follow(media);
    const inside = ranges?.some(({ start, end }) => media >= start - 0.05 && media < end) ?? false;
    if (inside) {
      this.loadingSince = undefined;
      this.set({ state: 'showing', note: '', server: this.buffer.serverAt(ms) });
      this.follow(media);
      return;
    }
    this.video.pause();
    if (place?.kind === 'gap' || this.passedOver(ms, place?.kind === 'stretch')) {
      this.loadingSince = undefined;
      this.set({ state: 'gap', note: this.whyNothing(ms, place), server: undefined });
      // what follows the gap is ready when it is over
      if (place?.kind === 'gap' && place.toMs - ms < 15_000) this.fill(place.toMs);
      return;
    }
    this.loadingSince ??= performance.now();
    this.fill(ms);
    const failed = this.problem !== '';
    this.set({ state: failed ? 'failed' : 'loading', note: this.problem, server: undefined });
  }

  /**
   * Whether nothing will come at a time: the buffer is filled in order, so a hole with something behind it stays one.
   * What was forgotten can be had again, and what is listed as recorded by now is tried once more.
   */
  private passedOver(ms: number, recorded: boolean): boolean {
    const { ranges, originMs, keptFromMs } = this.buffer;
    const media = this.mediaTime(ms);
    const after = ranges?.find(({ start }) => start > media);
    if (after === undefined || this.filledFromMs === undefined) return false;
    if (ms < Math.max(this.filledFromMs, keptFromMs)) return false;
    const before = ranges?.findLast(({ end }) => end <= media);
    const tried = before === undefined || this.filledFromMs >= originMs + before.end * 1_000;
    if (tried || !recorded || after.start - before.end < breakSeconds) return true;
    this.filledFromMs = undefined;
    return false;
  }

  private whyNothing(ms: number, place: Place): string {
    if (place?.kind === 'stretch') return 'This part of the recording cannot be played.';
    const reason = place?.kind === 'gap' ? place.reason : this.buffer.source.reason(ms, ms + 1);
    return `No recording: ${reason}`;
  }

  private follow(media: number): void {
    const { video, clock } = this;
    if (video.seeking || performance.now() - this.soughtAt < settleMs) return;
    const ahead = video.currentTime - media;
    if (!clock.running) {
      if (!video.paused) video.pause();
      if (Math.abs(ahead) > 0.004) this.seek(media);
      return;
    }
    const correction = correctionOf(ahead, clock.speed);
    // a seek takes a moment, in which the clock goes on
    if (correction.kind === 'seek') this.seek(media + 0.08 * clock.speed);
    else if (video.playbackRate !== correction.rate) video.playbackRate = correction.rate;
    if (video.paused) video.play().catch(() => {});
  }

  private seek(media: number): void {
    this.soughtAt = performance.now();
    this.video.currentTime = media;
  }

  /** Has the buffer filled from a time, unless it is on its way there. */
  private fill(ms: number): void {
    const now = performance.now();
    const end = this.buffer.ranges?.at(-1)?.end;
    const coming =
      this.filledFromMs !== undefined &&
      ms >= Math.max(this.filledFromMs - 500, this.buffer.keptFromMs) &&
      (end === undefined || this.mediaTime(ms) < end + fillAheadMs / 1_000);
    if (coming && (this.problem === '' || now - this.filledAt < retryMs)) return;
    if (now - this.filledAt < 200) return;
    this.problem = '';
    this.filledFromMs = ms;
    this.filledAt = now;
    this.buffer.fillFrom(ms);
  }

  private mediaTime(ms: number): number {
    return (ms - this.buffer.originMs) / 1_000;
  }

  private set(status: SyncedStatus): void {
    this.status = status;
    this.tell();
  }

  private tell(): void {
    const { dataset } = this.video;
    dataset.state = this.status.state;
    dataset.displayedFrames = String(this.frames.count);
    const ahead = this.aheadSeconds;
    if (ahead === undefined) delete dataset.ahead;
    else dataset.ahead = ahead.toFixed(4);
  }
}
