/**
 * Plays one camera live: fragments from the WebSocket into MediaSource, as close to now as the connection allows, and
 * an honest word about whether the picture moves.
 *
 * Fragments carry the camera's monotonic clock; one offset per stream moves them to a small media time, and goes on
 * where the last one ended when a connection or a capture begins anew, so the last picture stays until the next one.
 * The buffer aims at one picture and 30 ms of slack, more where the network stutters. Times in seconds unless named
 * otherwise.
 */
import type { LiveMessage } from '../api.ts';
import { DisplayedFrames } from './displayed-frames.ts';
import { firstDecodeTime, type InitSummary, readInit } from './fmp4-boxes.ts';
import { LiveSocket } from './live-socket.ts';
import { type MediaFeed, openMediaFeed } from './media-feed.ts';

/** how late a fragment may come before the pictures stop, on a network that is well */
const slackMin = 0.03;
/** browsers begin to play sound with more in the buffer than pictures */
const targetWithSound = 0.1;
const targetMax = 0.5;
const stutterMax = 0.05;
const behindMax = 1;
const keepBehind = 10;
const staleAfterMs = 1_500;
const firstPictureMs = 3_000;
const queueBytesMax = 24 * 1024 * 1024;

export interface LiveStatus {
  /** `connecting` only until the first picture, and not for long */
  readonly state: 'connecting' | 'live' | 'stale';
  /** why it is stale, for people; empty while live */
  readonly reason: string;
  /** ms UTC of the newest picture: when it was shown, or captured if the server says that it is older */
  readonly lastPictureAtMs: number | undefined;
  /** ms since then, or since the attempt began */
  readonly ageMs: number;
  /** pictures appear, though they may be old ones */
  readonly moving: boolean;
  readonly manager: string | undefined;
}

export type LivePointing = Pick<Extract<LiveMessage, { type: 'ptz' }>, 'position' | 'moving'>;

export interface LivePlayerOptions {
  readonly camera: string;
  readonly audio: boolean;
  /** Called four times a second, and at once when the state changes. */
  readonly onStatus: (status: LiveStatus) => void;
  /** Where a camera that can be turned looks, with the picture that shows it. */
  readonly onPointing?: ((pointing: LivePointing) => void) | undefined;
}

/** Plays a camera on a video element until `close`. */
export function playLive(video: HTMLVideoElement, options: LivePlayerOptions): LivePlayer {
  const player = new LivePlayer(video, options);
  player.open();
  return player;
}

/** See the top of this file; made by `playLive`. */
export class LivePlayer {
  private readonly video: HTMLVideoElement;
  private readonly options: LivePlayerOptions;
  private readonly socket: LiveSocket;
  private readonly frames: DisplayedFrames;
  private readonly stop = new AbortController();
  private readonly openedAt = performance.now();
  private feed: MediaFeed | undefined;
  private init: InitSummary | undefined;
  private initExpected = false;
  private rebase = true;
  private offset = 0;
  /** media time of the newest fragment given to the feed; as the camera has it, that is `newestTime` */
  private newest: number | undefined;
  private newestTime: number | undefined;
  /** from one fragment to the next: one picture */
  private step = 0.04;
  /** what the network's stutter has added to the least that works */
  private extra = 0;
  private jumpedAt = 0;
  private settledAt = 0;
  /** `performance.now()` when the buffer ran dry, until the next fragment */
  private dryAt: number | undefined;
  private stutteredAt = 0;
  private manager: string | undefined;
  private serverState: Extract<LiveMessage, { type: 'state' }> | undefined;
  /** when the newest picture was captured, ms UTC, from when the server says that it is old until there is a live one */
  private capturedMs: number | undefined;
  private problem = '';
  private shownState = '';

