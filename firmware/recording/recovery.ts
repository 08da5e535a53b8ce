/**
 * Start-up recovery: every segment that was being written when the power (or the process) went is scanned, its torn
 * tail cut off, and what is whole is indexed. Nothing playable is deleted; a file without a single whole fragment is.
 */
import { Failure } from '../base/failure.ts';
import { decode } from '../base/codec.ts';
import { scanSegment } from '../media/mp4-scanner.ts';
import type { SegmentListing } from './archive.ts';
import type { Disk } from './disk.ts';
import { endOf, openRow } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import { parseSegmentName } from './segment-name.ts';
import { sealRows, segmentPath, type Volume } from './segment-writer.ts';

/** How many segments one start looks at; more means that something else is wrong. */
const openSegmentsMax = 10_000;

export interface RecoveryReport {
  /** segments indexed, torn bytes cut off them, files removed because nothing in them was whole */
  readonly recovered: number;
  readonly cutBytes: number;
  readonly removed: number;
  /** for the log, one line for each segment that was not simply whole */
  readonly notes: readonly string[];
}

interface Outcome {
  readonly kind: 'recovered' | 'removed' | 'missing';
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
      report.notes.push(`${key}: its volume is not configured any more, left as it is`);
      continue;
    }
    const outcome = await recoverSegment(disk, index, volume, { camera, name: rest.join('/'), epoch: row.value.epoch });
    report.cutBytes += outcome.cutBytes;
    if (outcome.kind === 'recovered') report.recovered += 1;
    if (outcome.kind === 'removed') report.removed += 1;
    if (outcome.note !== undefined) report.notes.push(outcome.note);
  }
  return report;
}

/** Scans one file, cuts a torn tail, and indexes the rest. */
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
  if (first === undefined) {
    await disk.remove(path);
    await index.commit([drop]);
    return { kind: 'removed', cutBytes: 0, note: `${path}: no whole fragment (${scan.damage ?? 'empty'}), removed` };
  }
  if (scan.validBytes < size) await disk.truncate(path, scan.validBytes);
  const captureId = scan.tracks[0]?.captureId;
  if (captureId === undefined) {
    const advice = 'Keep the file: it plays. It was not written by this program and is not indexed.';
    throw new Failure('INDEX_DAMAGED', `${path}: no tracks`, { advice });
  }
  let toUs = parsed.value.fromUs;
  for (const fragment of scan.fragments) toUs = Math.max(toUs, fragment.toPtsUs + fragment.mapping.offsetUs);
  const fromUs = first.fromPtsUs + first.mapping.offsetUs;
  const listing: SegmentListing = { camera, name, fromUs, toUs, bytes: scan.validBytes, captureId, epoch, open: false };
  await index.commit(sealRows(volume, listing, scan));
  const cutBytes = size - scan.validBytes;
  return cutBytes === 0
    ? { kind: 'recovered', cutBytes }
    : { kind: 'recovered', cutBytes, note: `${path}: cut ${cutBytes} torn bytes (${scan.damage ?? 'torn tail'})` };
}
