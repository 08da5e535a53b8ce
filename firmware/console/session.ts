/**
 * One console session on a line: the person at the prompt, and programs that speak in frames on the same line. Pure but
 * for what it is given, so that it runs on a pty, on a serial port and in virtual time.
 *
 * Invariants: nothing but the PIN is answered while it is locked; one command of the prompt at a time; what comes while a
 * command runs is dropped, but for Ctrl-C, also what comes in one piece with that command; frames silence the prompt for
 * `framedMs`, so that echo and prompts do not get between them; without input for `lockMs` it locks itself again, whatever
 * it is at: a command is broken off.
 */
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import type { CommandHelp, ConsoleAnswer } from './command-table.ts';
import { type CommandLine, parseCommandLine } from './command-words.ts';
import { complete } from './completion.ts';
import { plainText } from './console-text.ts';
import { FramedCalls } from './framed-calls.ts';
import { FrameScanner } from './framed-lines.ts';
import { LineEditor, type LineEvent } from './line-editor.ts';
import { Pager } from './pager.ts';
import type { PinGate } from './pin.ts';

/** After the last frame the prompt is a person's again. */
const framedMs = 5_000;
/** What looks like the beginning of a frame and does not go on is what a person typed. */
const heldMs = 300;
const lockMsDefault = 600_000;

/** Where a session writes. */
export interface LineOutput {
  write(text: string): void;
  /** Resolves when there is room again. */
  drained(): Promise<void>;
}

/** What a command may do besides answering. */
export interface CommandIo {
  readonly print: (text: string) => void;
  /** A question to the person; the empty text when there is nobody to ask. */
  readonly ask: (question: string) => Promise<string>;
  /** no person is there: a program calls */
  readonly framed: boolean;
  readonly signal: AbortSignal;
}

/** The commands of a console. */
export interface ConsoleCommands {
  list(): Promise<readonly CommandHelp[]>;
  /** Further words for arguments. */
  words(command: string, before: readonly string[]): readonly string[];
  run(line: CommandLine, io: CommandIo): Promise<ConsoleAnswer>;
  /** A file that may be pulled. Rejects with a Failure. */
  blob(name: string): Promise<Buffer>;
}

export interface SessionOptions {
  readonly unit: string;
  readonly version: string;
  readonly clock: Clock;
  readonly output: LineOutput;
  readonly gate: PinGate;
  readonly commands: ConsoleCommands;
  readonly lockMs?: number;
}

type Mode = 'locked' | 'prompt' | 'running' | 'paging' | 'asking';

export class ConsoleSession {
  private readonly options: SessionOptions;
  private readonly scanner = new FrameScanner();
  private readonly editor: LineEditor;
  private readonly calls: FramedCalls;
  private mode: Mode;
  private framedUntilMs = Number.NEGATIVE_INFINITY;
  private abort = new AbortController();
  /** nobody typed for too long while a command ran: it locks when that is over */
  private lockNext = false;
  private pager: Pager | undefined;
  private answerTo: ((answer: string) => void) | undefined;
  private commands: readonly CommandHelp[] = [];
  private cancelHeld = (): void => undefined;
  private cancelLock = (): void => undefined;
  private cancelFramed = (): void => undefined;

  constructor(options: SessionOptions) {
    this.options = options;
    const { unit, version, clock, output, gate, commands } = options;
    this.mode = gate.needed ? 'locked' : 'prompt';
    this.editor = new LineEditor({
      write: (text) => this.write(text),
      on: (event) => this.typed(event),
    });
    this.calls = new FramedCalls({ unit, version, clock, output, gate, commands });
  }

  /** Greets and shows the first prompt. */
  open(greeting: string): void {
    this.write(`\r\n${greeting}\r\n`);
    this.learn();
    this.prompt();
  }

  /** Bytes from the line. */
  push(bytes: Buffer): void {
    this.cancelHeld();
    this.armLock();
    for (const found of this.scanner.push(bytes)) {
      if ('frame' in found) {
        if (!this.isFramed()) this.editor.clear();
        this.framedUntilMs = this.options.clock.monotonicMs() + framedMs;
        if (this.calls.take(found.frame) === 'bye') this.framedUntilMs = Number.NEGATIVE_INFINITY;
        this.armFramed();
      } else this.text(found.text);
    }
    this.cancelHeld = this.options.clock.after(heldMs, () => this.text(this.scanner.flush()));
  }

  close(): void {
    this.cancelHeld();
    this.cancelLock();
    this.cancelFramed();
    this.abort.abort();
    this.calls.close();
    this.answerTo?.('');
  }

  private isFramed(): boolean {
    return this.options.clock.monotonicMs() < this.framedUntilMs;
  }

  /** When the program is done, the person gets a prompt. */
  private armFramed(): void {
    this.cancelFramed();
    const ms = Math.max(0, this.framedUntilMs - this.options.clock.monotonicMs());
    this.cancelFramed = this.options.clock.after(ms, () => {
      if (!this.isFramed() && (this.mode === 'prompt' || this.mode === 'locked')) {
        this.write('\r\n');
        this.prompt();
      }
    });
  }