  constructor(video: HTMLVideoElement, options: LivePlayerOptions) {
    this.video = video;
    this.options = options;
    this.frames = new DisplayedFrames(video, () => this.displayed());
    this.socket = new LiveSocket({
      camera: options.camera,
      audio: options.audio,
      onMessage: (message) => this.receive(message),
      onMedia: (bytes) => this.receiveMedia(bytes),
      onChange: () => this.connectionChanged(),
    });
  }

  open(): void {
    const { signal } = this.stop;
    this.video.muted = !this.options.audio;
    this.video.dataset.camera = this.options.camera;
    this.video.dataset.displayedFrames = '0';
    this.frames.watch();
    this.video.addEventListener('waiting', () => this.starved(), { signal });
    const timer = setInterval(() => {
      this.steer();
      this.report();
    }, 250);
    signal.addEventListener('abort', () => clearInterval(timer));
    this.report();
    this.socket.open();
  }

  close(): void {
    this.stop.abort();
    this.socket.close();
    this.frames.close();
    this.feed?.close();
    this.video.removeAttribute('src');
    this.video.load();
  }

  private connectionChanged(): void {
    this.initExpected = false;
    this.init = undefined;
    this.report();
  }

  private receive(message: LiveMessage): void {
    if (message.type === 'state') {
      this.serverState = message;
      if (message.state !== 'live' && message.lastFrameAt !== null)
        this.capturedMs = Date.parse(message.lastFrameAt);
      this.report();
      // the camera may be with another server by now
      if (message.state === 'ended') this.socket.reconnect();
    } else if (message.type === 'ptz') {
      this.options.onPointing?.(message);
    } else if (message.type === 'stream') {
      this.manager = message.manager;
      this.serverState = undefined;
      this.init = undefined;
      this.initExpected = true;
      this.rebase = true;
      if (this.feed?.mime !== message.mime) this.openFeed(message.mime);
    }
  }

  private openFeed(mime: string): void {
    this.feed?.close();
    this.newest = undefined;
    this.problem = '';
    this.feed = openMediaFeed(this.video, mime, {
      queueBytesMax,
      onTrouble: (reason) => {
        this.problem = reason;
        this.feed = undefined;
        this.socket.reconnect();
      },
      onChange: () => this.steer(),
    });
    if (this.feed === undefined) this.problem = `this browser cannot play ${mime}`;
  }

  private receiveMedia(bytes: Uint8Array): void {
    if (this.initExpected) {
      this.initExpected = false;
      this.init = readInit(bytes);
      if (this.init === undefined) this.problem = 'the server sent something that is not a video';
      else this.feed?.append(bytes);
      return;
    }
    const time = this.init && firstDecodeTime(bytes, this.init);
    if (time === undefined) return;
    if (this.serverState?.state !== 'stalled') this.capturedMs = undefined;
    this.measureStep(time);
    this.adaptTarget();
    if (this.rebase) this.chooseOffset(time);
    this.newest = Math.max(this.newest ?? 0, time + this.offset);
    this.feed?.append(bytes, this.offset);
  }

  /** Keeps the offset while the camera's clock goes on; otherwise goes on where the pictures ended. */
  private chooseOffset(time: number): void {
    this.rebase = false;
    this.settledAt = performance.now() + 1_000;
    // one second of room, because sound and picture of the first fragments need not begin together
    if (this.newest === undefined) this.offset = 1 - time;
    const lead = time + this.offset - (this.newest ?? 1);
    if (lead < -12 || lead > 0.5) this.offset += 0.1 - lead;
  }

