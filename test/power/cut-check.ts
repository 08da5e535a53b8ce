/**
 * What is left after a power cut, as the machine would find it when the power is back: the file system is mounted, the
 * real server starts and recovers, and its readers are asked for everything that cameras were told to be safe.
 *
 * Each acknowledged sample must be there exactly once in what a viewer is sent, with its own content; whatever else is
 * there must be what a camera sent. Each file of the volume has a row, each row a file of its length.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseFragment, scanSegment } from '../../firmware/media/mp4-scanner.ts';
import type { RecordingsAnswer } from '../../firmware/viewing/api.ts';
import { safeThrough } from './acknowledgements.ts';
import { type Cut, type CutOptions, imageAfter } from './power-cut.ts';
import { fsckFaults, MountedImage, mountPoint } from './recorded-disk.ts';
import { beforeOf, bundleOf, recordingsOf, type Session, settingsOf } from './recording-session.ts';
import { contentOf } from './sample-content.ts';
import { ServerProcess } from './server-process.ts';

const problemsMax = 20;

export interface CutReport {
  /** what must not be; empty when the cut was survived */
  readonly problems: string[];
  /** writes of which nobody could know whether they were on the disk */
  readonly pending: number;
  /** samples that cameras had been told to be safe, and samples that were there */
  acknowledged: number;
  found: number;
  /** what start-up recovery had to say */
  readonly notes: string[];
  fsck: string | undefined;
}

/** Cuts the power of a session's disk at this moment and looks at what is left. */
export async function checkCut(session: Session, cut: Cut, lies = 0): Promise<CutReport> {
  const image = join(session.folder, 'cut.img');
  const options: CutOptions = { before: beforeOf(session), journal: session.journal, lies };
  const pending = await imageAfter(cut, image, options);
  const report: CutReport = { problems: [], pending, acknowledged: 0, found: 0, notes: [], fsck: undefined };
  let mounted: MountedImage;
  try {
    mounted = await MountedImage.mount(image, mountPoint(session.folder));
  } catch (error) {
    report.problems.push(`cannot be mounted: ${String(error)}`);
    return report;
  }
  try {
    await lookThroughServer(session, cut, report);
  } finally {
    await mounted.unmount();
  }
  report.fsck = await fsckFaults(image);
  return report;
}

async function lookThroughServer(session: Session, cut: Cut, report: CutReport): Promise<void> {
  const { problems } = report;
  let server: ServerProcess;
  try {
    server = await ServerProcess.start(bundleOf(session), settingsOf(session));
  } catch (error) {
    problems.push(`the server does not start: ${String(error)}`);
    return;
  }
  try {
    const through = safeThrough(session.acknowledgements, cut.position);
    const files = new Set(await filesBelow(recordingsOf(session)));
    for (const camera of session.cameras) {
      const list = await listOf(server, camera);
      await checkFiles(session, camera, list, files, problems);
      const found = await samplesOf(server, camera, problems);
      checkSamples(camera, through, found, report);
    }
    for (const file of files) problems.push(`${file} is in no list`);
    report.notes.push(...server.lines.filter((line) => line.includes('start-up recovery')));
  } catch (error) {
    problems.push(`cannot be read: ${String(error)}`);
  } finally {
    await server.kill();
    problems.splice(problemsMax);
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.mp4'))
    .map((entry) => join(entry.path, entry.name));
}

const always = `from=1970-01-02T00:00:00.000Z&to=2100-01-01T00:00:00.000Z`;

async function listOf(server: ServerProcess, camera: string): Promise<RecordingsAnswer['segments']> {
  const body = await server.get(`/api/cameras/${camera}/recordings?${always}`);
  return body === undefined ? [] : (JSON.parse(body.toString()) as RecordingsAnswer).segments;
}

/** Takes the files that are listed out of `files`. */
async function checkFiles(
  session: Session,
  camera: string,
  list: RecordingsAnswer['segments'],
  files: Set<string>,
  problems: string[],
): Promise<void> {
  for (const { name, bytes } of list) {
    const file = join(recordingsOf(session), camera, `${name}.mp4`);
    if (!files.delete(file)) problems.push(`${file} is listed and not there`);
    else if ((await stat(file)).size !== bytes)
      problems.push(`${file} has another length than its list says`);
  }
}

/** Samples of a camera as a viewer gets them, by `captureId/sequence`, and how often. */
async function samplesOf(
  server: ServerProcess,
  camera: string,
  problems: string[],
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const list = await listOf(server, camera);
  const [first, last] = [list[0], list.at(-1)];
  if (first === undefined || last === undefined) return found;
  const body = await server.get(`/api/cameras/${camera}/video.mp4?from=${first.from}&to=${last.to}`);
  if (body === undefined) return found;
  const scan = await scanSegment(async (at, length) => body.subarray(at, at + length), body.length);
  if (scan.damage !== undefined) problems.push(`${camera}: what a viewer gets is damaged: ${scan.damage}`);
  for (const { offset, bytes } of scan.fragments) {
    const fragment = parseFragment(body.subarray(offset, offset + bytes));
    if (!fragment.ok) {
      problems.push(`${camera}: a fragment is damaged: ${fragment.reason}`);
      continue;
    }
    const captureId = fragment.value.captureId ?? '';
    for (const { sequence, keyframe, payload } of fragment.value.batches[0]?.samples ?? []) {
      const key = `${camera}/${captureId}/${sequence}`;
      found.set(key, (found.get(key) ?? 0) + 1);
      const content = contentOf(camera, captureId, sequence, keyframe);
      if (!Buffer.concat(payload).equals(content)) problems.push(`${key} has another content than was sent`);
    }
  }
  return found;
}

function checkSamples(
  camera: string,
  through: ReadonlyMap<string, number>,
  found: ReadonlyMap<string, number>,
  report: CutReport,
): void {
  const { problems } = report;
  report.found += found.size;
  for (const [key, count] of found) if (count > 1) problems.push(`${key} is read ${count} times`);
  for (const [capture, last] of through) {
    if (!capture.startsWith(`${camera}/`)) continue;
    report.acknowledged += last + 1;
    const lost: number[] = [];
    for (let sequence = 0; sequence <= last; sequence++) {
      if (!found.has(`${capture}/${sequence}`)) lost.push(sequence);
    }
    if (lost.length > 0) {
      problems.push(
        `${capture}: ${lost.length} acknowledged samples lost, ${lost[0]} to ${lost.at(-1)} of ${last + 1}`,
      );
    }
  }
}
