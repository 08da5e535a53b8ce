/**
 * A unit's disk in the simulator: what it persisted and remembered, with the history of it, so that a unit may come
 * back with the disk as it was some time ago, or with none. Times are ms of virtual time.
 *
 * What is persisted is kept at once; what is only remembered may be lost within `writtenSoonMs` before a crash.
 */
import type { Memory, MemoryRecord } from '../../firmware/overlay/effects.ts';
import type { DocumentRow, Tenure } from '../../firmware/overlay/packets.ts';

export const writtenSoonMs = 1_000;

type Counters = Readonly<Record<string, number>>;
type Write = { readonly at: number } & ({ readonly counters: Counters } | { readonly record: MemoryRecord });

/** What a unit finds when it starts. */
export interface DiskContent {
  readonly counters: Counters;
  readonly memory: Memory;
}

export class SimDisk {
  private writes: Write[] = [];
  /** a medium that refuses; peers remember the counters too */
  refuses = false;
  /** how often it was wiped, rolled back, or began to refuse: what was written before may be gone */
  lies = 0;

  /** Promises that rest on the disk do not hold for this unit. */
  get hasLied(): boolean {
    return this.lies > 0;
  }

  /** Nothing is written from now on, until `refuses` is false again. */
  refuse(): void {
    this.lies++;
    this.refuses = true;
  }

  persist(at: number, counters: Counters): boolean {
    if (this.refuses) return false;
    this.writes.push({ at, counters });
    return true;
  }

  remember(at: number, record: MemoryRecord): void {
    if (!this.refuses) this.writes.push({ at, record });
  }

  /** The machine stops at `at`: of what was remembered last, a share is lost (0: nothing, 1: all of it). */
  crash(at: number, lostShare: number): void {
    const keptUntil = at - writtenSoonMs * lostShare;
    this.writes = this.writes.filter((write) => 'counters' in write || write.at <= keptUntil);
  }

  /** The disk is as it was at `at`: a restored image. */
  rollBack(at: number): void {
    this.lies++;
    this.writes = this.writes.filter((write) => write.at <= at);
  }

  wipe(): void {
    this.lies++;
    this.writes = [];
  }

  read(): DiskContent {
    const counters: Record<string, number> = {};
    const tenures = new Map<string, readonly Tenure[]>();
    const document = new Map<string, DocumentRow>();
    const memory: { -readonly [K in keyof Memory]: Memory[K] } = { known: [], tenures: [], document: [] };
    for (const write of this.writes) {
      if ('counters' in write) {
        Object.assign(counters, write.counters);
        continue;
      }
      const { record } = write;
      if (record.kind === 'network') {
        memory.network = record.network;
        if (record.joinTime === undefined) delete memory.joinTime;
        else memory.joinTime = record.joinTime;
      } else if (record.kind === 'known') memory.known = record.servers;
      else if (record.kind === 'manager') memory.manager = record.server;
      else if (record.kind === 'tenures') tenures.set(record.camera, record.tenures);
      else document.set(`${record.row.kind}\0${record.row.id}`, record.row);
    }
    return {
      counters,
      memory: { ...memory, tenures: [...tenures.values()].flat(), document: [...document.values()] },
    };
  }
}
