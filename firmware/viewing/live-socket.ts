/**
 * One live viewer over one WebSocket: LiveMessage as text, init segment and fragments as binary.
 *
 * Invariants: after `stream` comes its init segment, then fragments from a keyframe on; a viewer that cannot keep up
 * loses whole ends of GOPs, is told how many frames, and never holds up another; everything queued for it is shared
 * with the other viewers, so a slow one costs references, not copies; before it gets frames that are old it is told so,
 * and `live` only before the first that is not. Durations are ms, capture times µs UTC.
 */
import type { Clock } from '../base/clock.ts';
import type { Sample, TrackDescription } from '../media/sample.ts';
import type { LiveMessage } from './api.ts';
import type { LiveViewer } from './live-feed.ts';
import { type LiveStream, liveStream } from './live-fragments.ts';
import type { LiveHub } from './live-hub.ts';
import type { Pointing } from './ptz-access.ts';
import { formatMs } from './time-query.ts';
import { Unsent } from './unsent.ts';
import { ViewerLag } from './viewer-lag.ts';

/** A message that waited longer than this for the network, or a ping for its pong, makes its viewer a slow one. */
const queuedMsMax = 1_000;
/** So does this much unsent. */
export const queuedBytesMax = 4 * 1024 * 1024;
/** A viewer whose queue does not move for this long is gone. */
export const noProgressMs = 5_000;
/** So is one that does not read what is on its way to it: longer than a whole GOP takes over a slow link. */
export const noPongMs = 20_000;
/** Without a frame for this long the picture is called stalled, and again each time it passes: a sign of life. */
export const stalledAfterMs = 2_000;
const checkEveryMs = 1_000;
/**
 * Frames that are older than this when they come are late: a link is too slow, or a backlog is sent after an outage. A
 * unit's clock may be 5 s away from its manager's without a step (utc-mapping.ts): that alone must not count as late.
 */
export const lateAfterMs = 6_000;
/** Late frames are timely again when they are younger than the limit by this. */
const lateSlackMs = 1_000;
/** How often a viewer is told how old the late frames are. */
const lateEveryMs = 1_000;
/** No unit holds samples for so long (`outbox.secondsMax`): the camera's clock differs, which tells no age. */
export const clocksDifferMs = 15 * 60_000;

const lateReason = 'the pictures come late, or a clock is wrong';

/** WebSocket close codes (RFC 6455 §7.4.1). */
export const closeNormal = 1000;
export const closeTryLater = 1013;

/** What a live viewer needs of a WebSocket; the one of `ws` fits. */
export interface ViewerSocket {
  /** `done` is called, in order, once the message was handed to the network, or with the error that prevented it. */
  send(data: Uint8Array | string, done: (error?: Error) => void): void;
  /** bytes accepted and not yet handed to the network */
  readonly bufferedAmount: number;
  /** Asks whether all that was sent before has been read. */
  ping(data: Buffer): void;
  /** `heard` is told of each pong from now on. */
  onPong(heard: (data: Buffer) => void): void;
  close(code: number, reason: string): void;
  /** Ends the connection at once, whatever is queued. */
  terminate(): void;
}

/** One that also takes binary messages which are frames already (framed-socket.ts). */
export interface FramedViewerSocket extends ViewerSocket {
  sendFrame(frame: Buffer): void;
}

export interface LiveSocketOptions {
  readonly camera: string;
  /** this server's id */
  readonly manager: string;
  readonly audio: boolean;
  readonly feed: Pick<LiveHub, 'subscribe' | 'snapshot'>;
  readonly socket: FramedViewerSocket;
  readonly clock: Clock;
}

/** Whether a message was sent is seen by what the socket holds; that it has closed is told by its own event. */
const ignore = (): void => undefined;

class LiveSocket implements LiveViewer {
  private readonly options: LiveSocketOptions;
  private readonly unsent = new Unsent();
  private readonly lag = new ViewerLag();
  private heardAtMs: number;
  private stream: LiveStream | undefined;
  private lastFrameUs: number | undefined;
  /** when the viewer was last told so; undefined while frames come */
  private stalledAtMs: number | undefined;
  /** whether frames come, but too old */
  private late = false;
  /** frames left out since the viewer fell behind; undefined while it keeps up */
  private droppedFrames: number | undefined;
  /** the held GOP is being handed over: all of it is queued at once, and that is no slowness */
  private replaying = true;
  private done = false;
  private leave: (() => void) | undefined;
  private cancelCheck: (() => void) | undefined;

  constructor(options: LiveSocketOptions) {
    this.options = options;
    this.heardAtMs = options.clock.monotonicMs();
  }

  start(): void {
    const { feed, camera, socket } = this.options;
    socket.onPong((data) => this.lag.pong(data));
    this.lastFrameUs = feed.snapshot(camera)?.lastFrameUs;
    this.leave = feed.subscribe(camera, this);
    this.replaying = false;
    if (this.leave === undefined) {
      this.end('the camera is not live here, or has too many viewers', closeTryLater);
    } else if (this.done) {
      this.leave();
    } else {
      this.arm();
    }
  }

  tracks(descriptions: readonly TrackDescription[]): void {
    const { camera, manager, audio } = this.options;
    const stream = liveStream(descriptions, audio);
    this.stream = stream;
    if (stream === undefined) return;
    this.droppedFrames = undefined;
    const { mime, width, height } = stream;
    this.say({ type: 'stream', camera, manager, mime, width, height });
    this.sendFrame(stream.init, this.options.clock.monotonicMs());
    // What was said before is of the stream before; and of the held GOP it must be known before it is seen.
    if (this.stalledAtMs !== undefined || (this.replaying && this.ageMs() >= stalledAfterMs)) this.stall();
  }

