/**
 * A viewer's end of a WebSocket whose network a test opens and closes: it accepts everything, keeps it queued while
 * `blocked`, and hands it over in order with `flush`, as the socket of `ws` does (test/contract/viewer-socket.test.ts).
 * What was handed over is read at once, but while `unread`: then it is in the network's own buffers, and pings are not
 * answered.
 */
import { parseFragment } from '../../firmware/media/mp4-scanner.ts';
import type { LiveMessage } from '../../firmware/viewing/api.ts';
import { messageIn } from '../../firmware/viewing/framed-socket.ts';
import type { FramedViewerSocket } from '../../firmware/viewing/live-socket.ts';

export class QueueSocket implements FramedViewerSocket {
  blocked = false;
  private isUnread = false;
  private readonly unanswered: Buffer[] = [];
  private heard: (data: Buffer) => void = () => undefined;
  bufferedAmount = 0;
  /** how the server ended it */
  end: 'terminated' | number | undefined;
  readonly delivered: (Uint8Array | string)[] = [];
  private queue: {
    data: Uint8Array | string;
    bytes: number;
    done: (error?: Error) => void;
    isPing?: boolean;
  }[] = [];

  send(data: Uint8Array | string, done: (error?: Error) => void, bytes = data.length): void {
    if (this.end !== undefined) {
      queueMicrotask(() => done(new Error('closed')));
      return;
    }
    this.queue.push({ data, bytes, done });
    this.bufferedAmount += bytes;
    if (!this.blocked) this.flush();
  }

  sendFrame(frame: Buffer): void {
    this.send(messageIn(frame), () => undefined, frame.length);
  }

  set unread(unread: boolean) {
    this.isUnread = unread;
    if (!unread) for (const data of this.unanswered.splice(0)) this.heard(data);
  }

  ping(data: Buffer): void {
    const frameBytes = data.length + 2;
    this.queue.push({ data, bytes: frameBytes, done: () => this.answer(data), isPing: true });
    this.bufferedAmount += frameBytes;
    if (!this.blocked) this.flush();
  }

  onPong(heard: (data: Buffer) => void): void {
    this.heard = heard;
  }

  /** The viewer says this, whether it was asked or not. */
  pong(data: Buffer): void {
    this.heard(data);
  }

  private answer(data: Buffer): void {
    if (this.isUnread) this.unanswered.push(data);
    else this.heard(data);
  }

  /** Hands the first `count` queued messages to the network. */
  flush(count = Number.POSITIVE_INFINITY): void {
    for (const { data, bytes, done, isPing } of this.queue.splice(0, Math.min(count, this.queue.length))) {
      this.bufferedAmount -= bytes;
      if (isPing !== true) this.delivered.push(data);
      done();
    }
  }

  close(code: number): void {
    this.end ??= code;
  }

  terminate(): void {
    this.end ??= 'terminated';
  }

  /** What arrived, in words: `init`, `#3` for the fragment of sample 3, texts as they are. */
  get words(): string[] {
    return this.delivered.map((data) => {
      if (typeof data === 'string') return describe(JSON.parse(data) as LiveMessage);
      const parsed = parseFragment(Buffer.from(data));
      return parsed.ok ? `#${(parsed.value.batches[0]?.samples[0]?.ptsUs ?? 0) / 100_000}` : 'init';
    });
  }
}

function describe(message: LiveMessage): string {
  if (message.type === 'stream') return `stream ${message.camera}@${message.manager}`;
  if (message.type === 'dropped') return `dropped ${message.frames}`;
  if (message.type === 'ptz') return `looks at ${message.position.pan}${message.moving ? ' and moves' : ''}`;
  return [message.state, message.reason].filter((word) => word !== undefined).join(': ');
}
