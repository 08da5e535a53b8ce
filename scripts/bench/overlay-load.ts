/**
 * Whether this machine was fit to measure on. Where members wait for a processor, timers fire late or the kernel's
 * neighbor table is full, every figure is noise. Times in milliseconds, shares from 0 to 1.
 *
 * What counts is how long the members' own threads were ready and did not run (proc_pid_schedstat(5)), whoever else
 * kept the processors busy; idle processors alone would condemn work of low priority and miss short crowds.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Bounds of a valid run. */
const waitShareMax = 0.1;
const timerLateMsMax = 50;

const timerMs = 10;
/** All members act at once when one is lost: of a shorter time, waits are counted as if it were so long. */
const windowMsMin = 1_000;

/** What was seen from `watchLoad` to `end`. */
export interface Load {
  /** of the processors' time */
  readonly idleShare: number;
  /** time that a member's threads waited for a processor, as a share of the time that passed; mean of all members */
  readonly waitShare: number;
  /** time that a member's threads ran, likewise */
  readonly runShare: number;
  /** 99th percentile of how late a timer of this process fired */
  readonly timerLateMs: number;
  /** why nothing measured meanwhile counts */
  readonly trouble: string | undefined;
}

interface Reading {
  readonly atMs: number;
  readonly idleTicks: number;
  readonly ticks: number;
  readonly overflows: number;
  readonly spent: ReadonlyMap<number, Spent>;
}

/** Since a process began, all its threads together. */
interface Spent {
  readonly ranMs: number;
  readonly waitedMs: number;
}

/** Starts to watch the machine and these processes of members. */
export function watchLoad(pids: readonly number[]): { end(): Load } {
  const before = read(pids);
  const delays = monitorEventLoopDelay({ resolution: timerMs });
  delays.enable();
  return {
    end: () => {
      delays.disable();
      const after = read(pids);
      const seen = {
        idleShare: (after.idleTicks - before.idleTicks) / Math.max(1, after.ticks - before.ticks),
        waitShare: shareOf(before, after, ({ waitedMs }) => waitedMs),
        runShare: shareOf(before, after, ({ ranMs }) => ranMs),
        timerLateMs: Math.max(0, delays.percentile(99) / 1e6 - timerMs),
      };
      return { ...seen, trouble: troubleOf(seen, after.overflows - before.overflows) };
    },
  };
}

function troubleOf({ waitShare, timerLateMs }: Omit<Load, 'trouble'>, overflows: number): string | undefined {
  if (overflows > 0) return `the kernel's neighbor table was full ${overflows} times`;
  if (waitShare > waitShareMax) {
    return `members waited for a processor ${percent(waitShare)} of the time, more than ${percent(waitShareMax)}`;
  }
  if (timerLateMs > timerLateMsMax) {
    return `timers fired ${timerLateMs.toFixed(0)} ms late (p99), more than ${timerLateMsMax} ms`;
  }
  return undefined;
}

/** For a person. */
export function loadText({ idleShare, waitShare, runShare, timerLateMs }: Load): string {
  const members = `each member runs ${percent(runShare)} and waits ${percent(waitShare)}`;
  const waits = `${members}, timers ${timerLateMs.toFixed(0)} ms late`;
  return `processors idle ${percent(idleShare)}, ${waits}`;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function shareOf(before: Reading, after: Reading, time: (spent: Spent) => number): number {
  const windowMs = Math.max(windowMsMin, after.atMs - before.atMs);
  const shares = [...before.spent].flatMap(([pid, spent]) => {
    const later = after.spent.get(pid);
    // Threads that ended meanwhile took their share with them.
    return later === undefined ? [] : [Math.max(0, time(later) - time(spent)) / windowMs];
  });
  return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
}

function read(pids: readonly number[]): Reading {
  // proc_stat(5): user nice system idle iowait irq softirq steal
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  const spent = pids.map((pid): [number, Spent | undefined] => [pid, spentBy(pid)]);
  return {
    atMs: performance.now(),
    idleTicks: (ticks[3] ?? 0) + (ticks[4] ?? 0),
    ticks: ticks.reduce((sum, one) => sum + one, 0),
    overflows: tableOverflows('arp_cache') + tableOverflows('ndisc_cache'),
    spent: new Map(spent.flatMap(([pid, one]) => (one === undefined ? [] : [[pid, one]]))),
  };
}

/** undefined when the process is gone */
function spentBy(pid: number): Spent | undefined {
  try {
    let ranMs = 0;
    let waitedMs = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [ranNs, waitedNs] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      ranMs += Number(ranNs) / 1e6;
      waitedMs += Number(waitedNs) / 1e6;
    }
    return { ranMs, waitedMs };
  } catch {
    return undefined;
  }
}

/** How often an entry found no room, over all processors; the file has a line of names and one per processor, in hex. */
function tableOverflows(table: string): number {
  const [names = '', ...rows] = readFileSync(`/proc/net/stat/${table}`, 'utf8').trim().split('\n');
  const column = names.trim().split(/\s+/).indexOf('table_fulls');
  return rows.reduce((sum, row) => sum + Number.parseInt(row.trim().split(/\s+/)[column] ?? '0', 16), 0);
}
