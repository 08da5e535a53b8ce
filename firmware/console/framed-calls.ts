/**
 * Programs on the line: calls and blobs in frames. The caller repeats itself until it is answered; everything here may
 * therefore be asked twice.
 *
 *     caller                                   unit
 *     H n                                      h n   {unit, version, locked, waitMs}
 *     P n  the PIN                             p n   {verdict, waitMs}
 *     C n  L and a line, or P and a file       w n   (it is being done)
 *                                              c n   size and digest of the answer, which is a blob with the tag n
 *                                              x n   why there is none
 *     N n.k  which units of blob n             D n.unit  bytes …   and e n.k when the line has nothing more to send
 *     B n                                      b n
 *
 * An answer is JSON: {ok: true, data, text} or {ok: false, code, message, advice}; a pulled blob is the file itself.
 *
 * Invariants: at most `callsMax` calls are under way or kept with their answers, `requestsMax` requests wait; a call is
 * run once, however often it is asked for; nothing but H, P and B is answered while locked.
 */
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import {
  type BlobRequest,
  describeBlob,
  formatDescription,
  parseRequest,
  partsFor,
} from './blob-transfer.ts';
import { parseCommandLine } from './command-words.ts';
import { plainText } from './console-text.ts';
import { type Frame, formatFrame } from './framed-lines.ts';
import type { PinGate } from './pin.ts';
import type { ConsoleCommands, LineOutput } from './session.ts';

const callsMax = 4;
const requestsMax = 128;
const seenMax = 256;

export interface FramedCallsOptions {
  readonly unit: string;
  readonly version: string;
  readonly clock: Clock;
  readonly output: LineOutput;
  readonly gate: PinGate;
  readonly commands: ConsoleCommands;
}

interface Call {
  /** undefined while it is being done, or when it has failed */
  blob: Buffer | undefined;
  error: string | undefined;
}

interface PinTry {
  readonly tag: number;
  /** undefined while it is being checked */
  answer: object | undefined;
}

interface WaitingRequest {
  readonly tag: number;
  readonly number: number;
  readonly request: BlobRequest;
}

export class FramedCalls {
  private readonly options: FramedCallsOptions;
  private readonly calls = new Map<number, Call>();
  private readonly requests: WaitingRequest[] = [];
  /** requests come twice */
  private readonly seen = new Set<string>();
  private readonly abort = new AbortController();
  private open: boolean;
  private lastPin: PinTry | undefined;
  private sending = false;

  constructor(options: FramedCallsOptions) {
    this.options = options;
    this.open = !options.gate.needed;
  }

  /** What was asked for before is not sent any more. */
  lock(): void {
    this.requests.length = 0;
    this.open = !this.options.gate.needed;
    this.lastPin = undefined;
  }

  close(): void {
    this.abort.abort();
    this.requests.length = 0;
  }

  take(frame: Frame): 'bye' | undefined {
    const { kind, tag, payload } = frame;
    if (kind === 'H') this.reply('h', tag, this.greeting());
    else if (kind === 'P') void this.unlock(tag, payload.toString('latin1'));
    else if (kind === 'B') {
      this.lock();
      this.reply('b', tag, {});
      return 'bye';
    } else if (!this.open) this.reply('h', tag, this.greeting());
    else if (kind === 'C') this.call(tag, payload);
    else if (kind === 'N') this.need(frame);
    return undefined;
  }

  private greeting(): object {
    const { unit, version, gate } = this.options;
    return { unit, version, locked: !this.open, waitMs: gate.waitMs() };
  }

  /** A PIN that comes again is the same try: checking takes a small board longer than the caller waits. */
  private async unlock(tag: number, pin: string): Promise<void> {
    if (this.lastPin?.tag === tag) {
      if (this.lastPin.answer !== undefined) this.reply('p', tag, this.lastPin.answer);
      return;
    }
    const last: PinTry = { tag, answer: undefined };
    this.lastPin = last;
    const verdict = await this.options.gate.try(pin);
    if (verdict === 'right') this.open = true;
    const waitMs = this.options.gate.waitMs();
    last.answer = typeof verdict === 'string' ? { verdict, waitMs } : { verdict: 'wait', waitMs };
    this.reply('p', tag, last.answer);
  }

