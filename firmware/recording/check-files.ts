/**
 * Walks through the files below the volumes, a day at a time, and finds those that no row knows.
 *
 * Invariants: only files with the name of a segment, that begin like one of ours or hold whole fragments of ours, are
 * ever touched; everything else is counted and left alone. What is whole is indexed as it is; a torn tail or damage is
 * recovery's. At most `filesPerRound` scans are held at a time.
 */
import { join } from 'node:path';
import { decode } from '../base/codec.ts';
import { Failure, messageOf } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import { type SegmentScan, scanSegment } from '../media/mp4-scanner.ts';
import type { CheckGround } from './check.ts';
import { decodeDetail, eventRow, keys } from './index-rows.ts';
import { lookInside } from './lost-head.ts';
import { extentOf, recoverThese } from './recovery.ts';
import { findListing } from './segment-lookup.ts';
import { parseSegmentName } from './segment-name.ts';
import { segmentPath } from './segment-writer.ts';
import type { Volume } from './volumes.ts';

const filesPerRound = 32;
const dayPattern = /^\d{4}-\d{2}-\d{2}$/;
const ending = '.mp4';
const marker = '.starling-volume';

interface FoundFile {
  readonly camera: string;
  readonly name: string;
}

/** Looks at every file of a volume. Rejects with a Failure when the volume cannot be read. */
export async function checkFiles(ground: CheckGround, volume: Volume): Promise<void> {
  for (const folder of await ground.disk.list(volume.folder)) {
    if (folder.kind !== 'directory' || !isId(folder.name)) {
      if (folder.name !== marker) ground.findings.foreignFiles += 1;
      continue;
    }
    for (const day of await ground.disk.list(join(volume.folder, folder.name))) {
      if (day.kind !== 'directory' || !dayPattern.test(day.name)) ground.findings.foreignFiles += 1;
      else await checkDay(ground, volume, { camera: folder.name, day: day.name });
    }
  }
}

async function checkDay(
  ground: CheckGround,
  volume: Volume,
  { camera, day }: { camera: string; day: string },
): Promise<void> {
  const files: FoundFile[] = [];
  for (const { name: file, kind } of await ground.disk.list(join(volume.folder, camera, day))) {
    const name = `${day}/${file.endsWith(ending) ? file.slice(0, -ending.length) : ''}`;
    if (kind === 'file' && parseSegmentName(name).ok) files.push({ camera, name });
    else ground.findings.foreignFiles += 1;
  }
  for (let at = 0; at < files.length; at += filesPerRound) {
    const round = files.slice(at, at + filesPerRound);
    await Promise.all(round.map((file) => checkFile(ground, volume, file)));
    ground.progress(round.length);
  }
}

async function checkFile(ground: CheckGround, volume: Volume, { camera, name }: FoundFile): Promise<void> {
  const { disk, index, findings } = ground;
  if (ground.isUnfinished(camera, name)) return;
  const path = segmentPath(volume, camera, name);
  const known = await findListing(index, camera, name);
  if (known?.volume === volume.number) return;
  if (known !== undefined)
    return findings.add('name-taken', path, `volume ${known.volume} has one of this name`);
  try {
    const size = (await disk.size(path)) ?? 0;
    const scan = await scanSegment((offset, length) => disk.read(path, offset, length), size);
    if (scan.initBytes === 0) return await checkHeadless(ground, volume, { camera, name, size, scan });
    if (scan.tracks[0]?.camera !== camera) {
      findings.foreignFiles += 1;
      return;
    }
    if (scan.fragments.length === 0)
      return findings.add('file-damaged', path, scan.damage ?? 'nothing is in it');
    const repaired = ground.repair && (await indexFile(ground, volume, { camera, name, size, scan }));
    findings.add('not-indexed', path, 'no row knows it', repaired);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    findings.add('file-damaged', path, messageOf(error));
  }
}

/** A file that does not begin like one of ours: it is one if fragments of ours are whole in it. */
async function checkHeadless(
  ground: CheckGround,
  volume: Volume,
  file: FoundFile & { size: number; scan: SegmentScan },
): Promise<void> {
  const { disk, findings, repair } = ground;
  const path = segmentPath(volume, file.camera, file.name);
  const inside = await lookInside(disk, path, file.size);
  if (inside === undefined) {
    findings.foreignFiles += 1;
    return;
  }
  const repaired = repair && (await readAgain(ground, volume, file));
  if (repaired) await takeGapBack(ground, file, inside.toUs);
  const what = `${file.scan.damage ?? 'empty'}; ${inside.fragments} whole fragments are in it, not indexed`;
  findings.add('file-headless', path, what, repaired);
}

/** The gap that said that a file without a head is not indexed, which it is now; not one that says what was lost in it. */
async function takeGapBack({ index }: CheckGround, { camera, name }: FoundFile, toUs: number): Promise<void> {
  const parsed = parseSegmentName(name);
  if (!parsed.ok) return;
  const key = keys.event(camera, parsed.value.fromUs, 'damaged');
  const row = await index.get(key);
  const gap = row === undefined ? undefined : decode(eventRow, row);
  if (gap?.ok && gap.value.toUs === toUs) await index.commit([{ type: 'delete', key }]);
}

/** Makes a file known, cut behind what is whole; whether that could be done. */
async function indexFile(
  ground: CheckGround,
  volume: Volume,
  file: FoundFile & { size: number; scan: SegmentScan },
): Promise<boolean> {
  const { camera, name, size, scan } = file;
  if (scan.damage !== undefined || scan.validBytes !== size) return readAgain(ground, volume, file);
  const { fromUs, toUs } = extentOf(scan.fragments);
  const parsed = parseSegmentName(name);
  if (!parsed.ok || fromUs < 0 || !Number.isSafeInteger(fromUs) || !Number.isSafeInteger(toUs)) return false;
  const { epoch, fromUs: nameUs } = parsed.value;
  // Its row is looked for by the start that its name says.
  if (Math.floor(fromUs / 1000) * 1000 !== nameUs) return readAgain(ground, volume, file);
  const captureId = scan.tracks[0]?.captureId ?? '';
  const listing = { camera, name, fromUs, toUs, bytes: size, captureId, epoch, open: false };
  await ground.ledger.seal(volume, listing, scan);
  return true;
}

/** Has recovery read a file as if its recording had just been interrupted; whether it is in order now. */
export async function readAgain(ground: CheckGround, volume: Volume, file: FoundFile): Promise<boolean> {
  const { camera, name } = file;
  const parsed = parseSegmentName(name);
  if (!parsed.ok) return false;
  const { epoch } = parsed.value;
  const row = await ground.index.get(keys.detail(camera, name));
  const inside = row === undefined ? undefined : decodeDetail(row);
  const tracks = inside?.ok ? inside.value.tracks : undefined;
  const report = await recoverThese(ground, [{ volume: volume.number, camera, name, epoch, tracks }]);
  for (const note of report.notes) ground.findings.note(note);
  return report.recovered + report.removed > 0;
}
