/**
 * What every running unit answers its field console, whatever its role: status, log, restart, leave; and where its
 * control socket is. A unit that cannot start leaves a note for the console in its data folder.
 */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, messageOf } from '../base/failure.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import { CommandTable, worstLevel } from '../console/command-table.ts';
import { openControlSocket } from '../io/control-socket.ts';
import { systemClock } from '../io/system-clock.ts';
import { writeText } from '../io/text-files.ts';
import type { Log } from '../runtime/log.ts';
import type { LogRing } from '../runtime/log-ring.ts';
import { logJson } from '../viewing/network-json.ts';

/** A unit that ends with this wants to be started again (EX_TEMPFAIL). */
const restartExitCode = 75;
const socketName = 'control.sock';
const systemSocket = `/run/starling/${socketName}`;
const noteName = 'last-failure.json';
const logLinesMax = 500;

/** Where a unit that runs with these settings listens. */
function controlSocketOf({ console, data }: UnitConfig): string {
  const folder = process.env['RUNTIME_DIRECTORY']?.split(':')[0];
  return console.socket ?? join(folder === undefined || folder === '' ? data : folder, socketName);
}

/** Where it may listen, the likeliest first; without settings (they are broken) where systemd puts it. */
export function controlSockets(config: UnitConfig | undefined): string[] {
  if (config === undefined) return [systemSocket];
  if (config.console.socket !== undefined) return [config.console.socket];
  return [join(config.data, socketName), systemSocket];
}

export interface UnitControlOptions {
  readonly config: UnitConfig;
  readonly version: string;
  readonly ring: LogRing;
  readonly log: Log;
  readonly stop: (reason: string) => void;
}

/** The control socket of a unit; without one the unit goes on. */
export class UnitControl implements AsyncDisposable {
  readonly commands = new CommandTable();
  /** what the unit ends with */
  exitCode = 0;
  private readonly options: UnitControlOptions;
  private readonly startedMs = systemClock.monotonicMs();
  private socket: AsyncDisposable | undefined;

  private constructor(options: UnitControlOptions) {
    this.options = options;
    this.addCommands();
  }

  static async open(options: UnitControlOptions): Promise<UnitControl> {
    const control = new UnitControl(options);
    try {
      control.socket = await openControlSocket(controlSocketOf(options.config), (name, args) =>
        control.commands.run(name, args),
      );
    } catch (thrown) {
      options.log('warn', `the field console cannot ask this unit: ${messageOf(thrown)}`);
    }
    return control;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket?.[Symbol.asyncDispose]();
  }

  private addCommands(): void {
    const { config, version, ring, stop } = this.options;
    const status = (): object => {
      const checks = this.commands.checks();
      const uptimeSeconds = Math.round((systemClock.monotonicMs() - this.startedMs) / 1000);
      const connected = this.commands.connected();
      const { unit, role } = config;
      return { unit, role, version, uptimeSeconds, connected, level: worstLevel(checks), checks };
    };
    const end = (reason: string, exitCode: number): { data: object } => {
      this.exitCode = exitCode;
      // Whoever asked gets this answer first.
      setImmediate(() => stop(reason));
      return { data: { unit: config.unit, stops: reason } };
    };
    this.commands.add(
      {
        name: 'status',
        usage: 'status',
        summary: 'one screen: what is well, and the next step where not',
        run: async () => ({ data: status() }),
      },
      {
        name: 'commands',
        usage: 'commands',
        summary: 'what this unit answers',
        run: async () => ({ data: this.commands.list() }),
      },
      {
        name: 'log',
        usage: 'log [-n LINES] [-f]',
        summary: 'what happened lately',
        words: ['-n', '-f'],
        run: async (args) => {
          const after = Math.max(0, numberAfter('--after', args) ?? 0);
          const lines = Math.max(0, Math.min(logLinesMax, numberAfter('-n', args) ?? 20));
          const entries = ring.last(after > 0 ? logLinesMax : lines);
          return { data: logJson(config.unit, entries, after) };
        },
      },
      {
        name: 'restart',
        usage: 'restart',
        summary: 'start the program again',
        run: async () => end('told to start again', restartExitCode),
      },
      {
        name: 'leave',
        usage: 'leave',
        summary: 'leave the network in good order and stay away',
        run: async () => end('told to leave the network', 0),
      },
    );
  }
}

/** The number after a flag; undefined without it. Throws Failure USAGE for anything else. */
export function numberAfter(flag: string, args: readonly string[]): number | undefined {
  const place = args.indexOf(flag);
  if (place < 0) return undefined;
  const text = args[place + 1] ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Failure('USAGE', `${flag} wants a whole number`, { advice: `Such as ${flag} 50.` });
}

/** What a unit that could not start has left; `at` is ms UTC. */
export interface FailureNote {
  readonly at: number;
  readonly message: string;
  readonly advice: string;
}

export function failureNotePath({ data }: UnitConfig): string {
  return join(data, noteName);
}

/** Tells the console why the unit does not run; a disk that refuses is told elsewhere. */
export async function noteFailure(config: UnitConfig, thrown: unknown): Promise<void> {
  const advice = thrown instanceof Failure ? thrown.advice : '';
  const note: FailureNote = { at: systemClock.utcMs(), message: messageOf(thrown), advice };
  await writeText(failureNotePath(config), `${JSON.stringify(note)}\n`).catch(() => undefined);
}

/** It runs. */
export async function forgetFailure(config: UnitConfig): Promise<void> {
  await unlink(failureNotePath(config)).catch(() => undefined);
}
