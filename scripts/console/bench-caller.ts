/**
 * Calls over a line that loses bytes: every frame is repeated until it is answered, blobs are pulled unit by unit until
 * they are whole (see firmware/console/framed-calls.ts for the frames).
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type BlobDescription,
  BlobReceiver,
  formatRequest,
  parseDescription,
} from '../../firmware/console/blob-transfer.ts';
import { type Frame, FrameScanner, formatFrame } from '../../firmware/console/framed-lines.ts';
import type { BenchLine } from './bench-line.ts';

const againMs = 300;
/** Nothing at all from the unit for so long: the line is dead. */
export const deadMsDefault = 10_000;
/**
 * A round is over when so long nothing came, should the unit's own word for it be lost: which happens on a noisy line; on a
 * clean one the unit is only slow, and asking again would send everything twice.
 */
const quietMs = { noisy: 400, clean: 3_000 } as const;
const windowsMax = 24;

/** The unit, as it greets. */
export interface Greeting {
  readonly unit: string;
  readonly version: string;
  readonly locked: boolean;
  readonly waitMs: number;
}

/** What a command says. */
export type CallAnswer =
  | { readonly ok: true; readonly data: unknown; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly advice: string };

export interface PullProgress {
  readonly received: number;
  readonly size: number;
  /** frames that came broken so far */
  readonly broken: number;
}

/** The unit does not answer, or not as it should. `kind` chooses the exit code. */
export class BenchError extends Error {
  readonly kind: 'silent' | 'locked' | 'refused';

