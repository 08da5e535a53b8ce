/**
 * qtest, by which wires of an emulated machine are pulled up and down from outside (its documentation: system/qtest.c
 * of QEMU): one command a line, one answer `OK` or `FAIL`.
 *
 * A path that is not there makes the emulator abort: take it from `MachineProtocol.find` in every run.
 */
import assert from 'node:assert';
import { LineSocket } from './line-socket.ts';

const answerMs = 20_000;

export class LineInjector implements Disposable {
  private socket: LineSocket | undefined;
  private waiting: ((answer: string) => void) | undefined;

  private constructor() {}

  static async open(path: string): Promise<LineInjector> {
    const injector = new LineInjector();
    injector.socket = await LineSocket.open(
      path,
      // Lines that begin with IRQ tell of wires that were watched; nobody watches any.
      (line) => /^(OK|FAIL|ERR)/.test(line) && injector.answer(line),
      () => injector.answer('the emulator has ended'),
    );
    return injector;
  }

  /** Sets input `line` of the GPIO device at `path` to a level. */
  async setInput(path: string, line: number, level: 0 | 1): Promise<void> {
    const answer = await this.ask(`set_irq_in ${path} unnamed-gpio-in ${line} ${level}`);
    assert.match(answer, /^OK/, `line ${line} of ${path}`);
  }

  [Symbol.dispose](): void {
    this.socket?.[Symbol.dispose]();
  }

  private async ask(command: string): Promise<string> {
    assert(this.waiting === undefined, 'one command at a time');
    const answer = new Promise<string>((resolve) => {
      this.waiting = resolve;
    });
    const limit = setTimeout(() => this.answer(`no answer within ${answerMs} ms`), answerMs);
    this.socket?.send(command);
    try {
      return await answer;
    } finally {
      clearTimeout(limit);
    }
  }

  private answer(text: string): void {
    this.waiting?.(text);
    this.waiting = undefined;
  }
}
