/**
 * The far end of a guest's serial port: what it printed, and waiting for something in it. Terminal control (colours,
 * size probes such as `ESC[6n`, bracketed paste) is taken out before anything is looked for.
 *
 * `expect` goes on where the last match ended, so that an answer is never found in what came before the question.
 */
import type { Socket } from 'node:net';
import { until } from '../network.ts';
import { connectTo } from './line-socket.ts';

/** What is kept: the end of it. */
const charactersMax = 1_000_000;
const toldCharacters = 4_000;

/** CSI, OSC and two-character sequences of ECMA-48, and whatever else moves no text. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const control = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\0\x07\x08\r]/g;

/** Text as a person would read it. Sequences that are not complete yet stay. */
export function withoutControl(text: string): string {
  return text.replace(control, '');
}

export class SerialLine implements Disposable {
  private readonly socket: Socket;
  private raw = '';
  private readFrom = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.take(text));
  }

  static async open(path: string): Promise<SerialLine> {
    return new SerialLine(await connectTo(path));
  }

  /** All that came, readable. */
  get text(): string {
    return withoutControl(this.raw);
  }

  /** Types text as it is. */
  type(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Waits for text after the last match. Rejects with the end of what was printed. */
  async expect(pattern: RegExp, limitMs: number): Promise<RegExpExecArray> {
    try {
      return await until(`${pattern} on the serial line`, () => this.find(pattern), limitMs);
    } catch (error) {
      throw new Error(`${String(error)}; it said:\n${this.text.slice(-toldCharacters)}`);
    }
  }

  /**
   * Types a command for a shell and returns what it printed. The marker is not in what is typed, since that is echoed;
   * a long line is echoed with pieces twice, so the echo is not looked at.
   */
  async command(line: string, limitMs: number): Promise<string> {
    this.type(`${line}; echo "END""-OF-COMMAND $?"\n`);
    const [, printed = ''] = await this.expect(/\$\?"\n([^]*?)END-OF-COMMAND \d+/, limitMs);
    return printed;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  private take(text: string): void {
    this.raw += text;
    const excess = this.raw.length - charactersMax;
    if (excess <= 0) return;
    this.raw = this.raw.slice(excess);
    this.readFrom = 0;
  }

  private find(pattern: RegExp): RegExpExecArray | undefined {
    const { text } = this;
    const found = pattern.exec(text.slice(this.readFrom));
    if (found === null) return undefined;
    this.readFrom += found.index + found[0].length;
    return found;
  }
}
