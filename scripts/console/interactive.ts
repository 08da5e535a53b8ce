/** A person at the bench: this terminal is the unit's console, until Ctrl-]. */
import type { BenchLine } from './bench-line.ts';

/** Ctrl-], as telnet and cu have it. */
const leaveKey = '\u001d';

export async function talk(line: BenchLine): Promise<void> {
  const { stdin, stdout } = process;
  process.stderr.write('Ctrl-] ends this.\n');
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.resume();
  line.onData((bytes) => void stdout.write(bytes));
  const left = new Promise<string>((resolve) => {
    stdin.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      const end = text.indexOf(leaveKey);
      const typed = end < 0 ? text : text.slice(0, end);
      void line.write(typed).then(() => {
        if (end >= 0) resolve('');
      });
    });
    stdin.on('end', () => resolve(''));
  });
  // Shows the prompt.
  await line.write('\r');
  const reason = await Promise.race([left, line.closed]);
  if (stdin.isTTY) stdin.setRawMode(false);
  stdin.pause();
  process.stderr.write(`\n${reason}\n`);
}
