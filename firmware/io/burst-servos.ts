/**
 * Servos on plain GPIO lines: a child of this same program (`starling servo-process`) busy-waits their pulses while they
 * move and leaves the lines low otherwise. A servo that rests is not held.
 *
 * Invariants: the child is there from the beginning, because starting one takes a small board longer than a move; one that
 * dies is started again at the next move, not sooner than a second later, and that is told once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../base/clock.ts';
import { pulseWithin, type ServoAxis, type ServoDriver } from '../gpio/servo-driver.ts';
import type { ServoAim, ServoSetup } from './servo-process-main.ts';

const restartMs = 1_000;

export interface BurstServosOptions {
  /** the bundle */
  readonly program: string;
  /** what runs it; by default this Node */
  readonly node?: string;
  readonly execArgv?: readonly string[];
  readonly clock: Clock;
  /** number of the chip's first line */
  readonly base: number;
  readonly lines: { readonly [A in ServoAxis]?: number | undefined };
  /** the process died or cannot be started; told once */
  readonly onFailed: (how: string) => void;
}

export function openBurstServos(options: BurstServosOptions): ServoDriver {
  return new BurstServos(options);
}

class BurstServos implements ServoDriver {
  readonly name = 'onoff burst';
  readonly holds = false;
  private readonly options: BurstServosOptions;
  private child: ChildProcess | undefined;
  private notBeforeMs = Number.NEGATIVE_INFINITY;
  private failed = false;

  constructor(options: BurstServosOptions) {
    this.options = options;
    this.child = this.start();
  }

  aim(axis: ServoAxis, pulseUs: number): void {
    if (this.options.lines[axis] === undefined) return;
    this.child ??= this.start();
    const word: ServoAim = { axis, pulseUs: pulseWithin(pulseUs) };
    this.child?.stdin?.write(`${JSON.stringify(word)}\n`);
  }

  /** The burst goes on for a moment, so that the servo gets there, and ends by itself. */
  rest(): void {
    // see burstMs
  }

  /** Its input ends, and so does it. */
  [Symbol.dispose](): void {
    const { child } = this;
    this.child = undefined;
    this.notBeforeMs = Number.POSITIVE_INFINITY;
    child?.stdin?.end();
  }

  private start(): ChildProcess | undefined {
    const { program, node = process.execPath, execArgv = [], clock, base, lines } = this.options;
    if (clock.monotonicMs() < this.notBeforeMs) return undefined;
    const child = spawn(node, [...execArgv, program, 'servo-process'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const gone = (how: string): void => {
      if (this.child !== child) return;
      this.child = undefined;
      this.notBeforeMs = clock.monotonicMs() + restartMs;
      if (!this.failed) this.options.onFailed(how);
      this.failed = true;
    };
    child.once('error', (error) => gone(error.message));
    child.once('close', (code, signal) => gone(signal ?? `exit code ${code}`));
    // A child that is gone already: its exit is reported by `close`.
    child.stdin.on('error', () => undefined);
    const setup: ServoSetup = { base, lines: definedOf(lines) };
    child.stdin.write(`${JSON.stringify(setup)}\n`);
    return child;
  }
}

function definedOf(lines: BurstServosOptions['lines']): Record<string, number> {
  return Object.fromEntries(
    Object.entries(lines).flatMap(([axis, line]) => (line === undefined ? [] : [[axis, line]])),
  );
}
