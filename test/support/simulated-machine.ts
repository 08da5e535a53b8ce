/**
 * The machine that a simulated disk and index belong to: it numbers every step that changes something, and stops at
 * one of them, as if the power had gone or the process been killed; what is asked of it later never happens. It also
 * makes calls fail or wait. Everything is decided by one seed.
 */
import { Failure, type FailureCode } from '../../firmware/base/failure.ts';
import { Stream } from '../sim/randomness.ts';

export type StepKind =
  | 'create'
  | 'mkdir'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'unlink'
  | 'rmdir'
  | 'commit'
  | 'read';

interface Fault {
  readonly kind: StepKind;
  readonly path: string;
  readonly code: FailureCode;
  times: number;
}

const never = new Promise<never>(() => undefined);

export class SimulatedMachine {
  readonly random: Stream;
  /** steps done so far in all lives, and what they were */
  steps = 0;
  readonly trace: string[] = [];
  /** the step at which everything stops */
  crashAt = Number.POSITIVE_INFINITY;
  dead = false;
  private readonly faults: Fault[] = [];
  private stalled: { path: string; done: Promise<void> } | undefined;
  private die: () => void = () => undefined;
  died: Promise<void>;

  constructor(seed: number) {
    this.random = new Stream(seed, 'machine');
    this.died = new Promise((resolve) => {
      this.die = resolve;
    });
  }

  /** Begins another life, and says at which step it ends. Steps are counted on. */
  revive(crashAt = Number.POSITIVE_INFINITY): void {
    this.dead = false;
    this.crashAt = crashAt;
    this.faults.length = 0;
    this.stalled = undefined;
    this.died = new Promise((resolve) => {
      this.die = resolve;
    });
  }

  /** Stops now. */
  stop(): void {
    this.dead = true;
    this.die();
  }

  /** The next `times` calls of this kind on a path that contains `path` fail. */
  fail(kind: StepKind, path: string, code: FailureCode = 'FILE_IO', times = 1): void {
    this.faults.push({ kind, path, code, times });
  }

  /** All faults end. */
  heal(): void {
    this.faults.length = 0;
  }

  /** Every call on a path waits from now on until the result is called. */
  stall(path: string): () => void {
    let release = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.stalled = { path, done };
    return () => {
      this.stalled = undefined;
      release();
    };
  }

  /**
   * One step that changes something. `effect` is what it does; when the machine stops here, it happens or not.
   * `failing` is what is done of it when it is made to fail.
   */
  async step<T>(
    kind: StepKind,
    path: string,
    effect: () => T,
    failing: () => void = () => undefined,
  ): Promise<T> {
    await this.turn(path);
    this.steps += 1;
    this.trace.push(`${this.steps} ${kind} ${path}`);
    if (this.steps >= this.crashAt) {
      if (this.random.unit() < 0.5) effect();
      this.stop();
      return never;
    }
    this.check(kind, path, failing);
    const result = effect();
    await this.turn(path);
    return result;
  }

  /** A call that changes nothing. */
  async look<T>(path: string, effect: () => T): Promise<T> {
    await this.turn(path);
    this.check('read', path, () => undefined);
    return effect();
  }

  private check(kind: StepKind, path: string, failing: () => void): void {
    const fault = this.faults.find((one) => one.times > 0 && one.kind === kind && path.includes(one.path));
    if (fault === undefined) return;
    fault.times -= 1;
    failing();
    throw new Failure(fault.code, `${path}: ${kind} fails as the test wants`, { advice: 'Nothing.' });
  }

  private async turn(path: string): Promise<void> {
    await Promise.resolve();
    while (this.stalled !== undefined && path.includes(this.stalled.path)) await this.stalled.done;
    if (this.dead) await never;
  }
}
