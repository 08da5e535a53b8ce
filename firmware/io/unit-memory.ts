/**
 * What a unit remembers over a restart besides its counters: read once when it starts, then written soon after it
 * changed. A server keeps it among the rows of its index, a camera in `memory.json` in its data folder.
 *
 * Invariants: at most one write a second and one at a time; a record that changes again before it is written is
 * written once, as it is then; a medium that fails is tried again, and never a reason to stop.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import { documentRowsMax, tenuresMax } from '../overlay/constants.ts';
import type { Memory, MemoryRecord } from '../overlay/effects.ts';
import type { IndexStore } from '../recording/index-store.ts';
import type { Log } from '../runtime/log.ts';
import {
  encodeRecord,
  keyOfRecord,
  MemoryReader,
  memoryPrefix,
  type StoredRecord,
} from './memory-records.ts';
import { readText, replaceText } from './text-files.ts';

/** A record waits so long at most. */
const batchMs = 1_000;
/** More are not read: the bounds of the tables, were each camera known by one tenure, and a few more. */
const recordsMax = tenuresMax.all + documentRowsMax + 16;
const recordsPerRead = 1_024;
/** Skipped records that are named; the rest is counted. */
const toldMax = 5;
const fileBytesMax = 4 * 1024 * 1024;

export interface MemoryOptions {
  readonly clock: Clock;
  readonly log: Log;
}

/** Where records are kept. */
interface MemoryMedium {
  read(take: (key: string, value: Uint8Array) => void): Promise<void>;
  write(records: readonly StoredRecord[]): Promise<void>;
}

/** The memory of a server, in its index. Dispose it before the index. */
export function openIndexMemory(index: IndexStore, options: MemoryOptions): Promise<UnitMemory> {
  return openMemory(indexMedium(index), options);
}

/** The memory of a camera, in `memory.json` in this folder, which need not exist. */
export function openFileMemory(folder: string, options: MemoryOptions): Promise<UnitMemory> {
  return openMemory(fileMedium(folder), options);
}

async function openMemory(medium: MemoryMedium, options: MemoryOptions): Promise<UnitMemory> {
  let skipped = 0;
  const skip = (key: string, reason: string): void => {
    skipped += 1;
    if (skipped <= toldMax) options.log('warn', `not remembered: ${key}: ${reason}`);
  };
  const reader = new MemoryReader(skip);
  try {
    await medium.read((key, value) => reader.add(key, value));
  } catch (error) {
    options.log(
      'warn',
      `not remembered: ${messageOf(error)}; the unit begins anew, its peers tell it the rest`,
    );
  }
  if (skipped > toldMax) options.log('warn', `not remembered: ${skipped - toldMax} more records`);
  return new UnitMemory(medium, reader.result(), options);
}

export class UnitMemory implements AsyncDisposable {
  /** what was kept when the unit started */
  readonly loaded: Memory;
  private readonly medium: MemoryMedium;
  private readonly options: MemoryOptions;
  private pending = new Map<string, MemoryRecord>();
  private writing: Promise<void> | undefined;
  private cancelTimer: (() => void) | undefined;
  private refused = false;
  private closed = false;

  constructor(medium: MemoryMedium, loaded: Memory, options: MemoryOptions) {
    this.medium = medium;
    this.loaded = loaded;
    this.options = options;
  }

  /** Is written within a second or so. */
  remember(record: MemoryRecord): void {
    if (this.closed) return;
    this.pending.set(keyOfRecord(record), record);
    this.arm();
  }

  /** Writes what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    this.cancelTimer?.();
    await this.writing;
    if (this.pending.size > 0) await this.write();
  }

  private arm(): void {
    if (this.cancelTimer !== undefined || this.writing !== undefined) return;
    this.cancelTimer = this.options.clock.after(batchMs, () => {
      this.cancelTimer = undefined;
      this.writing = this.write().finally(() => {
        this.writing = undefined;
        if (this.pending.size > 0 && !this.closed) this.arm();
      });
    });
  }

  /** Rejects only for a record that cannot be encoded, which is a bug. */
  private async write(): Promise<void> {
    const batch = this.pending;
    this.pending = new Map();
    const records = [...batch.values()].map(encodeRecord);
    try {
      await this.medium.write(records);
      this.refused = false;
    } catch (error) {
      for (const [key, record] of batch) if (!this.pending.has(key)) this.pending.set(key, record);
      const advice = error instanceof Failure ? ` ${error.advice}` : '';
      if (!this.refused)
        this.options.log('error', `${messageOf(error)}.${advice} The unit goes on without a memory.`);
      this.refused = true;
    }
  }
}

function indexMedium(index: IndexStore): MemoryMedium {
  return {
    async read(take) {
      const to = `${memoryPrefix}\uffff`;
      let from = memoryPrefix;
      for (let records = 0; records < recordsMax; ) {
        const rows = await index.range({ from, to, limit: recordsPerRead });
        for (const { key, value } of rows) take(key, value);
        if (rows.length < recordsPerRead) return;
        records += rows.length;
        from = `${rows.at(-1)?.key}\0`;
      }
      throw new Error(`more than ${recordsMax} records`);
    },
    write: (records) =>
      index.commit(
        records.map(({ key, value }) =>
          value === undefined ? { type: 'delete', key } : { type: 'put', key, value },
        ),
      ),
  };
}

const fileSchema = z.strictObject({ format: z.literal(1), records: z.record(z.string(), z.base64()) });

/** The file has the same keys and bytes as the index (in base64), and is written whole. */
function fileMedium(folder: string): MemoryMedium {
  const path = join(folder, 'memory.json');
  const records = new Map<string, Uint8Array>();
  return {
    async read(take) {
      const text = await readText(path, { bytesMax: fileBytesMax, advice: '' }).catch((error: unknown) => {
        if (error instanceof Failure && error.code === 'FILE_MISSING') return undefined;
        throw error;
      });
      if (text === undefined) return;
      for (const [key, base64] of Object.entries(parseFile(path, text))) {
        const value = Buffer.from(base64, 'base64');
        records.set(key, value);
        take(key, value);
      }
    },
    async write(changes) {
      for (const { key, value } of changes) {
        if (value === undefined) records.delete(key);
        else records.set(key, value);
      }
      const base64 = [...records].map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
      await mkdir(folder, { recursive: true });
      await replaceText(path, `${JSON.stringify({ format: 1, records: Object.fromEntries(base64) })}\n`);
    },
  };
}

function parseFile(path: string, text: string): Readonly<Record<string, string>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is damaged`, { cause });
  }
  const file = fileSchema.safeParse(parsed);
  if (!file.success) throw new Error(`${path} is damaged, or of another format`);
  return file.data.records;
}
