/**
 * Live through another server: passes the messages of the managing server's WebSocket on to a viewer.
 *
 * Invariants: while more than `relayedBytesMax` wait for a slow viewer, or something has waited for `relayedMsMax`, the
 * manager's socket is not read, but for what one read of the network has brought; so the manager sees the slowness and
 * drops to a keyframe itself; messages are passed on as they are, and so are the manager's pings and the viewer's pongs,
 * which tell the manager how far behind the viewer is; whichever side ends, the other is ended too, and a viewer is told
 * why. Durations are ms.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { BoundedQueue } from '../base/bounded-queue.ts';
import type { Clock } from '../base/clock.ts';
import type { LiveMessage } from './api.ts';
import { closeNormal, closeTryLater, noProgressMs, type ViewerSocket } from './live-socket.ts';
import { errorAnswer } from './schemas/error-schema.ts';

/** Reading from the manager stops above this: little, as what the kernels of both servers hold comes on top of it. */
export const relayedBytesMax = 64 * 1024;
/** Likewise; the manager itself lets nothing wait for longer than twice that. */
export const relayedMsMax = 500;
/** The manager sends frames, or says every two seconds that it has none. */
export const silenceMs = 5_000;
const checkEveryMs = 1_000;
/** Far more messages than fit into the bytes. */
const waitingMax = 16_384;
/** Longest refusal that is read. */
const refusalBytesMax = 4_096;

/** What the relay needs of the socket to the managing server; the one of `ws` fits. */
export type ManagerSocket = Pick<WebSocket, 'on' | 'pause' | 'resume' | 'terminate' | 'pong'>;

export interface LiveRelayOptions {
  /** the managing server's id, for the message when it goes away */
  readonly manager: string;
  readonly viewer: ViewerSocket;
  readonly source: ManagerSocket;
  readonly clock: Clock;
}

class LiveRelay {
  private readonly options: LiveRelayOptions;
  /** when the oldest message was queued that has not left, and when those behind it were */
  private oldestAtMs: number | undefined;
  private readonly laterAtMs = new BoundedQueue<number>(waitingMax);
  private heardAtMs: number;
  private movedAtMs: number;
  private paused = false;
  /** the manager's ping that the viewer has not answered */
  private pinged: Buffer | undefined;
  private ended = false;
  private done = false;
  private cancelCheck: (() => void) | undefined;

  constructor(options: LiveRelayOptions) {
    this.options = options;
    this.heardAtMs = options.clock.monotonicMs();
    this.movedAtMs = this.heardAtMs;
  }

  start(): void {
    const { source, viewer } = this.options;
    viewer.onPong((data) => this.answered(data));
    source.on('ping', (data: Buffer) => this.ask(data));
    source.on('message', (data: Buffer, isBinary: boolean) => this.pass(data, isBinary));
    source.on('close', () => this.end('closed its connection'));
    source.on('error', (error: Error) => this.end(`cannot be reached (${error.message})`));
    source.on('unexpected-response', (_request, response) => {
      void refusalOf(response).then((reason) => this.end(`refuses: ${reason}`));
    });
    this.arm();
  }

  /** The viewer's socket is closed. */
  close(): void {
    if (this.done) return;
    this.done = true;
    this.cancelCheck?.();
    this.options.source.terminate();
  }

  private pass(data: Buffer, isBinary: boolean): void {
    if (this.done) return;
    const { viewer, source, clock } = this.options;
    this.heardAtMs = clock.monotonicMs();
    const text = isBinary ? undefined : data.toString('utf8');
    if (text !== undefined && isEnd(text)) this.ended = true;
    if (!this.queued(this.heardAtMs)) return this.cutOff();
    viewer.send(text ?? data, () => this.moved());
    if (this.paused || !this.isBehind(relayedBytesMax, relayedMsMax)) return;
    this.paused = true;
    source.pause();
  }

  private ask(data: Buffer): void {
    if (this.done) return;
    this.pinged = data;
    this.options.viewer.ping(data);
  }

  /** The viewer has answered, perhaps what nobody asked. */
  private answered(data: Buffer): void {
    if (this.done || this.pinged?.equals(data) !== true) return;
    this.pinged = undefined;
    this.options.source.pong(data);
  }

  /** False when too many wait. */
  private queued(nowMs: number): boolean {
    if (this.oldestAtMs !== undefined) return this.laterAtMs.push(nowMs);
    this.oldestAtMs = nowMs;
    this.movedAtMs = nowMs;
    return true;
  }

  /** The oldest message has left. */
  private moved(): void {
    this.oldestAtMs = this.laterAtMs.shift();
    this.movedAtMs = this.options.clock.monotonicMs();
    if (!this.paused || this.done || this.isBehind(relayedBytesMax / 2, relayedMsMax / 2)) return;
    this.paused = false;
    this.heardAtMs = this.movedAtMs;
    this.options.source.resume();
  }

  private isBehind(bytesMax: number, msMax: number): boolean {
    const { viewer, clock } = this.options;
    const nowMs = clock.monotonicMs();
    return viewer.bufferedAmount > bytesMax || nowMs - (this.oldestAtMs ?? nowMs) > msMax;
  }

  private arm(): void {
    this.cancelCheck = this.options.clock.after(checkEveryMs, () => {
      this.check();
      if (!this.done) this.arm();
    });
  }

  private check(): void {
    const now = this.options.clock.monotonicMs();
    if (this.oldestAtMs !== undefined && now - this.movedAtMs >= noProgressMs) this.cutOff();
    else if (!this.paused && now - this.heardAtMs >= silenceMs) this.end('does not answer');
  }

  private cutOff(): void {
    this.options.viewer.terminate();
    this.close();
  }

  private end(what: string): void {
    if (this.done) return;
    this.close();
    const { viewer, manager } = this.options;
    if (!this.ended) {
      const reason = `the managing server ${manager} ${what}`;
      const message: LiveMessage = { type: 'state', state: 'ended', lastFrameAt: null, reason };
      viewer.send(JSON.stringify(message), () => undefined);
    }
    viewer.close(this.ended ? closeNormal : closeTryLater, '');
  }
}

/** Why a server did not open a WebSocket: as it says, or its status. */
async function refusalOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > refusalBytesMax) break;
      chunks.push(chunk);
    }
    return errorAnswer.parse(JSON.parse(Buffer.concat(chunks).toString('utf8'))).error;
  } catch {
    return `status ${response.statusCode ?? 'unknown'}`;
  }
}

/** Text messages are few: a stream, a state, a drop. */
function isEnd(text: string): boolean {
  return text.includes('"state":"ended"');
}

/** Relays until either side ends. Call the result when the viewer's socket has closed. */
export function relayLive(options: LiveRelayOptions): () => void {
  const relay = new LiveRelay(options);
  relay.start();
  return () => relay.close();
}
