/**
 * Whether the machine was free for a measurement: what all processors did, without what the measured processes did
 * (proc(5)). A benchmark on a busy machine measures the others.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { costOfTree } from './process-cost.ts';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']).toString());
/** Of one core; a desktop's background is less. */
const foreignShareMax = 0.25;

/** Seconds that all cores together were busy, since the machine was started. */
function busySeconds(): number {
  const fields = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '')
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond;
}

export class MachineLoad {
  private readonly pids: readonly number[];
  private readonly busy = busySeconds();
  private readonly own: number;
  private readonly startMs = performance.now();

  /** Looks from now on; these processes and their descendants, and this one, are those that are measured. */
  constructor(pids: readonly number[]) {
    this.pids = [process.pid, ...pids];
    this.own = this.ownSeconds();
  }

  /** Share of one core that others have used. */
  foreignShare(): number {
    const seconds = (performance.now() - this.startMs) / 1000;
    return Math.max(0, (busySeconds() - this.busy - (this.ownSeconds() - this.own)) / seconds);
  }

  /** Why what was measured meanwhile is not valid, if it is not. */
  fault(): string | undefined {
    const share = this.foreignShare();
    if (share <= foreignShareMax) return undefined;
    return `the machine was busy: other processes used ${(share * 100).toFixed(0)} % of a core`;
  }

  private ownSeconds(): number {
    return costOfTree([...new Set(this.pids)]).cpuSeconds;
  }
}
