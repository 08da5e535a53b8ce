/**
 * The running unit as the console sees it: asked over its control socket, started again, or found not to run, and why.
 */

import { dirname, resolve } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { Failure } from '../../base/failure.ts';
import { formatSpan } from '../../base/quantity-text.ts';
import { parseUnitConfig, type UnitConfig } from '../../config/unit-config.ts';
import type { Check, ConsoleAnswer } from '../../console/command-table.ts';

import { askControl } from '../../io/control-socket.ts';
import { readText } from '../../io/text-files.ts';
import { controlSockets, type FailureNote, failureNotePath } from '../unit-control.ts';
import { readConfigText } from './config-change.ts';
import { controlService, forgiveStarts, serviceState } from './unit-service.ts';

/** A unit's word about itself. `startedMs` is monotonic, to a second. */
export interface UnitHealth {
  readonly connected: boolean;
  readonly startedMs: number;
}

export interface UnitStatus {
  readonly unit: string;
  readonly role: string;
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly connected: boolean;
  readonly checks: readonly Check[];
}

/** Settings, or why there are none. */
export type ReadConfig =
  | { readonly ok: true; readonly config: UnitConfig }
  | { readonly ok: false; readonly failure: Failure };

export interface UnitLinkOptions {
  /** of unit.yaml */
  readonly path: string;
  /** of the control socket, when it is given */
  readonly socket?: string | undefined;
  readonly clock: Clock;
}

export class UnitLink {
  private readonly options: UnitLinkOptions;
  /** the last settings that were sound */
  private last: UnitConfig | undefined;

  constructor(options: UnitLinkOptions) {
    this.options = options;
  }

  async config(): Promise<ReadConfig> {
    const { path } = this.options;
    try {
      const config = parseUnitConfig(await readConfigText(path), dirname(resolve(path)));
      this.last = config;
      return { ok: true, config };
    } catch (thrown) {
      if (!(thrown instanceof Failure)) throw thrown;
      return { ok: false, failure: thrown };
    }
  }

  /** Rejects with Failure UNREACHABLE when the unit does not run, else with the unit's own. */
  async ask(command: string, args: readonly string[] = []): Promise<ConsoleAnswer> {
    const read = await this.config();
    const { socket } = this.options;
    const sockets = socket === undefined ? controlSockets(read.ok ? read.config : this.last) : [socket];
    let failure: unknown;
    for (const path of sockets) {
      try {
        return await askControl(path, { command, args });
      } catch (thrown) {
        if (!(thrown instanceof Failure) || thrown.code !== 'UNREACHABLE') throw thrown;
        failure ??= thrown;
      }
    }
    throw failure;
  }

  async status(): Promise<UnitStatus | undefined> {
    try {
      return (await this.ask('status')).data as UnitStatus;
    } catch {
      return undefined;
    }
  }

  async health(): Promise<UnitHealth | undefined> {
    const status = await this.status();
    if (status === undefined) return undefined;
    const startedMs = this.options.clock.monotonicMs() - status.uptimeSeconds * 1_000;
    return { connected: status.connected, startedMs };
  }

  /** A unit that answers ends so that whoever supervises it starts it again; another one is the system's business. */
  async restart(): Promise<void> {
    try {
      await forgiveStarts();
      await this.ask('restart');
    } catch (thrown) {
      if (!(thrown instanceof Failure) || thrown.code !== 'UNREACHABLE') throw thrown;
      await controlService('restart');
    }
  }

  /** Why the unit does not run, as far as anybody knows. */
  async whyDown(): Promise<Check[]> {
    const [read, service] = await Promise.all([this.config(), serviceState()]);
    const start = '`start` starts it';
    if (!read.ok && read.failure.code === 'FILE_MISSING') {
      const text = 'does not run: this unit has no settings yet';
      const next = 'write them to its partition CONFIG (npm run flash), then `reboot`';
      return [{ name: 'program', level: 'FAIL', text, next }];
    }
    if (!read.ok) {
      const text = `does not run: ${read.failure.message.replaceAll('\n', '; ')}`;
      const next = '`config check`, then `config set PATH VALUE`, then `start`';
      return [{ name: 'program', level: 'FAIL', text, next }];
    }
    if (service.held)
      return [{ name: 'program', level: 'FAIL', text: 'held back by a key at boot', next: start }];
    const note = await this.note(read.config);
    const how = [
      service.state,
      service.result,
      service.restarts > 0 ? `${service.restarts} restarts` : undefined,
    ];
    const said = how.filter((part) => part !== undefined).join(', ');
    const text = `does not run${said === '' ? '' : ` (${said})`}${note === undefined ? '' : `: ${note.message}`}`;
    const next =
      note === undefined || note.advice === ''
        ? `\`log\` shows the end of its log; ${start}`
        : `${note.advice} Then ${start}`;
    return [{ name: 'program', level: 'FAIL', text, next }];
  }

  private async note(config: UnitConfig): Promise<FailureNote | undefined> {
    try {
      const text = await readText(failureNotePath(config), { bytesMax: 64 * 1024, advice: '' });
      const { at, message, advice } = JSON.parse(text) as Partial<FailureNote>;
      if (typeof message !== 'string') return undefined;
      const ago = (this.options.clock.utcMs() - Number(at)) / 1000;
      const when = ago >= 0 && ago < 1e8 ? `${formatSpan(ago)} ago: ` : '';
      return { at: Number(at), message: `${when}${message}`, advice: String(advice ?? '') };
    } catch {
      return undefined;
    }
  }
}
