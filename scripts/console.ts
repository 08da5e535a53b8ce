/**
 * `npm run console -- DEVICE [command…]`: the field console of a unit from the bench, over a serial cable.
 *
 *     npm run console -- /dev/ttyUSB0                          interactive, until Ctrl-]
 *     npm run console -- /dev/ttyUSB0 status                   one command; the answer on standard output
 *     npm run console -- /dev/ttyUSB0 camera cam-1 --json      the same as JSON
 *     npm run console -- /dev/ttyUSB0 pull bundle [-o FILE]    a support archive; or a recorded file that `files` lists
 *
 * --baud N (115200), --pin DIGITS (or STARLING_PIN, or it is asked for). --silence SECONDS (10) is
 * how long the line may be silent. DEVICE may be unix:PATH, an emulator's port.
 * Exit codes: 0 done, 1 failed, 2 wrong usage, 4 locked, 5 no answer.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import cliProgress from 'cli-progress';
import { askSecret } from '../firmware/cli/secret-input.ts';
import { quoteWord } from '../firmware/console/command-words.ts';
import { BenchCaller, BenchError, deadMsDefault, type PullProgress } from './console/bench-caller.ts';
import { baudDefault, openBenchLine } from './console/bench-line.ts';
import { talk } from './console/interactive.ts';

interface Arguments {
  readonly device: string;
  readonly baud: number;
  readonly pin: string | undefined;
  readonly output: string | undefined;
  /** the line is dead when it was silent for so long */
  readonly silenceMs: number;
  /** without those of this program */
  readonly words: readonly string[];
}

const usage = 'usage: npm run console -- DEVICE [--baud N] [--pin DIGITS] [command… | pull NAME [-o FILE]]';
const exitCodes = { silent: 5, locked: 4, refused: 1 } as const;

/** Options of ours may stand anywhere; everything else is the command's. */
function parseArguments(given: readonly string[]): Arguments | undefined {
  let [baud, pin, output]: [number, string | undefined, string | undefined] = [
    baudDefault,
    undefined,
    undefined,
  ];
  let silenceMs = deadMsDefault;
  const words: string[] = [];
  for (let at = 0; at < given.length; at++) {
    const word = given[at] ?? '';
    if (word === '--baud') baud = Number(given[++at]);
    else if (word === '--pin') pin = given[++at];
    else if (word === '--silence') silenceMs = Number(given[++at]) * 1_000;
    else if (word === '-o' || word === '--output') output = given[++at];
    else words.push(word);
  }
  const [device, ...rest] = words;
  if (device === undefined || !Number.isInteger(baud) || baud < 50 || !(silenceMs > 0)) return undefined;
  return { device, baud, pin: pin ?? process.env['STARLING_PIN'], output, silenceMs, words: rest };
}

async function main(): Promise<number> {
  const parsed = parseArguments(process.argv.slice(2));
  if (parsed === undefined) {
    console.error(usage);
    return 2;
  }
  const line = await openBenchLine(parsed.device, parsed.baud);
  try {
    if (parsed.words.length === 0) {
      await talk(line);
      return 0;
    }
    const caller = new BenchCaller(line, parsed.silenceMs);
    const { locked } = await caller.hello();
    if (locked) await caller.unlock(parsed.pin ?? (await askPin()));
    const [verb, name] = parsed.words;
    const code =
      verb === 'pull' && name !== undefined
        ? await pull(caller, name, parsed)
        : await command(caller, parsed.words);
    await caller.bye();
    return code;
  } finally {
    await line.close();
  }
}

async function command(caller: BenchCaller, words: readonly string[]): Promise<number> {
  const answer = await caller.call(words.map(quoteWord).join(' '));
  const json = words.includes('--json');
  if (!answer.ok) {
    const { code, message, advice } = answer;
    if (json) console.log(JSON.stringify({ error: code, message, advice }, null, 2));
    console.error(`error: ${message}\n${advice}`);
    return 1;
  }
  console.log(json ? JSON.stringify(answer.data, null, 2) : answer.text);
  return 0;
}

async function pull(caller: BenchCaller, name: string, { output, words }: Arguments): Promise<number> {
  const bar = process.stderr.isTTY ? progressBar() : undefined;
  const startMs = performance.now();
  const blob = await caller.pull(name, (progress) => bar?.show(progress));
  bar?.end();
  const file = output ?? (name === 'bundle' ? 'starling-bundle.tar.gz' : basename(name));
  writeFileSync(file, blob);
  // The unit's own digest was compared before; this is for whoever compares with another copy.
  const sha256 = createHash('sha256').update(blob).digest('hex');
  const seconds = Number(((performance.now() - startMs) / 1000).toFixed(1));
  if (words.includes('--json')) console.log(JSON.stringify({ file, bytes: blob.length, sha256, seconds }));
  else console.error(`${file}: ${blob.length} bytes in ${seconds} s`);
  return 0;
}

function progressBar(): { show: (progress: PullProgress) => void; end: () => void } {
  const format =
    '{bar} {percentage} %  {value}/{total} bytes  {speed}  {eta_formatted} left  {broken} lines resent';
  const bar = new cliProgress.SingleBar({ format, stream: process.stderr, hideCursor: true });
  const startMs = performance.now();
  let started = false;
  return {
    show: ({ received, size, broken }) => {
      const rate = received / Math.max(0.001, (performance.now() - startMs) / 1000);
      const more = { broken, speed: `${(rate / 1000).toFixed(1)} kB/s` };
      if (!started) bar.start(size, received, more);
      else bar.update(received, more);
      started = true;
    },
    end: () => bar.stop(),
  };
}

async function askPin(): Promise<string> {
  if (!process.stdin.isTTY)
    throw new BenchError('locked', 'the console is locked: give --pin or STARLING_PIN');
  return (await askSecret('PIN')).trim();
}

try {
  process.exitCode = await main();
} catch (thrown) {
  console.error(`error: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exitCode = thrown instanceof BenchError ? exitCodes[thrown.kind] : 1;
}
