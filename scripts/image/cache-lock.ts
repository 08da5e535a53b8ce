/**
 * One process at a time makes one thing of the cache; whoever wants the same waits, and finds it made. The kernel gives
 * the lock back when the process is gone, however it ended.
 */
import { spawn } from 'node:child_process';
import { Failure } from '../../firmware/base/failure.ts';

/** Runs `work` while nobody else runs theirs with the same path. Throws the Failure FILE_IO, and what `work` throws. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  // It holds the lock for as long as its input is open, which is as long as this process lives.
  const holder = spawn('flock', ['--exclusive', path, 'sh', '-c', 'echo held; cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    const failed = (cause?: unknown): void => {
      const advice = 'Check the permissions of the folder, and that flock (package util-linux) is there.';
      reject(new Failure('FILE_IO', `cannot lock ${path}`, { advice, cause }));
    };
    holder.stdout.once('data', () => resolve());
    holder.once('error', failed);
    holder.once('close', () => failed());
  });
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
