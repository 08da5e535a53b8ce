/**
 * The body of an answer, to the last byte that came: Node throws away what waits to be read when a connection breaks,
 * but an export goes on from what has come. Bounded: above `waitingBytesMax` the connection is paused.
 */
import type { IncomingMessage } from 'node:http';
import { Failure, messageOf } from '../base/failure.ts';

const waitingBytesMax = 4 * 1024 * 1024;

export class ResponseBody {
  private readonly response: IncomingMessage;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private ended: { readonly cause?: unknown } | undefined;
  private wake = (): void => undefined;

  /** Reads from now on. */
  constructor(response: IncomingMessage) {
    this.response = response;
    response.on('data', (bytes: Buffer) => {
      this.waiting.push(bytes);
      this.waitingBytes += bytes.length;
      if (this.waitingBytes > waitingBytesMax) response.pause();
      this.wake();
    });
    response.on('end', () => this.end({}));
    response.on('error', (cause) => this.end({ cause }));
    response.on('close', () => this.end({ cause: new Error('closed') }));
  }

  /** Rejects with Failure UNREACHABLE when the server broke off, after everything that came was read. */
  async *chunks(): AsyncGenerator<Buffer, void, void> {
    for (;;) {
      const { waiting } = this;
      this.waiting = [];
      this.waitingBytes = 0;
      if (waiting.length === 0 && this.ended !== undefined) break;
      this.response.resume();
      yield* waiting;
      if (this.waiting.length > 0 || this.ended !== undefined) continue;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    if (!('cause' in (this.ended ?? {}))) return;
    const { cause } = this.ended ?? {};
    const advice = 'Try again.';
    throw new Failure('UNREACHABLE', `the server broke off: ${messageOf(cause)}`, { advice, cause });
  }

  private end(how: { readonly cause?: unknown }): void {
    this.ended ??= how;
    this.wake();
  }
}
