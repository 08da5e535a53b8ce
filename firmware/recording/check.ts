/**
 * Compares files and index both ways, rows with each other, and samples with their sequences; with `repair` it puts
 * right what can be: indexes what is not indexed, reads damaged files again, drops rows whose file is gone (as an
 * explained gap), finishes deletions, counts anew. The server must not run.
 *
 * Invariants: without `repair` nothing is changed; no file that may be somebody else's is touched; whatever rows and
 * files hold, it goes on to the end. Everything is walked in order, a page or a day at a time. Times are µs UTC.
 */
import type { Clock } from '../base/clock.ts';
import { decode } from '../base/codec.ts';
import { Failure } from '../base/failure.ts';
import type { Gap } from '../media/sample.ts';
import { Continuity, type Missing } from './check-continuity.ts';
import { checkFiles } from './check-files.ts';
import { type CheckReport, Findings } from './check-findings.ts';
import { checkOrder } from './check-order.ts';
import { checkRows } from './check-rows.ts';
import type { Disk } from './disk.ts';
import { dryDisk, dryIndex } from './dry-run.ts';
import { prepareFormat } from './index-format.ts';
import { readPages } from './index-pages.ts';
import {
  decodeDetail,
  deletedRow,
  endOf,
  eventRow,
  eventUsMax,
  formatRow,
  formatVersion,
  keys,
  put,
} from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import { Ledger, placeOfSum } from './ledger.ts';
import { recoverSegments } from './recovery.ts';
import { decodeListing } from './segment-lookup.ts';
import { segmentPath } from './segment-writer.ts';
import { Volumes, type VolumesOptions } from './volumes.ts';

/** Events that are looked at to explain one hole. */
const eventsMax = 10_000;
const gapDaysMax = 1_000;
/** Gaps are told by clocks that differ a little. */
const slackUs = 1_000_000;

export interface CheckOptions extends Pick<VolumesOptions, 'owner' | 'newId' | 'folders'> {
  readonly disk: Disk;
  readonly index: IndexStore;
  readonly clock: Clock;
  readonly repair: boolean;
  /** reads the boxes of every file, not just its size */
  readonly deep: boolean;
  readonly onProgress?: (progress: { done: number; total: number }) => void;
}

/** What the parts of a check share. */
export interface CheckGround {
  readonly disk: Disk;
  readonly index: IndexStore;
  readonly ledger: Ledger;
  readonly volumes: Volumes;
  readonly addGap: (gap: Gap) => Promise<void>;
  readonly findings: Findings;
  readonly repair: boolean;
  readonly deep: boolean;
  /** the index has all rows of this layout */
  readonly laidOut: boolean;
  /** so many more rows or files are done */
  readonly progress: (count: number) => void;
  /** being written or deleted when the server ended */
  readonly isUnfinished: (camera: string, name: string) => boolean;
}

/** Checks the recordings of a server. Rejects with a Failure when the index cannot be read or written. */
export async function checkArchive(options: CheckOptions): Promise<CheckReport> {
  const ground = await openGround(options);
  const { findings, volumes, ledger, repair } = ground;
  for (const { folder, state } of volumes.status()) {
    if (state.is !== 'ok' && state.is !== 'full') findings.add('volume-unusable', folder, state.reason);
  }
  listStrangers(ground);
  if (repair) {
    const unfinished = (await ledger.unsealed()).length;
    const { notes, waiting } = await recoverSegments(ground);
    for (const note of notes) findings.note(note);
    for (let i = 0; i < unfinished - waiting.length; i++)
      findings.add('unsealed', 'o/', 'was being written', true);
  }
  await listUnfinished(ground);
  for (const camera of await listedCameras(ground)) await checkRows(ground, camera);
  for (const status of volumes.status()) {
    if (!volumes.works(status)) continue;
    try {
      await checkFiles(ground, status);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      findings.add('volume-unusable', status.folder, error.message);
    }
  }
  if (ground.laidOut) await checkOrder(ground);
  for (const camera of await listedCameras(ground)) await checkContinuity(ground, camera);
  return findings.report();
}

async function openGround(options: CheckOptions): Promise<CheckGround> {
  const { repair, deep, onProgress } = options;
  const findings = new Findings();
  const index = repair ? options.index : dryIndex(options.index);
  const disk = repair ? options.disk : dryDisk(options.disk);
  const format = await index.get(keys.format);
  const version = format === undefined ? undefined : decode(formatRow, format);
  const rows = await index.range({ from: 's/', to: endOf('s/'), limit: 1 });
  const older = rows.length > 0 && !(version?.ok && version.value.version === formatVersion);
  if (older) findings.add('older-layout', keys.format, `is not ${formatVersion}`, repair);
  await prepareFormat(index);
  const ledger = await Ledger.open(index);
  const volumes = await Volumes.open({ ...options, disk, index, reserveBytes: () => 0 });
  const unfinished = new Set([
    ...(await ledger.unsealed()).map(({ camera, name }) => `${camera}/${name}`),
    ...(await ledger.garbage()).map(({ camera, name }) => `${camera}/${name}`),
  ]);
  let done = 0;
  let total = 0;
  // Every segment once as a row and once as a file.
  for (const { segments } of ledger.totals().values()) total += 2 * segments;
  return {
    disk,
    index,
    ledger,
    volumes,
    findings,
    repair,
    deep,
    laidOut: repair || !older,
    addGap: (gap) => index.commit([put(keys.event(gap.camera, gap.fromUs, gap.reason), eventRow, gap)]),
    progress: (count) => {
      done += count;
      onProgress?.({ done, total: Math.max(done, total) });
    },
    isUnfinished: (camera, name) => !repair && unfinished.has(`${camera}/${name}`),
  };
}