  private armLock(): void {
    this.cancelLock();
    if (!this.options.gate.needed) return;
    this.cancelLock = this.options.clock.after(this.options.lockMs ?? lockMsDefault, () => {
      this.calls.lock();
      if (this.mode === 'prompt' || this.mode === 'paging') return this.lock();
      if (this.mode === 'locked') return;
      this.lockNext = true;
      this.abort.abort();
      this.answerTo?.('');
    });
  }

  private lock(): void {
    this.lockNext = false;
    this.pager = undefined;
    this.mode = 'locked';
    this.write('\r\nlocked, as nobody typed\r\n');
    this.prompt();
  }

  private text(text: string): void {
    // One by one: a key may change what the next one means.
    for (const key of text) {
      if (this.isFramed()) return;
      if (this.mode === 'running') {
        if (key === '\u0003') this.abort.abort();
      } else if (this.mode === 'paging') this.turnPage(key);
      else this.editor.push(key);
    }
  }

  private typed(event: LineEvent): void {
    switch (event.is) {
      case 'complete':
        if (this.mode === 'prompt') this.complete();
        return;
      case 'interrupt':
      case 'end':
        if (this.mode === 'asking') return this.answerTo?.('');
        if (event.is === 'end' && this.options.gate.needed) {
          this.mode = 'locked';
          this.calls.lock();
        }
        if (event.is === 'end') this.write('\r\n');
        return this.prompt();
      case 'line':
        if (this.mode === 'locked') void this.unlock(event.line.trim());
        else if (this.mode === 'asking') this.answerTo?.(event.line.trim());
        else if (this.mode === 'prompt') void this.command(event.line);
        return;
    }
  }

  private async unlock(pin: string): Promise<void> {
    if (pin === '') return this.prompt();
    this.mode = 'running';
    const verdict = await this.options.gate.try(pin);
    this.mode = verdict === 'right' ? 'prompt' : 'locked';
    if (verdict === 'right') this.write('`help` lists the commands, `status` says what is wrong.\r\n');
    else if (verdict === 'not a PIN') this.write('a PIN has 4 to 12 digits\r\n');
    else if (verdict === 'wrong') this.write('wrong PIN\r\n');
    this.prompt();
  }

  private prompt(): void {
    if (this.isFramed()) return;
    const { unit, gate } = this.options;
    const waitMs = gate.waitMs();
    if (this.mode === 'locked') {
      if (waitMs > 0) this.write(`too many wrong PINs: wait ${Math.ceil(waitMs / 1000)} s\r\n`);
      this.editor.begin(`${unit} is locked. PIN: `, { secret: true });
    } else this.editor.begin(`${unit}> `);
  }

  private async command(text: string): Promise<void> {
    const line = parseCommandLine(text);
    if (!line.ok) {
      this.write(`${line.reason}\r\n`);
      return this.prompt();
    }
    if (line.value.name === '') return this.prompt();
    if (line.value.name === 'lock' && this.options.gate.needed) {
      this.mode = 'locked';
      return this.prompt();
    }
    this.mode = 'running';
    this.abort = new AbortController();
    const shown = await this.answer(line.value);
    if (this.lockNext) return this.lock();
    this.learn();
    this.page(shown);
  }

  /** What is printed for a command; never rejects. */
  private async answer(line: CommandLine): Promise<string> {
    const io: CommandIo = {
      print: (text) => this.write(lines(text)),
      ask: (question) => this.ask(question),
      framed: false,
      signal: this.abort.signal,
    };
    try {
      const { data, text } = await this.options.commands.run(line, io);
      return line.json ? JSON.stringify(data, null, 2) : (text ?? plainText(data));
    } catch (thrown) {
      if (!(thrown instanceof Failure)) return `bug: ${messageOf(thrown)}`;
      if (line.json)
        return JSON.stringify(
          { error: thrown.code, message: thrown.message, advice: thrown.advice },
          null,
          2,
        );
      return `error: ${thrown.message}\n${thrown.advice}`;
    }
  }

  private ask(question: string): Promise<string> {
    return new Promise((resolve) => {
      this.mode = 'asking';
      this.answerTo = (answer) => {
        this.mode = 'running';
        this.answerTo = undefined;
        resolve(answer);
      };
      this.editor.begin(question);
    });
  }

  private page(text: string): void {
    this.pager = new Pager(text);
    this.mode = 'paging';
    this.turnPage(' ');
  }

  private turnPage(key: string): void {
    const { pager } = this;
    if (pager === undefined) return;
    this.write(pager.key(key));
    if (!pager.done) return;
    this.pager = undefined;
    this.mode = 'prompt';
    this.prompt();
  }

  /** Asked beforehand: keys must not overtake a completion. */
  private learn(): void {
    void this.options.commands.list().then((list) => {
      this.commands = list;
    });
  }

  private complete(): void {
    const more = (command: string, before: readonly string[]): readonly string[] =>
      this.options.commands.words(command, before);
    const { insert, choices } = complete(this.editor.beforeCursor, this.commands, more);
    if (insert !== '') return this.editor.insert(insert);
    if (choices.length === 0) return;
    this.write(`\r\n${choices.slice(0, 60).join('  ')}`);
    this.editor.redraw();
  }

  private write(text: string): void {
    if (!this.isFramed()) this.options.output.write(text);
  }
}

/** Text with line ends as a terminal in raw mode wants them. */
function lines(text: string): string {
  return text.replaceAll(/\r?\n/g, '\r\n');
}
