/**
 * One unit of a demo as an operating system process of its own. When it dies it is started again, as systemd would;
 * one that dies again and again is tried less and less often, and does not say the same thing twice. One that ends with
 * exit code 0 has left on purpose and stays away.
 *
 * Invariant: units end with their parent, however it ends (they watch the IPC channel), so no process is orphaned.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DemoUnit } from './demo-site.ts';

const restartMs: { readonly first: number; readonly max: number } = { first: 5_000, max: 60_000 };
/** A unit that has run for so long is sound: its next death is a first one. */
const soundMs = 60_000;
/** A unit that has not stopped by then is killed. */
const stopMs = 12_000;
/** A server syncs as many files a second as it has cameras; each waits for the disk on a thread. */
const serverThreads = '16';
/** Different lines of a unit that dies all the time. */
const toldMax = 100;

export class UnitProcess {
  readonly unit: DemoUnit;
  private readonly program: string;
  private readonly tell: (line: string) => void;
  private readonly firstRestartMs: number;
  private child: ChildProcess | undefined;
  private gone: Promise<void> = Promise.resolve();
  private restart: NodeJS.Timeout | undefined;
  private startedAtMs = 0;
  private deaths = 0;
  /** what it said since it was last sound, without the times */
  private readonly told = new Set<string>();
  private stopping = false;

  /** `program` is the bundle, `tell` takes lines for a person. */
  constructor(
    unit: DemoUnit,
    program: string,
    tell: (line: string) => void,
    firstRestartMs = restartMs.first,
  ) {
    this.firstRestartMs = firstRestartMs;
    this.unit = unit;
    this.program = program;
    this.tell = tell;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  start(): void {
    const { folder, settings, role } = this.unit;
    // A process cannot change this for itself: its threads are there before its program is.
    const threads = role === 'server' ? { UV_THREADPOOL_SIZE: serverThreads } : {};
    const child = spawn(process.execPath, [this.program, 'run', '--config', settings], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...threads, ...process.env, STARLING_LOG: 'plain' },
    });
    this.child = child;
    this.startedAtMs = Date.now();
    const file = createWriteStream(join(folder, 'unit.log'), { flags: 'a' });
    // A full disk takes the log, not the demo.
    file.on('error', (error) => this.say(`${this.unit.id}: its log cannot be written: ${error.message}`));
    if (child.stderr !== null) {
      createInterface(child.stderr).on('line', (line) => {
        if (!file.writableEnded) file.write(`${line}\n`);
        if (!/^\S+ \S+ (debug|info) /.test(line)) this.say(line);
      });
    }
    this.gone = new Promise((resolve) => {
      const ended = (how: string): void => {
        if (this.child !== child) return;
        this.child = undefined;
        file.end();
        resolve();
        if (this.stopping) return;
        if (how === exitCode(0)) this.tell(`${this.unit.id} has left; it is not started again by this demo`);
        else this.startAgain(how);
      };
      // It could not even be started: no `close` follows.
      child.once('error', (error) => ended(error.message));
      child.once('close', (code, signal) => ended(signal ?? exitCode(code)));
    });
  }

  /** Asks it to stop and waits until it is gone. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    const child = this.child;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const deadline = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await this.gone;
    clearTimeout(deadline);
  }

  private startAgain(how: string): void {
    const { id, folder } = this.unit;
    this.forgetIfSound();
    const waitMs = Math.min(this.firstRestartMs * 2 ** this.deaths, restartMs.max);
    this.deaths += 1;
    if (this.deaths === 1) this.tell(`${id} ended (${how}); it is started again in ${waitMs / 1000} s`);
    if (this.deaths === 2) {
      this.tell(
        `${id} ended again (${how}); it is tried again, less and less often: see ${join(folder, 'unit.log')}`,
      );
    }
    this.restart = setTimeout(() => this.start(), waitMs);
  }

  /** Passes a line on, unless an earlier life of a unit that keeps dying has said the same. */
  private say(line: string): void {
    this.forgetIfSound();
    const text = line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, '');
    if (this.deaths > 0 && this.told.has(text)) return;
    if (this.told.size < toldMax) this.told.add(text);
    this.tell(line);
  }

  private forgetIfSound(): void {
    if (Date.now() - this.startedAtMs < soundMs) return;
    this.deaths = 0;
    this.told.clear();
  }
}

function exitCode(code: number | null): string {
  return `exit code ${code}`;
}
