/**
 * Plays a camera's recording on a video element: seeks by wall-clock, crosses gaps with a note, and tells the time of
 * the frame that is really shown. What there is to play is the timeline's business. Times in ms UTC.
 */
import { DisplayedFrames } from './displayed-frames.ts';
import { endMs, startMs } from './recording-source.ts';
import { RecordingTimeline } from './recording-timeline.ts';
import { durationText, momentText } from './time-text.ts';

const noteMs = 12_000;

export interface RecordingStatus {
  readonly state: 'loading' | 'playing' | 'paused' | 'ended' | 'failed';
  /** of the displayed frame */
  readonly wallClockMs: number | undefined;
  /** who holds what is shown */
  readonly server: string | undefined;
  /** what was jumped over, or why nothing plays; for people */
  readonly note: string;
}

export interface RecordingPlayerOptions {
  readonly camera: string;
  /** Called five times a second, and for every frame shown. */
  readonly onStatus: (status: RecordingStatus) => void;
}

/** Opens a player that shows nothing until `seek`. */
export function playRecording(video: HTMLVideoElement, options: RecordingPlayerOptions): RecordingPlayer {
  const player = new RecordingPlayer(video, options);
  player.open();
  return player;
}

/** See the top of this file; made by `playRecording`. */
export class RecordingPlayer {
  private readonly video: HTMLVideoElement;
  private readonly options: RecordingPlayerOptions;
  private readonly timeline: RecordingTimeline;
  private readonly frames: DisplayedFrames;
  private readonly stop = new AbortController();
  private wantsToPlay = true;
  private speed = 1;
  /** media time to go to as soon as the video can, in seconds */
  private startAt: number | undefined;
  /** no frame was shown since the last seek */
  private sought = true;
  private failed = false;
  private note = '';
  private noteUntil = 0;

  constructor(video: HTMLVideoElement, options: RecordingPlayerOptions) {
    this.video = video;
    this.options = options;
    this.frames = new DisplayedFrames(video, () => {
      this.sought = false;
      this.report();
    });
    this.timeline = new RecordingTimeline(video, options.camera, {
      onStart: (seconds) => this.startFrom(seconds),
      onChange: () => this.crossHole(),
      onNote: (note) => this.setNote(note),
      onFailed: (note) => {
        this.failed = true;
        this.setNote(note);
      },
    });
  }

  open(): void {
    const { signal } = this.stop;
    this.video.dataset.camera = this.options.camera;
    this.frames.watch();
    for (const event of ['waiting', 'loadedmetadata']) {
      this.video.addEventListener(event, () => this.crossHole(), { signal });
    }
    const timer = setInterval(() => {
      this.crossHole();
      this.report();
    }, 200);
    signal.addEventListener('abort', () => clearInterval(timer));
  }

  close(): void {
    this.stop.abort();
    this.timeline.close();
    this.frames.close();
    this.video.removeAttribute('src');
    this.video.load();
  }

  /** Wall-clock of the displayed frame. */
  get wallClockMs(): number | undefined {
    const { mediaTime } = this.frames;
    const known = mediaTime !== undefined && this.timeline.opened && !this.sought;
    return known ? this.timeline.originMs + mediaTime * 1000 : undefined;
  }

  /** Plays from a time, or from the next that is recorded. */
  seek(ms: number): void {
    this.setNote('');
    this.failed = false;
    this.sought = true;
    const at = (ms - this.timeline.originMs) / 1000;
    const ready = this.timeline.ranges?.some((range) => at >= range.start && at < range.end - 0.2) ?? false;
    if (ready) this.startFrom(at);
    else this.timeline.fillFrom(ms);
    this.play();
  }

  /** Moves by some seconds; backwards into a gap, to the end of what was recorded before it. */
  skip(seconds: number): void {
    const now = this.wallClockMs;
    if (now === undefined) return;
    const to = now + seconds * 1000;
    const place = this.timeline.source.before(to);
    const inGap = place !== undefined && endMs(place) < to;
    this.seek(seconds < 0 && inGap ? Math.max(startMs(place), endMs(place) + seconds * 500) : to);
  }

  play(): void {
    this.wantsToPlay = true;
    this.video.playbackRate = this.speed;
    this.video.play().catch((problem: unknown) => {
      // sound needs a click first; a silent picture does not
      if (!(problem instanceof Error) || problem.name !== 'NotAllowedError') return;
      this.video.muted = true;
      this.video.play().catch(() => {});
    });
    this.report();
  }

  pause(): void {
    this.wantsToPlay = false;
    this.video.pause();
    this.report();
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    this.timeline.speed = speed;
    this.video.defaultPlaybackRate = speed;
    this.video.playbackRate = speed;
  }

  private startFrom(seconds: number): void {
    this.sought = true;
    this.startAt = seconds;
    this.crossHole();
    if (this.wantsToPlay) this.play();
  }

  /** Goes where the last seek wanted to, or over a hole that will not be filled. */
  private crossHole(): void {
    const { video } = this;
    if (video.readyState === HTMLMediaElement.HAVE_NOTHING) return;
    if (this.startAt !== undefined) {
      video.currentTime = this.startAt;
      this.startAt = undefined;
      return;
    }
    const { ranges } = this.timeline;
    if (ranges === undefined) return;
    const now = video.currentTime;
    const here = ranges.find((range) => now >= range.start - 0.01 && now < range.end);
    const next = ranges.find((range) => range.start > now + 0.01);
    // a browser stops a little before the end of what it has
    const dry = video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.paused;
    const atEnd = here === undefined || (dry && here.end - now < 0.5);
    if (next === undefined || !atEnd || (video.seeking && video.readyState > 1)) return;
    this.noteHole(here?.end ?? now, next.start);
    video.currentTime = next.start + 0.001;
  }

  private noteHole(fromSeconds: number, toSeconds: number): void {
    if (toSeconds - fromSeconds < 1 || this.sought) return;
    const { originMs, source } = this.timeline;
    const [fromMs, toMs] = [originMs + fromSeconds * 1000, originMs + toSeconds * 1000];
    const length = durationText(toMs - fromMs);
    this.setNote(`Jumped over ${length} from ${momentText(fromMs)}: ${source.reason(fromMs, toMs)}.`);
  }

  private setNote(note: string): void {
    this.note = note;
    this.noteUntil = performance.now() + noteMs;
  }

  private report(): void {
    if (this.stop.signal.aborted) return;
    if (performance.now() > this.noteUntil && !this.failed) this.note = '';
    const { wallClockMs } = this;
    const state = this.state();
    const { dataset } = this.video;
    dataset.state = state;
    dataset.displayedFrames = String(this.frames.count);
    if (wallClockMs === undefined) delete dataset.wallClock;
    else dataset.wallClock = new Date(wallClockMs).toISOString();
    const server = wallClockMs === undefined ? undefined : this.timeline.serverAt(wallClockMs);
    this.options.onStatus({ state, wallClockMs, server, note: this.note });
  }

  private state(): RecordingStatus['state'] {
    const { video } = this;
    if (this.failed) return 'failed';
    if (video.ended) return 'ended';
    if (!this.wantsToPlay) return 'paused';
    const moving = video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA && !video.seeking && !video.paused;
    return moving && !this.sought ? 'playing' : 'loading';
  }
}
