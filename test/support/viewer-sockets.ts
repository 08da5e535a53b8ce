/**
 * A viewer's end of a WebSocket whose network a test opens and closes: it accepts everything, keeps it queued while
 * `blocked`, and hands it over in order with `flush`, as the socket of `ws` does (test/contract/viewer-socket.test.ts).
 */
import { parseFragment } from '../../firmware/media/mp4-scanner.ts';
import type { LiveMessage } from '../../firmware/viewing/api.ts';
import { messageIn } from '../../firmware/viewing/framed-socket.ts';
import type { FramedViewerSocket } from '../../firmware/viewing/live-socket.ts';

export class QueueSocket implements FramedViewerSocket {
  blocked = false;
  bufferedAmount = 0;
  /** how the server ended it */
  end: 'terminated' | number | undefined;
  readonly delivered: (Uint8Array | string)[] = [];
  private queue: { data: Uint8Array | string; bytes: number; done: (error?: Error) => void }[] = [];

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

  /** Hands the first `count` queued messages to the network. */
  flush(count = Number.POSITIVE_INFINITY): void {
    for (const { data, bytes, done } of this.queue.splice(0, Math.min(count, this.queue.length))) {
      this.bufferedAmount -= bytes;
      this.delivered.push(data);
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
