/**
 * The unit's end of a serial line: a terminal device in raw mode at its speed, or this process's own terminal.
 *
 * No native addon is used here: the console must answer where the rest of the program does not.
 */
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { Failure, messageOf } from '../base/failure.ts';

/** More than a line at 115200 bit/s takes in 20 s. Whoever writes on and on does not look at what is drained. */
const waitingBytesMax = 256 * 1024;

export interface ConsoleLine extends Disposable {
  /** Bytes as they come. */
  onData(take: (bytes: Buffer) => void): void;
  /** Thrown away where too much waits already. */
  write(text: string): void;
  /** Resolves when there is room again. */
  drained(): Promise<void>;
  /** resolves when the line is gone */
  readonly closed: Promise<string>;
}

/** Opens a terminal device. Rejects with Failure FILE_IO. */
export async function openConsoleTty(path: string, baud: number | undefined): Promise<ConsoleLine> {
  const advice = 'Check the name of the port, and that no getty has it (systemctl mask serial-getty@…).';
  try {
    const file = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    if (!isatty(file)) {
      closeSync(file);
      throw new Error('it is no terminal');
    }
    await setSpeed(path, baud);
    // The read stream of a terminal is a socket on it: its writes wait for room without holding up the program.
    const port = new ReadStream(file);
    return lineOf(port, port);
  } catch (cause) {
    throw new Failure('FILE_IO', `cannot open ${path}: ${messageOf(cause)}`, { advice, cause });
  }
}

/** The terminal of this process. */
export function openOwnTerminal(): ConsoleLine {
  return lineOf(process.stdin, process.stdout);
}

/** Eight bits, no parity, no flow control that noise could set off. A board keeps the kernel's speed otherwise. */
async function setSpeed(path: string, baud: number | undefined): Promise<void> {
  const speed = baud === undefined ? [] : [String(baud)];
  const modes = ['cs8', '-parenb', '-cstopb', '-crtscts', 'clocal', '-ixon', '-ixoff', '-hupcl'];
  // A pty refuses some of it, which does no harm.
  await promisify(execFile)('stty', ['-F', path, ...speed, ...modes], { timeout: 5_000 }).catch(
    () => undefined,
  );
}

/** One line, of two streams that may be the same. */
export function lineOf(input: ReadStream, output: NodeJS.WriteStream | ReadStream): ConsoleLine {
  if (input.isTTY) input.setRawMode(true);
  let gone: (how: string) => void = () => undefined;
  const closed = new Promise<string>((resolve) => {
    gone = resolve;
  });
  input.on('error', (error) => gone(error.message));
  output.on('error', (error: Error) => gone(error.message));
  input.on('close', () => gone('the line was closed'));
  input.on('end', () => gone('the line has ended'));
  return {
    closed,
    onData: (take) => void input.on('data', (chunk: Buffer | string) => take(Buffer.from(chunk))),
    write: (text) => {
      if (output.writableLength < waitingBytesMax) output.write(Buffer.from(text, 'latin1'));
    },
    drained: () =>
      output.writableNeedDrain
        ? new Promise((resolve) => output.once('drain', () => resolve()))
        : Promise.resolve(),
    [Symbol.dispose]() {
      if (input.isTTY) input.setRawMode(false);
      input.destroy();
    },
  };
}
