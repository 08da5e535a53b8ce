/**
 * Which folder is which volume: compares the marker in a folder with what the index remembers of it, and marks a
 * folder that is new to both. Invariant: a number once given to a volume id is never given to another.
 */
import { dirname } from 'node:path';
import { decode } from '../base/codec.ts';
import { Failure } from '../base/failure.ts';
import type { Disk } from './disk.ts';
import { endOf, put } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import {
  formatMarker,
  markerBytesMax,
  markerPath,
  numberOfVolumeKey,
  parseMarker,
  type VolumeMarker,
  type VolumeRow,
  volumeKey,
  volumeRow,
} from './volume-marker.ts';

const volumesMax = 256;
const advice = 'See the README of the recorder about volumes and their markers.';

/** Who records here. */
export interface VolumeOwner {
  readonly site: string;
  readonly server: string;
}

/** A place that segments go to. */
export interface Volume {
  /** 0..255, stands for the id in index rows */
  readonly number: number;
  /** 16 hexadecimal digits; empty while nobody could read it */
  readonly id: string;
  readonly folder: string;
}

/** What came of looking at a folder; without `problem` it may be recorded to. */
export interface Adoption {
  readonly volume: Volume;
  readonly problem?: { readonly is: 'missing' | 'failed'; readonly reason: string };
}

export interface VolumeBookOptions {
  readonly disk: Disk;
  readonly index: IndexStore;
  readonly owner: VolumeOwner;
  /** a fresh random id, 16 hexadecimal digits */
  readonly newId: () => string;
}

export class VolumeBook {
  private readonly options: VolumeBookOptions;
  private readonly rows = new Map<number, VolumeRow>();
  /** numbers of folders whose volume nobody could tell yet */
  private readonly reserved = new Map<string, number>();
  /** ids in use, so that a copy of a volume is not taken for it */
  private readonly adopted = new Map<string, string>();

  private constructor(options: VolumeBookOptions) {
    this.options = options;
  }

  static async open(options: VolumeBookOptions): Promise<VolumeBook> {
    const book = new VolumeBook(options);
    const rows = await options.index.range({ from: 'v/', to: endOf('v/'), limit: volumesMax });
    for (const { key, value } of rows) {
      const number = numberOfVolumeKey(key);
      const row = decode(volumeRow, value);
      if (number === undefined) continue;
      // A damaged row keeps its number taken: segments may say it.
      book.rows.set(number, row.ok ? row.value : { id: '', folder: '', marked: true });
    }
    return book;
  }

  /** A folder before anybody looked at it. */
  unread(folder: string): Volume {
    const known = this.rowOf((row) => row.folder === folder);
    return { number: known?.number ?? this.reserve(folder), id: known?.row.id ?? '', folder };
  }

  /** Looks at a folder; marks it when it is new. Rejects with a Failure when its disk or the index does not work. */
  async adopt(folder: string): Promise<Adoption> {
    const known = this.rowOf((row) => row.folder === folder);
    const number = known?.number ?? this.reserve(folder);
    const marker = await this.marker(folder, known?.row);
    if (marker === 'none') {
      if (known?.row.marked === true) {
        return missing({ number, id: known.row.id, folder }, `${folder}: the volume is not mounted there`);
      }
      return { volume: await this.mark(folder, number, known?.row.id ?? this.options.newId()) };
    }
    const unknown = { number, id: known?.row.id ?? '', folder };
    if ('problem' in marker) return refused(unknown, `${folder}: its marker is damaged: ${marker.problem}`);
    const { site, server } = this.options.owner;
    if (marker.site !== site || marker.server !== server) {
      return refused(
        unknown,
        `${folder}: belongs to server ${marker.server} of site ${marker.site}; nothing is recorded there`,
      );
    }
    if ((this.adopted.get(marker.id) ?? folder) !== folder) {
      return refused(
        unknown,
        `${folder}: the same volume as ${this.adopted.get(marker.id)}, or a copy of it`,
      );
    }
    const same = this.rowOf((row) => row.id === marker.id);
    const row = { id: marker.id, folder, marked: true };
    const place = same?.number ?? (known === undefined ? number : this.reserve(`${folder}\0${marker.id}`));
    return { volume: await this.remember(place, row) };
  }

  /** Whether the folder is still the volume: its marker says so. Rejects with a Failure when it is not. */
  async verify(volume: Volume): Promise<void> {
    const marker = await this.marker(volume.folder, undefined);
    if (marker === 'none') {
      throw new Failure('FILE_MISSING', `${volume.folder}: the volume is not mounted there`, { advice });
    }
    if ('problem' in marker || marker.id !== volume.id) {
      throw new Failure('FILE_IO', `${volume.folder}: another volume is mounted there`, { advice });
    }
  }

  private async marker(
    folder: string,
    row: VolumeRow | undefined,
  ): Promise<VolumeMarker | 'none' | { problem: string }> {
    const { disk } = this.options;
    const path = markerPath(folder);
    if ((await disk.size(path)) === undefined) return 'none';
    const parsed = parseMarker(await disk.read(path, 0, markerBytesMax + 1));
    if (parsed.ok) return parsed.value;
    // The power went while it was written.
    if (row?.marked !== false) return { problem: parsed.reason };
    await disk.remove(path);
    return 'none';
  }

  private async mark(folder: string, number: number, id: string): Promise<Volume> {
    const { disk, owner } = this.options;
    const row = { id, folder, marked: false };
    await this.commit(number, row);
    await disk.createDirectory(folder);
    await disk.syncDirectory(dirname(folder));
    const file = await disk.createFile(markerPath(folder));
    if (file === undefined) {
      throw new Failure('FILE_IO', `${folder}: a marker came while one was written`, { advice });
    }
    try {
      await file.append([formatMarker({ ...owner, id })]);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.syncDirectory(folder);
    return this.remember(number, { ...row, marked: true });
  }

  private async remember(number: number, row: VolumeRow): Promise<Volume> {
    const known = this.rows.get(number);
    if (known?.folder !== row.folder || known.id !== row.id || !known.marked) await this.commit(number, row);
    this.adopted.set(row.id, row.folder);
    return { number, id: row.id, folder: row.folder };
  }

  private async commit(number: number, row: VolumeRow): Promise<void> {
    await this.options.index.commit([put(volumeKey(number), volumeRow, row)]);
    this.rows.set(number, row);
  }

  private rowOf(wanted: (row: VolumeRow) => boolean): { number: number; row: VolumeRow } | undefined {
    for (const [number, row] of this.rows) if (wanted(row)) return { number, row };
    return undefined;
  }

  /** The smallest number that no volume has. */
  private reserve(folder: string): number {
    const already = this.reserved.get(folder);
    if (already !== undefined && !this.rows.has(already)) return already;
    const taken = new Set([...this.rows.keys(), ...this.reserved.values()]);
    let number = 0;
    while (taken.has(number)) number += 1;
    if (number >= volumesMax) {
      throw new Failure('CONFIG_INVALID', `more than ${volumesMax} volumes were ever used`, { advice });
    }
    this.reserved.set(folder, number);
    return number;
  }
}

function missing(volume: Volume, reason: string): Adoption {
  return { volume, problem: { is: 'missing', reason } };
}

function refused(volume: Volume, reason: string): Adoption {
  return { volume, problem: { is: 'failed', reason } };
}