  private steer(): void {
    const { video } = this;
    const newest = this.feed?.ranges.at(-1);
    if (newest === undefined || video.seeking) return;
    const now = performance.now();
    const ahead = newest.end - video.currentTime;
    const settling = now < this.settledAt;
    if (video.currentTime < newest.start || ahead < -0.5) {
      this.jump(Math.max(newest.start, newest.end - this.target), now);
    } else if (
      ahead > (settling ? this.target + 0.25 : behindMax) &&
      now - this.jumpedAt > (settling ? 300 : 2_000)
    ) {
      this.jump(Math.max(newest.start, newest.end - this.target), now);
    } else {
      const rate = 1 + Math.min(0.1, Math.max(0, Math.round((ahead - this.target) * 50) / 100));
      if (video.playbackRate !== rate) video.playbackRate = rate;
    }
    const first = this.feed?.ranges[0]?.start ?? 0;
    if (first < video.currentTime - keepBehind - 5) this.feed?.remove(0, video.currentTime - keepBehind);
    if (video.paused) this.play();
  }

  private jump(to: number, now: number): void {
    this.jumpedAt = now;
    this.video.currentTime = to;
  }

  private play(): void {
    this.video.play().catch((problem: unknown) => {
      // sound needs a click first; a silent picture does not
      if (problem instanceof Error && problem.name === 'NotAllowedError') this.video.muted = true;
    });
  }

  private starved(): void {
    const now = performance.now();
    if (now > this.settledAt && now - this.jumpedAt > 1_000 && !this.video.seeking) this.dryAt = now;
    this.steer();
  }

  private measureStep(time: number): void {
    const step = time - (this.newestTime ?? time);
    if (step > 0 && step < targetMax) this.step = step;
    this.newestTime = time;
  }

  /** How much is to be in the buffer when a fragment has just come. */
  private get target(): number {
    const sound = (this.init?.tracks.length ?? 0) > 1;
    return Math.min(targetMax, (sound ? targetWithSound : this.step + slackMin) + this.extra);
  }

  /** A buffer that ran dry just before the next fragment was too small; a camera that stopped is another matter. */
  private adaptTarget(): void {
    const now = performance.now();
    const dryMs = now - (this.dryAt ?? Number.NEGATIVE_INFINITY);
    if (dryMs < 500) {
      // so much was missing; one long stall is no reason to stay far behind
      this.extra = Math.min(targetMax, this.extra + Math.min(stutterMax, dryMs / 1_000));
      this.stutteredAt = now;
    } else if (now - this.stutteredAt > 3_000) {
      this.extra = Math.max(0, this.extra - 0.0005);
    }
    this.dryAt = undefined;
  }

  private displayed(): void {
    this.video.dataset.displayedFrames = String(this.frames.count);
    if (this.shownState !== 'live') this.report();
  }

  private report(): void {
    if (this.stop.signal.aborted) return;
    const status = this.status();
    this.video.dataset.state = status.state;
    this.shownState = status.state;
    this.options.onStatus(status);
  }

  private status(): LiveStatus {
    const reason = this.staleReason();
    const { ageMs, shownAtUtcMs } = this.frames;
    const { capturedMs } = this;
    const older = capturedMs !== undefined && capturedMs < (shownAtUtcMs ?? Number.POSITIVE_INFINITY);
    const waitingMs = performance.now() - this.openedAt;
    const patient = ageMs === undefined && waitingMs < firstPictureMs && this.serverState?.state !== 'ended';
    return {
      state: reason === '' ? 'live' : patient ? 'connecting' : 'stale',
      reason,
      lastPictureAtMs: older ? capturedMs : shownAtUtcMs,
      ageMs: older ? Math.max(0, Date.now() - capturedMs) : (ageMs ?? waitingMs),
      moving: ageMs !== undefined && ageMs <= staleAfterMs,
      manager: this.manager,
    };
  }

  private staleReason(): string {
    const said = this.serverState;
    if (said?.state === 'ended') return said.reason ?? 'the camera left the network';
    if (!this.socket.connected) return 'no connection to the server, trying again';
    if (this.problem !== '' && this.feed === undefined) return this.problem;
    if (said?.state === 'stalled') return said.reason ?? 'the camera sends nothing';
    const { ageMs } = this.frames;
    if (ageMs === undefined) return 'waiting for the first picture';
    return ageMs > staleAfterMs ? 'no new picture arrives' : '';
  }
}
