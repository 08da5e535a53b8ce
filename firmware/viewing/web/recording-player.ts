/**
 * Plays a camera's recording on a video element: seeks by wall-clock, crosses gaps with a note, and tells the time of
 * the frame that is really shown. What there is to play is the buffer's business. Times in ms UTC.
 */
import { DisplayedFrames } from './displayed-frames.ts';
import { RecordingBuffer } from './recording-buffer.ts';
import { endMs, startMs } from './recording-source.ts';
import { durationText, momentText } from './time-text.ts';

const noteMs = 12_000;
/** Who steps back will step further back. */
const stepLeadMs = 4_000;

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
  private readonly buffer: RecordingBuffer;
  private readonly frames: DisplayedFrames;
  private readonly stop = new AbortController();
  private wantsToPlay = true;
  private speed = 1;
  /** media time to go to as soon as the video can, in seconds */
  private startAt: number | undefined;
  /** media time of the picture that was stepped to; it may not be shown yet when the next step comes */
  private steppedTo: number | undefined;
  /** no frame of where the last seek went was shown yet */
  private sought = true;
  /** where the last seek went, or what was shown since: from there goes who skips while nothing is shown */
  private placeMs: number | undefined;
  /** where the last seek went is being fetched; until it is there, the video shows the old place */
  private fetching = false;
  private failed = false;
  private note = '';
  private noteUntil = 0;

  constructor(video: HTMLVideoElement, options: RecordingPlayerOptions) {
    this.video = video;
    this.options = options;
    this.frames = new DisplayedFrames(video, () => this.displayed());
    this.buffer = new RecordingBuffer(video, options.camera, {
      behindSeconds: 60,
      onStart: (seconds) => this.startFrom(seconds),
      onChange: () => this.crossHole(),
      onNote: (note) => this.setNote(note),
      onFailed: (note) => {
        this.failed = true;
        this.fetching = false;
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
    // a seek to the picture that is shown already shows no other
    this.video.addEventListener('seeked', () => setTimeout(() => this.settle(), 150), { signal });
    const timer = setInterval(() => {
      this.crossHole();
      this.report();
    }, 200);
    signal.addEventListener('abort', () => clearInterval(timer));
  }

  close(): void {
    this.stop.abort();
    this.buffer.close();
    this.frames.close();
    this.video.removeAttribute('src');
    this.video.load();
  }

  /** Wall-clock of the displayed frame. */
  get wallClockMs(): number | undefined {
    const { mediaTime } = this.frames;
    const known = mediaTime !== undefined && this.buffer.opened && !this.sought;
    return known ? this.buffer.originMs + mediaTime * 1000 : undefined;
  }

  /** Goes to a time, or to the next that is recorded; plays unless told not to. What lies `leadMs` before is ready, too. */
  seek(ms: number, play = true, leadMs = 0): void {
    this.setNote('');
    this.failed = false;
    this.sought = true;
    this.placeMs = ms;
    this.steppedTo = undefined;
    const at = (ms - this.buffer.originMs) / 1000;
    const ready = this.buffer.ranges?.some((range) => at >= range.start && at < range.end - 0.2) ?? false;
    // what is ready is about to go for what is being fetched
    if (ready && !this.fetching) this.startFrom(at);
    else {
      this.fetching = true;
      this.buffer.fillFrom(ms, leadMs);
    }
    if (play) this.play();
  }

  /** Moves by some seconds; backwards into a gap, to the end of what was recorded before it. */
  skip(seconds: number): void {
    const now = this.wallClockMs ?? this.placeMs;
    if (now === undefined) return;
    const to = now + seconds * 1000;
    const place = this.buffer.source.before(to);
    const inGap = place !== undefined && endMs(place) < to;
    this.seek(seconds < 0 && inGap ? Math.max(startMs(place), endMs(place) + seconds * 500) : to);
  }

  /** Pauses, and shows the picture after (1) or before (−1) the one that is shown; or the keyframe there. */
  step(direction: 1 | -1, keyframes = false): void {
    this.pause();
    const { frames, originMs, present } = this.buffer;
    const from = this.steppedTo ?? this.frames.mediaTime;
    // while the buffer is being filled, what is beside the picture is not known yet
    if (from === undefined || this.wallClockMs === undefined || !frames.has(from)) return;
    const to = keyframes ? frames.keyframeBeside(from, direction) : frames.beside(from, direction);
    const ready = to !== undefined && present.some(({ start, end }) => to >= start - 0.001 && to < end);
    if (to !== undefined && ready) {
      this.video.currentTime = to + 0.001;
      this.steppedTo = to;
    } else if (to !== undefined) this.seek(originMs + to * 1000 + 1, false);
    else if (direction < 0) {
      const half = ((frames.beside(from, 1) ?? from + 0.04) - from) / 2;
      this.seek(this.justBefore(originMs + (from - half) * 1000), false, stepLeadMs);
    }
  }

  /** The end of what was recorded before a time. */
  private justBefore(ms: number): number {
    const place = this.buffer.source.before(ms);
    return place !== undefined && endMs(place) < ms ? endMs(place) - 50 : ms;
  }

  /** Times of the pictures between two times, as far as they are ready. */
  framesBetween(fromMs: number, toMs: number): { ms: number; keyframe: boolean }[] {
    const { frames, originMs } = this.buffer;
    const found = frames.between((fromMs - originMs) / 1000, (toMs - originMs) / 1000);
    return found.map(({ time, keyframe }) => ({ ms: originMs + time * 1000, keyframe }));
  }

  play(): void {
    this.wantsToPlay = true;
    this.steppedTo = undefined;
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
    this.buffer.speed = speed;
    this.video.defaultPlaybackRate = speed;
    this.video.playbackRate = speed;
  }

  private startFrom(seconds: number): void {
    this.fetching = false;
    this.sought = true;
    this.placeMs = this.buffer.originMs + seconds * 1000;
    this.steppedTo = undefined;
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
    const { ranges } = this.buffer;
    if (ranges === undefined) return;
    const now = video.currentTime;
    const here = ranges.find((range) => now >= range.start - 0.01 && now < range.end);
    const next = ranges.find((range) => range.start > now + 0.01);
    // a browser stops a little before the end of what it has
    const dry = video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.paused;
    const atEnd = here === undefined || (dry && here.end - now < 0.5);
    if (next === undefined || !atEnd || (video.seeking && video.readyState > 1)) return;
    this.noteHole(here?.end ?? now, next.start);
    this.steppedTo = undefined;
    video.currentTime = next.start + 0.001;
  }

  /** Another frame is shown. */
  private displayed(): void {
    if (this.arrived()) this.sought = false;
    this.placeMs = this.wallClockMs ?? this.placeMs;
    this.report();
  }

  /** Whether the newest frame may be of where the last seek went; those of the old place come until then. */
  private arrived(): boolean {
    const { mediaTime } = this.frames;
    const { seeking, currentTime } = this.video;
    if (mediaTime === undefined || this.fetching || this.startAt !== undefined) return false;
    const next = this.buffer.frames.beside(mediaTime, 1) ?? mediaTime;
    return !seeking || this.isNear(mediaTime) || (mediaTime <= currentTime && next > currentTime);
  }

  private isNear(mediaTime: number): boolean {
    return Math.abs(this.video.currentTime - mediaTime) <= 0.3;
  }

  private settle(): void {
    const { mediaTime } = this.frames;
    if (mediaTime === undefined || this.video.seeking || !this.arrived() || !this.isNear(mediaTime)) return;
    this.sought = false;
    this.report();
  }

  private noteHole(fromSeconds: number, toSeconds: number): void {
    if (toSeconds - fromSeconds < 1 || this.sought) return;
    const { originMs, source } = this.buffer;
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
    const server = wallClockMs === undefined ? undefined : this.buffer.serverAt(wallClockMs);
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
