/**
 * Recovery: every segment that was being written when the power (or the process) went is scanned, its torn tail cut
 * off, and what is whole is indexed.
 *
 * Invariants: nothing playable is deleted; a file without a single whole fragment is, if it is no longer than what may
 * be lost between two syncs. More than that is damage, not a torn tail: it is left as it is, for a person to look at.
 * One bad file never keeps the others from being recovered.
 */
import { decode } from '../base/codec.ts';
import { Failure, messageOf } from '../base/failure.ts';
import { scanSegment } from '../media/mp4-scanner.ts';
import type { SegmentListing } from './archive.ts';
import type { Disk } from './disk.ts';
import { endOf, openRow } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import { parseSegmentName } from './segment-name.ts';
import { sealRows, segmentPath, type Volume } from './segment-writer.ts';

/** How many segments one start looks at; more means that something else is wrong. */
const openSegmentsMax = 10_000;
/** What may have been written after the last sync, with a slow disk. */
const tornBytesMax = 64 * 1024 * 1024;

export interface RecoveryReport {
  /** segments indexed, torn bytes cut off them, files removed because nothing in them was whole */
  readonly recovered: number;
  readonly cutBytes: number;
  readonly removed: number;
  /** for the log, one line for each segment that was not simply whole */
  readonly notes: readonly string[];
}

interface Outcome {
  readonly kind: 'recovered' | 'removed' | 'missing' | 'left';
  readonly cutBytes: number;
  readonly note?: string;
}

/** Recovers every segment that has an open row. */
export async function recoverSegments(
  disk: Disk,
  index: IndexStore,
  volumes: readonly Volume[],
): Promise<RecoveryReport> {
  const rows = await index.range({ from: 'o/', to: endOf('o/'), limit: openSegmentsMax });
  const report = { recovered: 0, cutBytes: 0, removed: 0, notes: [] as string[] };
  for (const { key, value } of rows) {
    const [, camera = '', ...rest] = key.split('/');
    const row = decode(openRow, value);
    const volume = row.ok ? volumes[row.value.volume] : undefined;
    if (!row.ok || volume === undefined) {
      const why = row.ok ? 'its volume is not configured any more' : `its row is damaged (${row.reason})`;
      report.notes.push(`${key}: ${why}, left as it is`);
      continue;
    }
    const segment = { camera, name: rest.join('/'), epoch: row.value.epoch };
    const outcome = await recoverSegment(disk, index, volume, segment).catch(leave);
    report.cutBytes += outcome.cutBytes;
    if (outcome.kind === 'recovered') report.recovered += 1;
    if (outcome.kind === 'removed') report.removed += 1;
    if (outcome.note !== undefined) report.notes.push(outcome.note);
  }
  return report;
}

/** A file that the disk cannot read today is tried again at the next start. */
function leave(error: unknown): Outcome {
  if (!(error instanceof Failure)) throw error;
  return { kind: 'left', cutBytes: 0, note: `${messageOf(error)}; left as it is` };
}

/** Scans one file, cuts a torn tail, and indexes the rest. Rejects with a Failure when the disk fails. */
export async function recoverSegment(
  disk: Disk,
  index: IndexStore,
  volume: Volume,
  segment: { camera: string; name: string; epoch: number },
): Promise<Outcome> {
  const { camera, name, epoch } = segment;
  const path = segmentPath(volume, camera, name);
  const drop = { type: 'delete', key: `o/${camera}/${name}` } as const;
  const size = await disk.size(path);
  const parsed = parseSegmentName(name);
  if (size === undefined || !parsed.ok) {
    await index.commit([drop]);
    return { kind: 'missing', cutBytes: 0 };
  }
  const scan = await scanSegment((offset, length) => disk.read(path, offset, length), size);
  const first = scan.fragments[0];
  const tornBytes = size - scan.validBytes;
  const torn = `${scan.damage ?? 'torn tail'}`;
  if (first === undefined) {
    if (tornBytes > tornBytesMax) {
      return { kind: 'left', cutBytes: 0, note: `${path}: damaged at its start (${torn}), left as it is` };
    }
    await disk.remove(path);
    await index.commit([drop]);
    return {
      kind: 'removed',
      cutBytes: 0,
      note: `${path}: no whole fragment (${scan.damage ?? 'empty'}), removed`,
    };
  }
  const captureId = scan.tracks[0]?.captureId ?? '';
  let toUs = parsed.value.fromUs;
  for (const fragment of scan.fragments) toUs = Math.max(toUs, fragment.toPtsUs + fragment.mapping.offsetUs);
  const fromUs = first.fromPtsUs + first.mapping.offsetUs;
  if (!Number.isSafeInteger(fromUs) || !Number.isSafeInteger(toUs)) {
    return { kind: 'left', cutBytes: 0, note: `${path}: its times make no sense, left as it is` };
  }
  const cut = tornBytes > 0 && tornBytes <= tornBytesMax;
  if (cut) await disk.truncate(path, scan.validBytes);
  const listing: SegmentListing = {
    camera,
    name,
    fromUs,
    toUs,
    bytes: scan.validBytes,
    captureId,
    epoch,
    open: false,
  };
  await index.commit(sealRows(volume, listing, scan));
  if (tornBytes === 0) return { kind: 'recovered', cutBytes: 0 };
  return cut
    ? { kind: 'recovered', cutBytes: tornBytes, note: `${path}: cut ${tornBytes} torn bytes (${torn})` }
    : {
        kind: 'recovered',
        cutBytes: 0,
        note: `${path}: damaged (${torn}); the ${tornBytes} bytes after are not indexed`,
      };
}
