/**
 * Changes a setting of the unit from its console, so that a slip costs nothing: the new settings are checked before they
 * are written, the old ones are kept beside them, the unit is started again, and when it had the network before and does
 * not get it back in time, the old ones come back by themselves.
 *
 * Procedure: 1 check. 2 write unit.yaml.trial (who tries, and the old text). 3 replace unit.yaml. 4 restart. 5 wait for the network.
 * 6 good: remove the trial file; else put its text back and restart. When the power goes between 2 and 6, the console
 * does step 6 at its next start: a change that nobody has seen work is not kept.
 */
import { existsSync, realpathSync } from 'node:fs';
import { chown, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { Failure, messageOf } from '../../base/failure.ts';
import { parseUnitConfig, unitConfigBytesMax } from '../../config/unit-config.ts';
import { hasErrno, readText, removeText, writeText } from '../../io/text-files.ts';
import { trialSuffix } from '../../provisioning/config-files.ts';
import { textOf } from './machine-facts.ts';
import type { UnitHealth, UnitLink } from './unit-link.ts';

const advice = 'Check the disk; `config check` tells what is in force.';
const pollMs = 500;
const bootIdPath = '/proc/sys/kernel/random/boot_id';
/** A unit that was just started is not asked before. */
const waitSecondsDefault = 90;

export interface ConfigChangeParts {
  readonly path: string;
  readonly unit: UnitLink;
  readonly clock: Clock;
  readonly print: (text: string) => void;
  readonly waitSeconds?: number;
}

export interface ConfigChangeResult {
  readonly outcome: 'applied' | 'applied, not judged' | 'rolled back' | 'unchanged';
  readonly why: string;
}

function trialPath(path: string): string {
  return `${realpathSync(path)}${trialSuffix}`;
}

export function readConfigText(path: string): Promise<string> {
  return readText(path, { bytesMax: unitConfigBytesMax, advice });
}

/** Rejects with CONFIG_INVALID when the new text is refused: nothing has changed then. */
export async function changeConfig(text: string, parts: ConfigChangeParts): Promise<ConfigChangeResult> {
  const path = realpathSync(parts.path);
  const before = await readConfigText(path);
  if (text === before) return { outcome: 'unchanged', why: 'it is so already' };
  parseUnitConfig(text, dirname(path));
  const health = await parts.unit.health();
  await beginTrial(path, before);
  await replace(path, text);
  try {
    return await prove(parts, health);
  } catch (thrown) {
    parts.print(`it does not work (${messageOf(thrown)}): the old settings come back`);
    await restore(parts);
    return { outcome: 'rolled back', why: messageOf(thrown) };
  }
}

/** At the console's start: a change that was under way when the power went is taken back. True when there was one. */
export async function finishTrial(parts: ConfigChangeParts): Promise<boolean> {
  const trial = await readTrial(parts.path).catch(() => undefined);
  if (trial === undefined || (await isUnderWay(trial.owner))) return false;
  const runs = (await parts.unit.health()) !== undefined;
  await putBack(parts.path);
  // At boot the unit waits for this console, and finds the old settings.
  if (runs) await parts.unit.restart();
  return true;
}

async function prove(parts: ConfigChangeParts, before: UnitHealth | undefined): Promise<ConfigChangeResult> {
  if (before === undefined) {
    await forgetTrial(parts.path);
    return { outcome: 'applied, not judged', why: 'the unit does not run; `start` starts it' };
  }
  parts.print('written; the unit starts again');
  await parts.unit.restart();
  const { waitSeconds = waitSecondsDefault } = parts;
  const after = await untilBack(parts, {
    startedMs: before.startedMs,
    connected: before.connected,
    waitSeconds,
  });
  if (before.connected && !after.connected)
    throw new Failure('UNREACHABLE', `no network within ${waitSeconds} s`, { advice });
  await forgetTrial(parts.path);
  if (!before.connected)
    return {
      outcome: 'applied, not judged',
      why: 'the unit had no network before, so it is not judged by that',
    };
  return { outcome: 'applied', why: 'the unit is back in the network' };
}

/** Waits until another run of the unit answers, and has the network if it had. */
async function untilBack(
  { unit, clock }: ConfigChangeParts,
  wanted: { startedMs: number; connected: boolean; waitSeconds: number },
): Promise<UnitHealth> {
  const endMs = clock.monotonicMs() + wanted.waitSeconds * 1_000;
  let seen: UnitHealth | undefined;
  while (clock.monotonicMs() < endMs) {
    const health = await unit.health();
    // A start is told to a second; the run before was older.
    if (health !== undefined && health.startedMs > wanted.startedMs + 1_000) {
      seen = health;
      if (health.connected || !wanted.connected) return health;
    }
    await pause(clock, pollMs);
  }
  if (seen !== undefined) return seen;
  throw new Failure('UNREACHABLE', `the unit has not started within ${wanted.waitSeconds} s`, { advice });
}

async function restore(parts: ConfigChangeParts): Promise<void> {
  await putBack(parts.path);
  await parts.unit.restart().catch((thrown: unknown) => parts.print(`restart: ${messageOf(thrown)}`));
}

async function putBack(given: string): Promise<void> {
  const path = realpathSync(given);
  await replace(path, (await readTrial(path)).before);
  await forgetTrial(path);
}

/** Rejects with Failure BUSY while another console tries something. */
async function beginTrial(path: string, before: string): Promise<void> {
  const owner = `${(await textOf(bootIdPath)) ?? '?'} ${process.pid}`;
  try {
    await writeText(trialPath(path), `# ${owner}\n${before}`, { mode: 0o600, exclusive: true });
  } catch (cause) {
    if (!hasErrno(cause, 'EEXIST')) throw cause;
    const message = 'another change is being tried';
    throw new Failure('BUSY', message, { advice: 'Wait for it, or start this console again.', cause });
  }
}

async function readTrial(path: string): Promise<{ owner: string; before: string }> {
  const bytesMax = unitConfigBytesMax + 200;
  const text = await readText(trialPath(path), { bytesMax, advice });
  const end = text.indexOf('\n');
  return { owner: text.slice(2, end), before: text.slice(end + 1) };
}

/** A process of this boot still has it in hand. */
async function isUnderWay(owner: string): Promise<boolean> {
  const [bootId, pid] = owner.split(' ');
  return bootId === (await textOf(bootIdPath)) && existsSync(`/proc/${Number(pid)}`);
}

/** Whoever may read the settings may read the new ones: the unit need not run as this console does. */
async function replace(path: string, text: string): Promise<void> {
  const { mode, uid, gid } = await stat(path);
  await writeText(path, text, { mode: mode & 0o777 });
  await chown(path, uid, gid);
}

/** For good: whoever is told that a change is applied may cut the power at once. */
async function forgetTrial(path: string): Promise<void> {
  await removeText(trialPath(path));
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
