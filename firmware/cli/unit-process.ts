/**
 * One unit of a demo as an operating system process of its own. When it dies it is started again, as systemd would.
 *
 * Invariant: units end with their parent, however it ends (they watch the IPC channel), so no process is orphaned.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DemoUnit } from './demo-site.ts';

const restartMs = 5_000;
/** A unit that has not stopped by then is killed. */
const stopMs = 12_000;

export class UnitProcess {
  readonly unit: DemoUnit;
  private readonly program: string;
  private readonly tell: (line: string) => void;
  private child: ChildProcess | undefined;
  private restart: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(unit: DemoUnit, program: string, tell: (line: string) => void) {
    this.unit = unit;
    this.program = program;
    this.tell = tell;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  start(): void {
    const { id, folder, settings } = this.unit;
    const child = spawn(process.execPath, [this.program, 'run', '--config', settings], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, STARLING_LOG: 'plain' },
    });
    this.child = child;
    const file = createWriteStream(join(folder, 'unit.log'), { flags: 'a' });
    if (child.stderr !== null) {
      createInterface(child.stderr).on('line', (line) => {
        file.write(`${line}\n`);
        if (!/^\S+ \S+ (debug|info) /.test(line)) this.tell(line);
      });
    }
    child.once('close', (code, signal) => {
      file.end();
      this.child = undefined;
      if (this.stopping) return;
      this.tell(`${id} ended (${signal ?? `exit code ${code}`}); it is started again in ${restartMs / 1000} s`);
      this.restart = setTimeout(() => this.start(), restartMs);
    });
  }

  /** Asks it to stop and waits until it is gone. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    const child = this.child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    const deadline = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await gone;
    clearTimeout(deadline);
  }
}