  private call(tag: number, payload: Buffer): void {
    const known = this.calls.get(tag);
    if (known !== undefined) return this.tell(tag, known);
    const call: Call = { blob: undefined, error: undefined };
    if (this.calls.size >= callsMax) {
      const done = [...this.calls].find(([, { blob, error }]) => blob !== undefined || error !== undefined);
      if (done === undefined) return this.reply('x', tag, { error: 'other commands are under way: wait.' });
      this.calls.delete(done[0]);
    }
    this.calls.set(tag, call);
    this.tell(tag, call);
    void this.perform(payload).then(({ blob, error }) => {
      call.blob = blob;
      call.error = error;
      this.tell(tag, call);
    });
  }

  private tell(tag: number, { blob, error }: Call): void {
    if (error !== undefined) this.reply('x', tag, { error });
    else if (blob === undefined) this.reply('w', tag, {});
    else this.frame('c', tag, formatDescription(describeBlob(blob)));
  }

  /** Never rejects. */
  private async perform(payload: Buffer): Promise<{ blob?: Buffer; error?: string }> {
    const text = payload.toString('utf8', 1);
    try {
      if (payload.toString('latin1', 0, 1) === 'P') return { blob: await this.options.commands.blob(text) };
      return { blob: Buffer.from(JSON.stringify(await this.answer(text))) };
    } catch (thrown) {
      const advice = thrown instanceof Failure ? ` ${thrown.advice}` : '';
      return { error: `${messageOf(thrown)}.${advice}`.slice(0, 400) };
    }
  }

  private async answer(text: string): Promise<object> {
    const line = parseCommandLine(text);
    if (!line.ok) return { ok: false, code: 'USAGE', message: line.reason, advice: 'Close the quote.' };
    const io = {
      print: () => undefined,
      ask: async () => '',
      framed: true,
      signal: this.abort.signal,
    };
    try {
      const { data, text: said } = await this.options.commands.run(line.value, io);
      return { ok: true, data, text: said ?? plainText(data) };
    } catch (thrown) {
      if (thrown instanceof Failure)
        return { ok: false, code: thrown.code, message: thrown.message, advice: thrown.advice };
      return { ok: false, code: 'BUG', message: messageOf(thrown), advice: 'Report this with a bundle.' };
    }
  }

  private need({ tag, number, payload }: Frame): void {
    const request = parseRequest(payload);
    const id = `${tag}.${number}`;
    if (request === undefined || this.seen.has(id) || this.requests.length >= requestsMax) return;
    this.seen.add(id);
    if (this.seen.size > seenMax) {
      const [first] = this.seen;
      if (first !== undefined) this.seen.delete(first);
    }
    this.requests.push({ tag, number, request });
    if (!this.sending) void this.send();
  }

  /** Sends what is asked for, no faster than the line takes it. */
  private async send(): Promise<void> {
    this.sending = true;
    const { output } = this.options;
    for (let next = this.requests.shift(); next !== undefined; next = this.requests.shift()) {
      const { tag, number, request } = next;
      const blob = this.calls.get(tag)?.blob;
      if (blob === undefined) {
        this.reply('h', tag, this.greeting());
        continue;
      }
      for (const { unit, bytes } of partsFor(blob, request)) {
        if (this.abort.signal.aborted) return;
        output.write(`${formatFrame({ kind: 'D', tag, number: unit, payload: bytes })}\r\n`);
        await output.drained();
      }
      if (this.requests.length === 0) {
        const done = formatFrame({ kind: 'e', tag, number, payload: Buffer.alloc(0) });
        output.write(`${done}\r\n${done}\r\n`);
      }
    }
    this.sending = false;
  }

  private reply(kind: string, tag: number, content: object): void {
    this.frame(kind, tag, Buffer.from(JSON.stringify(content)));
  }

  private frame(kind: string, tag: number, payload: Buffer): void {
    this.options.output.write(`${formatFrame({ kind, tag, number: 0, payload })}\r\n`);
  }
}
