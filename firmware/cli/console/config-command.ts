/** `config` of the field console. */
import { dirname, resolve } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { Failure } from '../../base/failure.ts';
import { parseUnitConfig } from '../../config/unit-config.ts';
import type { ConsoleAnswer } from '../../console/command-table.ts';
import { redact, redactData } from '../../console/redaction.ts';
import type { CommandIo } from '../../console/session.ts';
import { numberAfter } from '../unit-control.ts';
import { changeConfig, readConfigText } from './config-change.ts';
import { parseSettingPath, settingAt, valueText, withSetting } from './config-text.ts';
import type { UnitLink } from './unit-link.ts';

const usage = 'config get [PATH] | set PATH VALUE [--wait SECONDS] | unset PATH | check';

interface ConfigParts {
  readonly configPath: string;
  readonly unit: UnitLink;
  readonly clock: Clock;
}

export async function configCommand(
  args: readonly string[],
  io: CommandIo,
  parts: ConfigParts,
): Promise<ConsoleAnswer> {
  const [verb = 'get', path, ...value] = args;
  switch (verb) {
    case 'get':
      return path === undefined ? whole(parts) : one(path, parts);
    case 'check':
      return check(parts);
    case 'set':
    case 'unset':
      return change(verb, { path, value, io }, parts);
    default:
      throw new Failure('USAGE', `config ${verb.slice(0, 40)}?`, { advice: usage });
  }
}

async function whole({ configPath }: ConfigParts): Promise<ConsoleAnswer> {
  const text = redact(await readConfigText(configPath));
  return { data: { path: configPath, yaml: text }, text: text.trimEnd() };
}

async function one(path: string, { unit, configPath }: ConfigParts): Promise<ConsoleAnswer> {
  const read = await unit.config();
  if (!read.ok) throw read.failure;
  const value = redactData(settingAt(read.config, parseSettingPath(path)));
  if (value === undefined)
    throw new Failure('NOT_FOUND', `${path} is not set in ${configPath}`, {
      advice: '`config get` shows what is.',
    });
  return { data: { path, value }, text: redact(valueText(value)) };
}

async function check({ configPath }: ConfigParts): Promise<ConsoleAnswer> {
  const text = await readConfigText(configPath);
  const { unit, role } = parseUnitConfig(text, dirname(resolve(configPath)));
  return { data: { path: configPath, unit, role, sound: true }, text: `${configPath} is sound` };
}

async function change(
  verb: 'set' | 'unset',
  { path, value, io }: { path: string | undefined; value: readonly string[]; io: CommandIo },
  { configPath, unit, clock }: ConfigParts,
): Promise<ConsoleAnswer> {
  const waitSeconds = numberAfter('--wait', value);
  const words = waitSeconds === undefined ? value : value.filter((_, at) => !isWait(value, at));
  if (path === undefined || (verb === 'set') === (words.length === 0))
    throw new Failure('USAGE', 'which setting?', { advice: usage });
  const before = await readConfigText(configPath);
  const steps = parseSettingPath(path);
  const text = withSetting(before, steps, verb === 'set' ? words.join(' ') : undefined);
  const result = await changeConfig(text, {
    path: configPath,
    unit,
    clock,
    print: (line) => io.print(`${line}\n`),
    ...(waitSeconds === undefined ? {} : { waitSeconds }),
  });
  if (result.outcome === 'rolled back')
    throw new Failure('UNREACHABLE', `taken back: ${result.why}`, {
      advice: 'The old settings are in force again.',
    });
  return { data: { path, ...result }, text: `${result.outcome}: ${result.why}` };
}

function isWait(words: readonly string[], at: number): boolean {
  return words[at] === '--wait' || words[at - 1] === '--wait';
}
