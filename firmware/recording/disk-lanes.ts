/**
 * A lane for each volume: only so many calls are under way on a volume at a time, the rest wait for their turn.
 *
 * Why: every call occupies a thread of the process's pool until its disk answers. Without lanes a disk that hangs
 * takes all of them, and with them the other volumes and the index. Reads have a lane of their own, so that viewers do
 * not hold back recording; what is asked of the volume itself, its marker and how full it is, is part of recording.
 * Order within a lane is the order of the calls. How long a disk takes is told without the wait for a turn: that many
 * calls wait does not mean that it hangs.
 */
import { dirname, sep } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Disk, RecordingFile } from './disk.ts';

/** Calls under way at a time on one volume. */
export interface LaneWidths {
  readonly writes: number;
  readonly reads: number;
}

/**
 * What each of so many volumes gets of a pool of so many threads, so that the index keeps one: a quarter for reads.
 * Node's usual 4 threads leave a volume 1 or 2, with which 150 cameras are synced slowly: set `UV_THREADPOOL_SIZE`.
 */
export function laneWidths(threads: number, volumes: number): LaneWidths {
  const share = Math.max(1, Math.floor((threads - 1) / Math.max(1, volumes)));
  const reads = Math.max(1, Math.floor(share / 4));
  return { writes: Math.max(1, share - reads), reads };
}

class Lane {
  private readonly width: number;
  private readonly clock: Clock;
  private readonly waiting: (() => void)[] = [];
  /** when each call that is under way began, the oldest first */
  private readonly begun = new Set<{ readonly atMs: number }>();
  private busy = 0;

  constructor(width: number, clock: Clock) {
    this.width = width;
    this.clock = clock;
  }

  /** How long the oldest call under way has taken; 0 without one. */
  get oldestMs(): number {
    const [oldest] = this.begun;
    return oldest === undefined ? 0 : this.clock.monotonicMs() - oldest.atMs;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.busy >= this.width) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.busy += 1;
    const begun = { atMs: this.clock.monotonicMs() };
    this.begun.add(begun);
    try {
      return await call();
    } finally {
      this.begun.delete(begun);
      const next = this.waiting.shift();
      // The place passes on without becoming free.
      if (next === undefined) this.busy -= 1;
      else next();
    }
  }
}

export interface LanedDisk extends Disk {
  /** How long a call of the volume with this path has been under way, the longest; 0 without one. ms */
  hangsMs(path: string): number;
}

/** `disk` with lanes for these folders; paths elsewhere have none. */
export function withLanes(
  disk: Disk,
  folders: readonly string[],
  widths: LaneWidths,
  clock: Clock,
): LanedDisk {
  const lanes = folders.map((folder) => ({
    below: folder.endsWith(sep) ? folder : folder + sep,
    folder,
    writes: new Lane(widths.writes, clock),
    reads: new Lane(widths.reads, clock),
  }));
  // The longest first: one volume's folder may lie inside another's.
  lanes.sort((a, b) => b.folder.length - a.folder.length);
  const laneOf = (path: string): (typeof lanes)[number] | undefined =>
    lanes.find(({ folder, below }) => path === folder || path.startsWith(below));
  const write = <T>(path: string, call: () => Promise<T>): Promise<T> =>
    laneOf(path)?.writes.run(call) ?? call();
  const read = <T>(path: string, call: () => Promise<T>): Promise<T> =>
    laneOf(path)?.reads.run(call) ?? call();
  const readFile = <T>(path: string, call: () => Promise<T>): Promise<T> =>
    laneOf(path)?.below === dirname(path) + sep ? write(path, call) : read(path, call);
  const fileIn = (path: string, file: RecordingFile): RecordingFile => ({
    append: (parts) => write(path, () => file.append(parts)),
    sync: () => write(path, () => file.sync()),
    close: () => write(path, () => file.close()),
  });
  return {
    createDirectory: (path) => write(path, () => disk.createDirectory(path)),
    createFile: async (path) => {
      const file = await write(path, () => disk.createFile(path));
      return file === undefined ? undefined : fileIn(path, file);
    },
    syncDirectory: (path) => write(path, () => disk.syncDirectory(path)),
    truncate: (path, size) => write(path, () => disk.truncate(path, size)),
    remove: (path) => write(path, () => disk.remove(path)),
    removeDirectory: (path) => write(path, () => disk.removeDirectory(path)),
    read: (path, offset, length) => readFile(path, () => disk.read(path, offset, length)),
    size: (path) => readFile(path, () => disk.size(path)),
    list: (path) => read(path, () => disk.list(path)),
    usage: (path) => write(path, () => disk.usage(path)),
    hangsMs: (path) => {
      const lane = laneOf(path);
      return lane === undefined ? 0 : Math.max(lane.writes.oldestMs, lane.reads.oldestMs);
    },
  };
}
