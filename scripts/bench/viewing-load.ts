/**
 * Whether the machine was free for a measurement: what all processors did, without what the measured processes did
 * (proc(5)), and how late a timer fires. A benchmark on a busy machine measures the others.
 *
 * Time that a hypervisor takes away is not counted as others' work: some count it for idle processors, too. Where it
 * hurts, timers are late.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { costOfTree } from './process-cost.ts';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']).toString());
/** Of one core; a desktop's background is less. */
const foreignShareMax = 0.25;
/** 99th percentile; `bench -- overlay` has the same bound. */
const timerLateMsMax = 50;
const timerMs = 10;

/** Seconds that all cores together were busy, since the machine was started. */
function busySeconds(): number {
  const fields = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '')
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return (user + nice + system + irq + softirq) / ticksPerSecond;
}

export class MachineLoad {
  private readonly pids: readonly number[];
  private readonly busy = busySeconds();
  private readonly own: number;
  private readonly startMs = performance.now();
  private readonly delays = monitorEventLoopDelay({ resolution: timerMs });

  /** Looks from now on; these processes and their descendants, and this one, are those that are measured. */
  constructor(pids: readonly number[]) {
    this.pids = [process.pid, ...pids];
    this.own = this.ownSeconds();
    this.delays.enable();
  }

  /** Ends it; why what was measured meanwhile is not valid, if it is not. */
  fault(): string | undefined {
    this.delays.disable();
    const seconds = (performance.now() - this.startMs) / 1000;
    const share = (busySeconds() - this.busy - (this.ownSeconds() - this.own)) / seconds;
    if (share > foreignShareMax)
      return `the machine was busy: other processes used ${(share * 100).toFixed(0)} % of a core`;
    const lateMs = this.delays.percentile(99) / 1e6 - timerMs;
    if (lateMs > timerLateMsMax)
      return `the machine stood still at times: timers fired ${lateMs.toFixed(0)} ms late (p99)`;
    return undefined;
  }

  private ownSeconds(): number {
    return costOfTree([...new Set(this.pids)]).cpuSeconds;
  }
}

/** Measures until it was valid, so many times at most; the last counts. */
export async function untilValid<T>(
  attempts: number,
  measure: () => Promise<T>,
  isValid: (measured: T) => boolean,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const measured = await measure();
    if (isValid(measured) || attempt >= attempts) return measured;
  }
}
