/**
 * The unit as the system runs it: the service `starling` where there is systemd; elsewhere whoever started it. A file
 * holds the unit back from starting, which the key at boot makes and `start` removes.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Failure } from '../../base/failure.ts';
import { outputOf } from './machine-facts.ts';

const serviceName = 'starling.service';
/** Takes over what is on the partition CONFIG, at every start of the machine. */
export const provisionService = 'starling-provision.service';
/** starling.service has ConditionPathExists=! of it. */
export const holdFile = '/run/starling-hold';

export interface ServiceState {
  /** as systemd has it, such as `active (running)`; undefined without systemd or without that service */
  readonly state: string | undefined;
  readonly result: string | undefined;
  readonly restarts: number;
  readonly held: boolean;
}

function hasSystemd(): boolean {
  return existsSync('/run/systemd/system');
}

export async function serviceState(): Promise<ServiceState> {
  const held = existsSync(holdFile);
  const none = { state: undefined, result: undefined, restarts: 0, held };
  if (!hasSystemd()) return none;
  const names = 'LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts';
  const text = await outputOf('systemctl', ['show', serviceName, `--property=${names}`]);
  const facts = new Map((text ?? '').split('\n').map((line) => splitAt(line, '=')));
  if (facts.get('LoadState') !== 'loaded') return none;
  const result = facts.get('Result');
  const code = facts.get('ExecMainStatus');
  return {
    state: `${facts.get('ActiveState')} (${facts.get('SubState')})`,
    result: result === 'success' || result === undefined ? undefined : `${result}, exit code ${code}`,
    restarts: Number(facts.get('NRestarts') ?? 0),
    held,
  };
}

/** Rejects with Failure NOT_FOUND where systemd does not run the unit. */
export async function controlService(verb: 'start' | 'stop' | 'restart'): Promise<void> {
  if (verb !== 'stop') await rm(holdFile, { force: true });
  const { state } = await serviceState();
  if (state === undefined)
    throw new Failure('NOT_FOUND', `systemd has no ${serviceName} on this machine`, {
      advice: 'Start it as you did before: starling run --config FILE.',
    });
  if (verb !== 'stop') await forgiveStarts();
  if ((await outputOf('systemctl', ['--no-block', verb, serviceName])) === undefined)
    throw new Failure('SERVER_FAILED', `systemctl ${verb} ${serviceName} failed`, { advice: 'See `log`.' });
}

/** A start that a person asked for is none of those after which systemd gives up, or restarts the machine. */
export async function forgiveStarts(): Promise<void> {
  if (hasSystemd()) await outputOf('systemctl', ['reset-failed', serviceName]);
}

/** What went wrong with the partition CONFIG; undefined where nothing did. */
export async function provisionProblem(): Promise<string | undefined> {
  if (!hasSystemd()) return undefined;
  const state = await outputOf('systemctl', ['is-failed', provisionService]);
  if (state?.trim() !== 'failed') return undefined;
  const said = await outputOf('journalctl', [
    '-u',
    provisionService,
    '-b',
    '-n',
    '8',
    '-o',
    'cat',
    '--no-pager',
  ]);
  return said?.trim().replaceAll(/\s*\n\s*/g, '; ') ?? 'see `log`';
}

/** The last lines of the system's log about a service; undefined where there is none. */
export async function journalOf(lines: number, service = serviceName): Promise<string | undefined> {
  const args = ['-u', service, '-n', String(lines), '-o', 'short-iso', '--no-pager'];
  const text = await outputOf('journalctl', args);
  return text === undefined || text.trim() === '' || text.startsWith('-- No entries')
    ? undefined
    : text.trimEnd();
}

function splitAt(line: string, separator: string): [string, string] {
  const at = line.indexOf(separator);
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
}
