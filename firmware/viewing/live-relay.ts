/**
 * Live through another server: passes the messages of the managing server's WebSocket on to a viewer.
 *
 * Invariants: at most `relayedBytesMax` and what one read of the network brings wait for a slow viewer; above that
 * the manager's socket is not read, so the manager sees the slowness and drops to a keyframe itself; messages are
 * passed on as they are; whichever side ends, the other is ended too, and a viewer is told why. Durations are ms.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Clock } from '../base/clock.ts';
import type { LiveMessage } from './api.ts';
import { closeNormal, closeTryLater, noProgressMs, type ViewerSocket } from './live-socket.ts';
import { errorAnswer } from './schemas/error-schema.ts';

/** Reading from the manager stops above this. */
export const relayedBytesMax = 1024 * 1024;
/** The manager sends frames, or says every two seconds that it has none. */
export const silenceMs = 5_000;
const checkEveryMs = 1_000;
/** Longest refusal that is read. */
const refusalBytesMax = 4_096;

/** What the relay needs of the socket to the managing server; the one of `ws` fits. */
export type ManagerSocket = Pick<WebSocket, 'on' | 'pause' | 'resume' | 'terminate'>;

export interface LiveRelayOptions {
  /** the managing server's id, for the message when it goes away */
  readonly manager: string;
  readonly viewer: ViewerSocket;
  readonly source: ManagerSocket;
  readonly clock: Clock;
}

class LiveRelay {
  private readonly options: LiveRelayOptions;
  private heardAtMs: number;
  private movedAtMs: number;
  private paused = false;
  private ended = false;
  private done = false;
  private cancelCheck: (() => void) | undefined;

  constructor(options: LiveRelayOptions) {
    this.options = options;
    this.heardAtMs = options.clock.monotonicMs();
    this.movedAtMs = this.heardAtMs;
  }

  start(): void {
    const { source } = this.options;
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
    if (viewer.bufferedAmount === 0) this.movedAtMs = this.heardAtMs;
    const text = isBinary ? undefined : data.toString('utf8');
    if (text !== undefined && isEnd(text)) this.ended = true;
    viewer.send(text ?? data, () => this.moved());
    if (this.paused || viewer.bufferedAmount <= relayedBytesMax) return;
    this.paused = true;
    source.pause();
  }

  private moved(): void {
    this.movedAtMs = this.options.clock.monotonicMs();
    if (!this.paused || this.done || this.options.viewer.bufferedAmount > relayedBytesMax / 2) return;
    this.paused = false;
    this.heardAtMs = this.movedAtMs;
    this.options.source.resume();
  }

  private arm(): void {
    this.cancelCheck = this.options.clock.after(checkEveryMs, () => {
      this.check();
      if (!this.done) this.arm();
    });
  }

  private check(): void {
    const { clock, viewer } = this.options;
    const now = clock.monotonicMs();
    if (viewer.bufferedAmount > 0 && now - this.movedAtMs >= noProgressMs) {
      viewer.terminate();
      this.close();
    } else if (!this.paused && now - this.heardAtMs >= silenceMs) {
      this.end('does not answer');
    }
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
