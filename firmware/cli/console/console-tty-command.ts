/** `starling console-tty`: the field console of a unit, on a serial port or on this terminal. */
import { existsSync } from 'node:fs';
import { uptime } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { Failure } from '../../base/failure.ts';
import { hashPin, isPin, PinGate, pinFailuresName, pinFileBytesMax, pinFileName } from '../../console/pin.ts';
import { ConsoleSession } from '../../console/session.ts';
import { type ConsoleLine, openConsoleTty, openOwnTerminal } from '../../io/console-tty.ts';
import { pinFailuresAt } from '../../io/pin-failures.ts';
import { systemClock } from '../../io/system-clock.ts';
import { readText, writeText } from '../../io/text-files.ts';
import { bootKey, holdUnit, startUnlessUsed, tellReady } from './boot-key.ts';
import { finishTrial } from './config-change.ts';
import { UnitConsole } from './unit-console.ts';
import { UnitLink } from './unit-link.ts';
import { controlService, holdFile } from './unit-service.ts';

const configDefault = '/etc/starling/unit.yaml';
/** The machine has just started. */
const bootSeconds = 180;
/** Enter, as terminals send it. */
const bootKeys: readonly number[] = [10, 13];
/** A line that hangs up is opened again by whoever started this. */
const hungUpExitCode = 1;

interface Flags {
  readonly config: string;
  readonly tty?: string;
  readonly baud?: string;
  readonly socket?: string;
  readonly bootKey: string;
  readonly setPin?: string;
}

export function addConsoleTtyCommand(program: Command, version: string): void {
  program
    .command('console-tty')
    .description('the field console of this unit on a serial port, or on this terminal')
    .option('--config <file>', 'settings of the unit', configDefault)
    .option('--tty <device>', 'serial port, such as /dev/ttyAMA0; without it this terminal')
    .option('--baud <n>', 'speed; without it the port keeps the one it has')
    .option('--socket <file>', 'control socket of the running unit, when it is elsewhere')
    .option('--boot-key <seconds>', 'so long a key keeps the unit from starting', '0')
    .option('--set-pin <digits>', 'write the hash of this PIN beside unit.yaml, and end')
    .addHelpText('after', '\nExample:\n  starling console-tty --tty /dev/ttyS0 --baud 115200')
    .action(async (flags: Flags) => {
      if (flags.setPin !== undefined) return writePin(flags.config, flags.setPin);
      await serveConsole(flags, version);
      process.exit(hungUpExitCode);
    });
}

function pinPath(configPath: string): string {
  return join(dirname(resolve(configPath)), pinFileName);
}

function failuresPath(configPath: string): string {
  return join(dirname(resolve(configPath)), pinFailuresName);
}

async function writePin(configPath: string, pin: string): Promise<void> {
  if (!isPin(pin)) throw new Failure('USAGE', 'a PIN has 4 to 12 digits', { advice: 'Such as 493817.' });
  await writeText(pinPath(configPath), await hashPin(pin), { mode: 0o600 });
}

/** A file that cannot be read shuts the console: only a missing one opens it. */
async function readPin(configPath: string): Promise<string | undefined> {
  try {
    return await readText(pinPath(configPath), { bytesMax: pinFileBytesMax, advice: '' });
  } catch (thrown) {
    return thrown instanceof Failure && thrown.code === 'FILE_MISSING' ? undefined : '';
  }
}

async function serveConsole(flags: Flags, version: string): Promise<void> {
  const { config: configPath, tty, baud, socket } = flags;
  const speed = baud === undefined ? undefined : numberOf('--baud', baud, 4_000_000);
  const keySeconds = numberOf('--boot-key', flags.bootKey, 60);
  using line = tty === undefined ? openOwnTerminal() : await openConsoleTty(tty, speed);
  const clock = systemClock;
  const unit = new UnitLink({ path: configPath, socket, clock });
  const undone = await finishTrial({ path: configPath, unit, clock, print: () => undefined }).catch(
    () => false,
  );
  const record = await readPin(configPath);
  const read = await unit.config();
  const name = read.ok ? read.config.unit : 'unit';
  const commands = new UnitConsole({ configPath, unit, clock, version, hasPin: record !== undefined });
  const session = new ConsoleSession({
    unit: name,
    version,
    clock,
    output: line,
    gate: await PinGate.open(clock, record, pinFailuresAt(failuresPath(configPath))),
    commands,
    ...(read.ok ? { lockMs: read.config.console.lockMinutes * 60_000 } : {}),
  });
  // Only at boot: a console that was started again must not hold back a unit that runs, or is to.
  const seconds = uptime() < bootSeconds && (await unit.health()) === undefined ? keySeconds : 0;
  const held = await waitForKey(line, { seconds, session });
  await tellReady();
  const notes = [
    `Starling ${version}, field console of ${name}`,
    ...(read.ok ? [] : [`unit.yaml is broken: ${read.failure.message.replaceAll('\n', '; ')}`]),
    ...(held ? ['The unit is kept from starting: `start` goes on.'] : []),
    ...(undone ? ['A change of settings was cut off by the power: the old ones are back.'] : []),
  ];
  session.open(notes.join('\r\n'));
  const waiting = {
    clock,
    used: () => commands.used,
    start: () => controlService('start'),
    write: (text: string) => line.write(text),
  };
  // Also when the console that held it back has ended since.
  const cancelStart = existsSync(holdFile) ? startUnlessUsed(waiting) : () => undefined;
  await Promise.race([line.closed, stopped()]);
  cancelStart();
  session.close();
}

/** During the first seconds keys are for holding the unit back; after that all bytes go to the session. */
async function waitForKey(
  line: ConsoleLine,
  { seconds, session }: { seconds: number; session: ConsoleSession },
): Promise<boolean> {
  const { key, done } = bootKey({ seconds, clock: systemClock, write: (text) => line.write(text) });
  let watching = seconds > 0;
  line.onData((bytes) => {
    if (!watching) session.push(bytes);
    // Noise is no key.
    else if ([...bytes].some((byte) => bootKeys.includes(byte))) key();
  });
  const pressed = await done;
  watching = false;
  if (!pressed) return false;
  const trouble = holdUnit();
  if (trouble !== undefined) line.write(`cannot hold the unit back: ${trouble}\r\n`);
  return trouble === undefined;
}

function stopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}

function numberOf(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (/^\d{1,7}$/.test(text) && value <= max) return value;
  throw new Failure('USAGE', `${flag}: expected 0..${max}, got ${text}`, { advice: 'See --help.' });
}
