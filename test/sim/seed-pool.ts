/**
 * Runs many seeds in worker processes and tells how it goes. Which worker runs a seed makes no difference to it; the
 * results are the same for any number of workers.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { generateScenario } from './generate.ts';
import { runScenario, type Violation } from './run-scenario.ts';

export interface SeedResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly traceHash: string;
  readonly convergedMs: number;
  readonly virtualMs: number;
  readonly packets: number;
  readonly longestGapMs: number;
  readonly cpuMs: number;
}

interface Chunk {
  readonly first: number;
  readonly count: number;
}

const chunkSeeds = 10;

function runSeed(seed: number): SeedResult {
  const before = process.cpuUsage();
  const outcome = runScenario(generateScenario(seed));
  const { user, system } = process.cpuUsage(before);
  return { seed, ...outcome, cpuMs: (user + system) / 1_000 };
}

/** The whole life of a worker: chunks come in, results go out. */
export function serveSeeds(): void {
  process.on('message', ({ first, count }: Chunk) => {
    const results = Array.from({ length: count }, (_, offset) => runSeed(first + offset));
    process.send?.(results);
  });
}

export interface PoolOptions {
  readonly script: string;
  readonly first: number;
  readonly count: number;
  readonly jobs: number;
  readonly stopAtFailure: boolean;
  readonly onResults: (results: readonly SeedResult[]) => void;
}

/** Resolves when all seeds have run, or the first failed one is known; rejects when a worker dies. */
export async function runSeeds(options: PoolOptions): Promise<void> {
  let next = options.first;
  const end = options.first + options.count;
  const workers = Array.from({ length: Math.min(options.jobs, Math.ceil(options.count / chunkSeeds)) }, () =>
    fork(options.script, ['--worker'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
  );
  let failed = false;
  const feed = (worker: ChildProcess): void => {
    if (next >= end || (failed && options.stopAtFailure)) {
      worker.disconnect();
      return;
    }
    const count = Math.min(chunkSeeds, end - next);
    worker.send({ first: next, count });
    next += count;
  };
  try {
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve, reject) => {
            worker.on('message', (results: SeedResult[]) => {
              failed ||= results.some(({ violation }) => violation !== undefined);
              options.onResults(results);
              feed(worker);
            });
            worker.on('error', reject);
            worker.on('exit', (code) =>
              code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`)),
            );
            feed(worker);
          }),
      ),
    );
  } finally {
    for (const worker of workers) worker.kill();
  }
}