/** Volumes that segments are on and that nobody configured. */
function listStrangers({ ledger, volumes, findings }: CheckGround): void {
  const numbers = new Set([...ledger.totals().keys()].map((key) => placeOfSum(key).volume));
  for (const number of numbers) {
    if (volumes.byNumber(number) !== undefined) continue;
    findings.add(
      'volume-unusable',
      `volume ${number}`,
      'has recordings and is not among `volumes` in unit.yaml',
    );
  }
}

/** What an end without warning left; in a repair, only what could not be finished. */
async function listUnfinished({ ledger, volumes, findings }: CheckGround): Promise<void> {
  const pathOf = (number: number, camera: string, name: string): string => {
    const volume = volumes.byNumber(number);
    return volume === undefined ? `${camera}/${name}` : segmentPath(volume, camera, name);
  };
  for (const { volume, camera, name } of await ledger.unsealed()) {
    findings.add('unsealed', pathOf(volume, camera, name), 'was being written when the server ended');
  }
  for (const { volume, camera, name } of await ledger.garbage()) {
    findings.add('garbage', pathOf(volume, camera, name), 'was being deleted when the server ended');
  }
}

/** Cameras that have listings, by skipping from one to the next. */
async function listedCameras({ index }: CheckGround): Promise<string[]> {
  const cameras: string[] = [];
  for (let from = 's/'; ; ) {
    const [row] = await index.range({ from, to: endOf('s/'), limit: 1 });
    if (row === undefined) return cameras;
    const camera = row.key.split('/')[1] ?? '';
    cameras.push(camera);
    from = endOf(`s/${camera}/`);
  }
}

async function checkContinuity(ground: CheckGround, camera: string): Promise<void> {
  const { index, findings } = ground;
  const summary = findings.camera(camera);
  const missing: Missing[] = [];
  const continuity = new Continuity((hole) => missing.push(hole));
  const prefix = `s/${camera}/`;
  for await (const row of readPages(index, prefix, endOf(prefix))) {
    const placed = decodeListing(camera, row);
    if (placed === undefined) continue;
    const { listing } = placed;
    summary.segments += 1;
    summary.bytes += listing.bytes;
    summary.fromUs = Math.min(summary.fromUs, listing.fromUs);
    summary.toUs = Math.max(summary.toUs, listing.toUs);
    const detail = await index.get(keys.detail(camera, listing.name));
    const inside = detail === undefined ? undefined : decodeDetail(detail);
    if (inside?.ok) continuity.add(listing, inside.value);
    for (const hole of missing.splice(0)) await judge(ground, camera, hole);
  }
  continuity.finish();
  for (const hole of missing) await judge(ground, camera, hole);
  summary.duplicates = continuity.duplicates;
}

/** A hole that a gap explains is none; nor is one across a hand-over, which is counted. */
async function judge(ground: CheckGround, camera: string, hole: Missing): Promise<void> {
  const { index, findings, repair } = ground;
  if (await isExplained(index, camera, hole)) return;
  if (hole.sameEpoch) {
    const { sameEpoch: _, ...rest } = hole;
    if (repair) await explain(ground, camera, hole);
    findings.hole({ camera, ...rest }, repair);
    return;
  }
  const summary = findings.camera(camera);
  summary.away += 1;
  summary.awayUs += Math.max(0, hole.toUs - hole.fromUs);
}

/** Notes a hole as damage, in pieces that a row can tell of; the oldest of a hole that makes no sense are left out. */
async function explain({ addGap }: CheckGround, camera: string, { fromUs, toUs }: Missing): Promise<void> {
  const endUs = Math.max(toUs, fromUs + 1);
  let at = Math.max(0, fromUs, endUs - gapDaysMax * eventUsMax);
  for (; at < endUs; at += eventUsMax) {
    await addGap({ camera, fromUs: at, toUs: Math.min(at + eventUsMax, endUs), reason: 'damaged' });
  }
}

async function isExplained(index: IndexStore, camera: string, hole: Missing): Promise<boolean> {
  const row = await index.get(keys.deleted(camera));
  const deleted = row === undefined ? undefined : decode(deletedRow, row);
  const known: { fromUs: number; toUs: number }[] = deleted?.ok ? [deleted.value] : [];
  const events = await index.range({
    from: keys.eventAt(camera, hole.fromUs - eventUsMax - slackUs),
    to: keys.eventAt(camera, hole.toUs + slackUs),
    limit: eventsMax,
  });
  for (const { value } of events) {
    const gap = decode(eventRow, value);
    if (gap.ok) known.push(gap.value);
  }
  known.sort((a, b) => a.fromUs - b.fromUs);
  let at = hole.fromUs;
  let explained = false;
  for (const { fromUs, toUs } of known) {
    if (toUs + slackUs < at || fromUs - slackUs > at) continue;
    explained = true;
    at = Math.max(at, toUs + slackUs);
  }
  return explained && at >= hole.toUs;
}