  constructor(kind: BenchError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

export class BenchCaller {
  private readonly line: BenchLine;
  private readonly deadMs: number;
  private readonly scanner = new FrameScanner();
  private take: (frame: Frame) => void = () => undefined;
  private heardAtMs = Number.NEGATIVE_INFINITY;
  private tag = Math.floor(Math.random() * 1_000_000) + 1;
  private wake = (): void => undefined;
  private gone: string | undefined;

  constructor(line: BenchLine, deadMs: number = deadMsDefault) {
    this.line = line;
    this.deadMs = deadMs;
    line.onData((bytes) => {
      this.heardAtMs = performance.now();
      for (const found of this.scanner.push(bytes)) if ('frame' in found) this.take(found.frame);
      this.wake();
    });
    void line.closed.then((reason) => {
      this.gone = reason;
      this.wake();
    });
  }

  /** Who is there. Rejects with BenchError `silent`. */
  async hello(limitMs = this.deadMs): Promise<Greeting> {
    const greeting = await this.ask('H', { replies: ['h'], limitMs });
    return JSON.parse(greeting.payload.toString()) as Greeting;
  }

  /** Rejects with BenchError `locked` when it is the wrong PIN, or too early for another one. */
  async unlock(pin: string): Promise<void> {
    const reply = await this.ask('P', { payload: Buffer.from(pin), replies: ['p'], limitMs: this.deadMs });
    const { verdict, waitMs } = JSON.parse(reply.payload.toString()) as { verdict: string; waitMs: number };
    if (verdict === 'right') return;
    const wait = waitMs > 0 ? `; the next try in ${Math.ceil(waitMs / 1000)} s` : '';
    throw new BenchError(
      'locked',
      verdict === 'wait' ? `too many wrong PINs${wait}` : `the PIN is ${verdict}${wait}`,
    );
  }

  async call(text: string): Promise<CallAnswer> {
    const { tag, description } = await this.begin(`L${text}`);
    const answer = await this.pullBlob(tag, description, () => undefined);
    return JSON.parse(answer.toString()) as CallAnswer;
  }

  /** A file of the unit. */
  async pull(name: string, onProgress: (progress: PullProgress) => void): Promise<Buffer> {
    const { tag, description } = await this.begin(`P${name}`);
    return this.pullBlob(tag, description, onProgress);
  }

  /** Gives the line back to people. Waits no longer than a moment: the unit finds out by itself. */
  async bye(): Promise<void> {
    await this.ask('B', { replies: ['b'], limitMs: 1_000 }).catch(() => undefined);
  }

  private async begin(payload: string): Promise<{ tag: number; description: BlobDescription }> {
    const {
      tag,
      kind,
      payload: said,
    } = await this.ask('C', {
      payload: Buffer.from(payload),
      replies: ['c', 'x', 'h'],
      limitMs: 600_000,
    });
    if (kind === 'x')
      throw new BenchError('refused', (JSON.parse(said.toString()) as { error: string }).error);
    if (kind === 'h') throw new BenchError('locked', 'the console is locked: give --pin');
    const description = parseDescription(said);
    if (description === undefined) throw new BenchError('refused', 'the unit speaks another version');
    return { tag, description };
  }

  /** Repeats a frame until one of the replies to it comes. */
  private async ask(
    kind: string,
    {
      payload = Buffer.alloc(0),
      replies,
      limitMs,
    }: { payload?: Buffer; replies: readonly string[]; limitMs: number },
  ): Promise<Frame> {
    const tag = ++this.tag;
    const text = formatFrame({ kind, tag, number: 0, payload });
    let reply: Frame | undefined;
    this.take = (frame) => {
      if (frame.tag === tag && replies.includes(frame.kind)) reply = frame;
    };
    const startMs = performance.now();
    let soundMs = startMs;
    while (reply === undefined) {
      await this.send(text);
      await this.until(() => reply !== undefined, againMs);
      if (this.heardAtMs > soundMs) soundMs = this.heardAtMs;
      const nowMs = performance.now();
      if (reply === undefined && (nowMs - startMs > limitMs || nowMs - soundMs > this.deadMs))
        throw this.silent();
    }
    return reply;
  }

  private async pullBlob(
    tag: number,
    description: BlobDescription,
    onProgress: (progress: PullProgress) => void,
  ): Promise<Buffer> {
    const receiver = new BlobReceiver(description);
    const brokenBefore = this.scanner.broken;
    let number = 0;
    let ended = -1;
    let lost = false;
    const quiet = (): number => (this.scanner.broken > brokenBefore ? quietMs.noisy : quietMs.clean);
    this.take = (frame) => {
      if (frame.tag !== tag) return;
      if (frame.kind === 'D') receiver.take({ unit: frame.number, bytes: frame.payload });
      else if (frame.kind === 'e') ended = frame.number;
      else if (frame.kind === 'h') lost = true;
    };
    for (;;) {
      let fruitlessMs = performance.now();
      while (!receiver.done) {
        const { received } = receiver;
        const broken = this.scanner.broken;
        let requests = '';
        for (const request of receiver.requests(windowsMax)) {
          const frame = formatFrame({ kind: 'N', tag, number: ++number, payload: formatRequest(request) });
          // Twice: the unit takes one of a number, and half of them would not arrive on a bad line.
          requests += frame + frame;
        }
        const last = number;
        await this.send(requests);
        await this.until(() => receiver.done || ended === last || lost, quiet(), { sinceHeard: true });
        receiver.heardBroken(this.scanner.broken - broken);
        onProgress({
          received: receiver.received,
          size: description.size,
          broken: this.scanner.broken - brokenBefore,
        });
        if (receiver.received > received) fruitlessMs = performance.now();
        if (lost)
          throw new BenchError(
            'locked',
            'the unit has locked the console, or forgotten the answer: begin again',
          );
        if (performance.now() - fruitlessMs > this.deadMs) throw this.silent();
      }
      const blob = receiver.result();
      if (blob !== undefined) return blob;
    }
  }

  private async send(text: string): Promise<void> {
    if (this.gone !== undefined) throw new BenchError('silent', this.gone);
    await this.line.write(text);
  }

  /** Until it holds, or for so long: from now, or since anything was heard. */
  private async until(
    holds: () => boolean,
    ms: number,
    { sinceHeard = false }: { sinceHeard?: boolean } = {},
  ): Promise<void> {
    const startMs = performance.now();
    while (!holds() && this.gone === undefined) {
      const fromMs = sinceHeard ? Math.max(startMs, this.heardAtMs) : startMs;
      const leftMs = fromMs + ms - performance.now();
      if (leftMs <= 0) return;
      const waker = new AbortController();
      this.wake = () => waker.abort();
      await pause(leftMs, undefined, { signal: waker.signal }).catch(() => undefined);
    }
    if (this.gone !== undefined) throw new BenchError('silent', this.gone);
  }

  private silent(): BenchError {
    const advice =
      'is it the right port and speed, and are RX and TX crossed? Does `console-tty` run on the unit?';
    return new BenchError('silent', `no answer on this line: ${advice}`);
  }
}