  sample(trackId: number, sample: Sample, capturedAtUs: number): void {
    const { stream } = this;
    if (stream === undefined || this.done) return;
    const nowMs = this.options.clock.monotonicMs();
    const isFrame = stream.videoTrackId === undefined || trackId === stream.videoTrackId;
    if (isFrame) this.heard(capturedAtUs, nowMs);
    if (!this.mayFollow(isFrame, sample.keyframe, nowMs)) return;
    const frame = stream.fragmentOf(trackId, sample);
    if (frame !== undefined) this.sendFrame(frame, nowMs);
  }

  pointing({ position, moving }: Pointing): void {
    this.say({ type: 'ptz', position, moving });
  }

  ended(reason: string): void {
    this.end(reason, closeNormal);
  }

  /** The socket is closed, by whichever side. */
  close(): void {
    if (this.done) return;
    this.done = true;
    this.leave?.();
    this.cancelCheck?.();
  }

  private mayFollow(isFrame: boolean, keyframe: boolean, nowMs: number): boolean {
    if (this.droppedFrames === undefined) {
      if (this.replaying || !this.isBehind(nowMs)) return true;
      this.droppedFrames = isFrame ? 1 : 0;
      return false;
    }
    if (!isFrame || !keyframe || this.isBehind(nowMs)) {
      if (isFrame) this.droppedFrames += 1;
      return false;
    }
    this.say({ type: 'dropped', frames: this.droppedFrames });
    this.droppedFrames = undefined;
    return true;
  }

  private isBehind(nowMs: number): boolean {
    if (this.lag.waitedMs(nowMs) > queuedMsMax) return true;
    const buffered = this.options.socket.bufferedAmount;
    if (buffered === 0) return false;
    this.unsent.look(buffered, nowMs);
    return buffered > queuedBytesMax || this.unsent.waitedMs(nowMs) > queuedMsMax;
  }

  private heard(capturedAtUs: number, nowMs: number): void {
    this.heardAtMs = nowMs;
    this.lastFrameUs = capturedAtUs;
    if (this.replaying) return;
    const wasLate = this.late;
    const ageMs = this.ageMs();
    this.late = ageMs > lateAfterMs - (wasLate ? lateSlackMs : 0) && ageMs < clocksDifferMs;
    if (this.late) {
      if (!wasLate || nowMs - (this.stalledAtMs ?? 0) >= lateEveryMs) this.stall();
    } else if (this.stalledAtMs !== undefined) {
      this.stalledAtMs = undefined;
      this.sayState('live');
    }
  }

  /** Of the newest frame, by this server's clock; 0 while there is none. */
  private ageMs(): number {
    return this.lastFrameUs === undefined ? 0 : this.options.clock.utcMs() - this.lastFrameUs / 1000;
  }

  private stall(): void {
    this.stalledAtMs = this.options.clock.monotonicMs();
    this.sayState('stalled', this.late ? lateReason : undefined);
  }

  private arm(): void {
    const now = this.options.clock.monotonicMs();
    const stallInMs = (this.stalledAtMs ?? this.heardAtMs) + stalledAfterMs - now;
    this.cancelCheck = this.options.clock.after(Math.min(checkEveryMs, Math.max(stallInMs, 1)), () => {
      this.check();
      if (!this.done) this.arm();
    });
  }

  private check(): void {
    const now = this.options.clock.monotonicMs();
    this.unsent.look(this.options.socket.bufferedAmount, now);
    if (this.unsent.stuckMs(now) >= noProgressMs || this.lag.waitedMs(now) >= noPongMs) this.cutOff();
    else if (now - (this.stalledAtMs ?? this.heardAtMs) >= stalledAfterMs) {
      this.late = false;
      this.stall();
    }
  }

  private sayState(state: 'live' | 'stalled' | 'ended', reason?: string): void {
    const lastFrameAt = this.lastFrameUs === undefined ? null : formatMs(this.lastFrameUs);
    this.say({ type: 'state', state, lastFrameAt, ...(reason === undefined ? {} : { reason }) });
  }

  private say(message: LiveMessage): void {
    if (this.done) return;
    const { socket, clock } = this.options;
    const text = JSON.stringify(message);
    if (!this.unsent.add(socket.bufferedAmount, text.length, clock.monotonicMs())) return this.cutOff();
    socket.send(text, ignore);
  }

  private sendFrame(frame: Buffer, nowMs: number): void {
    if (this.done) return;
    const { socket } = this.options;
    if (!this.unsent.add(socket.bufferedAmount, frame.length, nowMs)) return this.cutOff();
    socket.sendFrame(frame);
    const ping = this.lag.ping(nowMs);
    if (ping !== undefined) socket.ping(ping);
  }

  private cutOff(): void {
    this.options.socket.terminate();
    this.close();
  }

  private end(reason: string, code: number): void {
    if (this.done) return;
    this.sayState('ended', reason);
    this.close();
    this.options.socket.close(code, '');
  }
}

/** Serves one viewer from now on. Call the result when the socket has closed. */
export function serveLive(options: LiveSocketOptions): () => void {
  const viewer = new LiveSocket(options);
  viewer.start();
  return () => viewer.close();
}
