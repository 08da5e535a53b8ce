/**
 * The live WebSocket of one camera, for as long as somebody looks: reconnects after a loss, closes while the tab is
 * hidden, and gives a silent connection up. What the messages mean is the player's business.
 *
 * A camera whose manager died is with another server within two seconds: for `quickMs` after the loss it is asked for
 * often, then ever less often, up to every 5 s; with jitter.
 */
import type { LiveMessage } from '../api.ts';
import { liveUrl } from './api-client.ts';

const quickMs = 5_000;
const quickBackOffMs = 500;
const backOffMaxMs = 5_000;
/** A server sends frames or its state; a connection without either for so long is dead, whatever TCP thinks. */
const silenceMaxMs = 8_000;

export interface LiveSocketOptions {
  readonly camera: string;
  readonly audio: boolean;
  readonly onMessage: (message: LiveMessage) => void;
  readonly onMedia: (bytes: Uint8Array) => void;
  /** The connection opened or went away. */
  readonly onChange: () => void;
}

/** How long to wait before the next attempt, `lostMs` after the loss; `random` in [0, 1). */
function backOffMs(lostMs: number, random: number): number {
  const ceiling = lostMs < quickMs ? quickBackOffMs : Math.min(backOffMaxMs, lostMs / 5);
  return ceiling * (0.5 + random / 2);
}

/** See the top of this file; `open` begins, `close` ends. */
export class LiveSocket {
  private readonly options: LiveSocketOptions;
  private readonly stop = new AbortController();
  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  /** `performance.now()` of the first loss since there was media; undefined: there was none */
  private lostAt: number | undefined;

  constructor(options: LiveSocketOptions) {
    this.options = options;
  }

  open(): this {
    document.addEventListener('visibilitychange', () => this.visibility(), { signal: this.stop.signal });
    this.visibility();
    return this;
  }

  get connected(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Drops this connection and opens another after the back-off. */
  reconnect(): void {
    if (this.socket === undefined) return;
    this.drop();
    this.later();
  }

  close(): void {
    this.stop.abort();
    this.drop();
  }

  private visibility(): void {
    this.drop();
    this.lostAt = undefined;
    if (!document.hidden) this.connect();
  }

  private connect(): void {
    const socket = new WebSocket(liveUrl(this.options.camera, this.options.audio));
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.heard();
    socket.addEventListener('open', () => {
      if (socket === this.socket) this.options.onChange();
    });
    socket.addEventListener('message', (event: MessageEvent<string | ArrayBuffer>) => {
      if (socket === this.socket) this.receive(event.data);
    });
    socket.addEventListener('close', () => {
      if (socket === this.socket) this.reconnect();
    });
  }

  private receive(data: string | ArrayBuffer): void {
    this.heard();
    if (typeof data === 'string') {
      this.options.onMessage(JSON.parse(data) as LiveMessage);
    } else {
      this.lostAt = undefined;
      this.options.onMedia(new Uint8Array(data));
    }
  }

  private heard(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.reconnect(), silenceMaxMs);
  }

  private later(): void {
    clearTimeout(this.timer);
    const now = performance.now();
    this.lostAt ??= now;
    this.timer = setTimeout(() => this.connect(), backOffMs(now - this.lostAt, Math.random()));
  }

  private drop(): void {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    const { socket } = this;
    this.socket = undefined;
    socket?.close();
    if (socket !== undefined && !this.stop.signal.aborted) this.options.onChange();
  }
}
