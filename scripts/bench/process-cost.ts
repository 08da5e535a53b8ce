/** What processes cost, from proc(5): all threads of a process and of its children, those that ended included. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Sums since the processes began. */
export interface Cost {
  readonly cpuSeconds: number;
  /** the part of it in the kernel */
  readonly kernelSeconds: number;
  /** bytes sent to the medium, whole pages */
  readonly writtenBytes: number;
  /** times a thread waited for something, and so was woken */
  readonly wakeups: number;
  readonly residentBytes: number;
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']).toString());

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function numberIn(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

/** The fields after the name, which may have blanks in it; children that ended and were waited for are 13 and 14. */
function statOf(text: string): string[] {
  return text.replace(/^.*\) /s, '').split(' ');
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function costOf(pid: number): Cost {
  let cpuSeconds = 0;
  let wakeups = 0;
  let kernelSeconds = 0;
  for (const task of list(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${task}`;
    // In nanoseconds, where `stat` counts ticks of 10 ms.
    cpuSeconds += Number(read(`${folder}/schedstat`).split(' ')[0] ?? 0) / 1e9;
    wakeups += numberIn(read(`${folder}/status`), 'voluntary_ctxt_switches');
    kernelSeconds += Number(statOf(read(`${folder}/stat`))[12] ?? 0) / ticksPerSecond;
  }
  const [user = 0, system = 0] = statOf(read(`/proc/${pid}/stat`))
    .slice(13, 15)
    .map(Number);
  cpuSeconds += (user + system) / ticksPerSecond;
  kernelSeconds += system / ticksPerSecond;
  const writtenBytes = numberIn(read(`/proc/${pid}/io`), 'write_bytes');
  const residentBytes = numberIn(read(`/proc/${pid}/status`), 'VmRSS') * 1024;
  return { cpuSeconds, kernelSeconds, writtenBytes, wakeups, residentBytes };
}

/** These processes and their descendants. */
function treeOf(pids: readonly number[]): number[] {
  const tree = [...pids];
  for (const pid of tree) {
    for (const task of list(`/proc/${pid}/task`)) {
      tree.push(...read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number));
    }
  }
  return tree;
}

/** The cost of these processes and their descendants so far. */
export function costOfTree(pids: readonly number[]): Cost {
  return treeOf(pids)
    .map(costOf)
    .reduce((sum, one) => add(sum, one, 1), nothing);
}

const nothing: Cost = { cpuSeconds: 0, kernelSeconds: 0, writtenBytes: 0, wakeups: 0, residentBytes: 0 };

function add(a: Cost, b: Cost, sign: 1 | -1): Cost {
  return {
    cpuSeconds: a.cpuSeconds + sign * b.cpuSeconds,
    kernelSeconds: a.kernelSeconds + sign * b.kernelSeconds,
    writtenBytes: a.writtenBytes + sign * b.writtenBytes,
    wakeups: a.wakeups + sign * b.wakeups,
    residentBytes: a.residentBytes + sign * b.residentBytes,
  };
}

/** What was used from `before` to `after`; resident bytes are those of `after`. */
export function costBetween(before: Cost, after: Cost): Cost {
  return { ...add(after, before, -1), residentBytes: after.residentBytes };
}
