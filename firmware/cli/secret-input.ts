/**
 * Asking for passwords: on a terminal without showing what is typed, otherwise the first line of standard input. Never
 * from an argument, which every user of the machine can read.
 */
import { Failure } from '../base/failure.ts';

/** Asks for a secret; `question` is what a person reads. */
export type AskSecret = (question: string) => Promise<string>;

const lineBytesMax = 4_096;
const controlC = '\u0003';

/** The terminal of this process, or its standard input. */
export async function askSecret(question: string): Promise<string> {
  return process.stdin.isTTY ? typedSecret(question) : firstLine(process.stdin);
}

/** The first line that is piped in. Rejects with Failure USAGE when there is none. */
export async function firstLine(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += chunk.toString();
    if (text.includes('\n') || text.length > lineBytesMax) break;
  }
  const [line = ''] = text.split(/\r?\n/);
  if (line !== '' && line.length <= lineBytesMax) return line;
  throw new Failure('USAGE', 'no password on standard input', {
    advice: 'Type it on a terminal, or pipe it in.',
  });
}

function typedSecret(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(`${question}: `);
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    const finish = (settle: () => void): void => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      settle();
    };
    const onData = (chunk: Buffer): void => {
      for (const character of chunk.toString('utf8')) {
        if (character === '\r' || character === '\n') return finish(() => resolve(typed.join('')));
        if (character === controlC || character === '\u0004') {
          const failure = new Failure('USAGE', 'no password was typed', {
            advice: 'Start the command again.',
          });
          return finish(() => reject(failure));
        }
        if (character === '\u007f' || character === '\b') typed = typed.slice(0, -1);
        else typed.push(character);
      }
    };
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on('data', onData);
  });
}

/** A new password; one that is typed is typed twice. Rejects with Failure USAGE when the two differ. */
export async function askNewPassword(
  { askSecret: ask, typed }: { askSecret: AskSecret; typed: boolean },
  who: string,
): Promise<string> {
  const first = await ask(`New password of ${who}`);
  if (!typed || (await ask('The same again')) === first) return first;
  throw new Failure('USAGE', 'the two passwords differ', { advice: 'Start the command again.' });
}
