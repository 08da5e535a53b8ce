/**
 * Two ways to read what is recorded of a synthetic camera: as a reader does, through the list of recordings and the
 * playback stream of any server; and straight from the files, without a server or an index.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseFragment, scanSegment } from '../../firmware/media/mp4-scanner.ts';
import type { RecordingsAnswer } from '../../firmware/viewing/api.ts';
import type { Finding, FoundGap, FoundSample } from './archive-verifier.ts';
import type { Machine } from './namespaces.ts';
import { readNumbered } from './numbered-sample.ts';

/** Ranges that a stream could not give; in its trailer. */
const partialHeader = 'x-starling-partial';
const usPerDay = 86_400_000_000;
const everEnd = '2200-01-01T00:00:00Z';

/** Everything of a camera, as somebody sees it who asks the server on this machine. */
export async function readOverApi(machine: Machine, camera: string): Promise<Finding> {
  const faults: string[] = [];
  const list = await listAll(machine, camera);
  if (list.unreachable.length > 0) faults.push(`unreachable: ${list.unreachable.join(', ')}`);
  const samples: FoundSample[] = [];
  for (const { from, to } of stretchesOf(list)) {
    const { body, headers } = await machine.askBytes(
      `/api/cameras/${camera}/video.mp4?from=${from}&to=${to}`,
    );
    const where = `playback from ${from}`;
    const partial = headers.get(partialHeader) ?? '';
    if (partial !== '') faults.push(`${where} says that it lacks ${partial}`);
    samples.push(...(await samplesIn(body, { camera, faults, where, dated: false })));
  }
  return { where: `api of ${machine.name}`, samples, gaps: gapsOf(list), faults };
}

/** Everything in the folders of recordings of these servers; gaps are not in files, so they are given. */
export async function readFiles(
  folders: readonly string[],
  camera: string,
  gaps: readonly FoundGap[],
): Promise<Finding> {
  const faults: string[] = [];
  const samples: FoundSample[] = [];
  for (const folder of folders) {
    const inside = await readdir(join(folder, camera), { recursive: true }).catch(() => []);
    for (const name of inside.filter((one) => one.endsWith('.mp4')).sort()) {
      const path = join(folder, camera, name);
      const file = await readFile(path);
      const found = await samplesIn(file, { camera, faults, where: path, dated: true });
      if (found.length === 0) faults.push(`${path} holds nothing`);
      samples.push(...found);
    }
  }
  return { where: 'files', samples, gaps, faults };
}

async function listAll(machine: Machine, camera: string): Promise<RecordingsAnswer> {
  const listFrom = (from: string): Promise<RecordingsAnswer> =>
    machine.ask(`/api/cameras/${camera}/recordings?from=${from}&to=${everEnd}`);
  const list = await listFrom('1970-01-01T00:00:00Z');
  if (list.truncated) throw new Error(`more segments of ${camera} than a test should make`);
  return list;
}

/** Ranges to play that hold all segments; far apart are those that were recorded by clocks set differently. */
function stretchesOf({ segments }: RecordingsAnswer): { from: string; to: string }[] {
  const stretches: { fromUs: number; toUs: number }[] = [];
  const byStart = segments.map(({ from, to }) => ({ fromUs: usOf(from), toUs: usOf(to) }));
  for (const { fromUs, toUs } of byStart.sort((a, b) => a.fromUs - b.fromUs)) {
    const last = stretches.at(-1);
    if (last === undefined || fromUs - last.toUs > usPerDay) stretches.push({ fromUs, toUs });
    else last.toUs = Math.max(last.toUs, toUs);
  }
  return stretches.map(({ fromUs, toUs }) => ({ from: secondsOf(fromUs), to: secondsOf(toUs + 1_000_000) }));
}

function gapsOf({ gaps }: RecordingsAnswer): FoundGap[] {
  return gaps.map(({ from, to, reason }) => ({ fromUs: usOf(from), toUs: usOf(to), reason }));
}

function usOf(iso: string): number {
  return Date.parse(iso) * 1000;
}

function secondsOf(us: number): string {
  return (us / 1_000_000).toFixed(3);
}

/** The samples of a fragmented MP4, by what their payloads say. */
async function samplesIn(
  file: Buffer,
  { camera, faults, where, dated }: { camera: string; faults: string[]; where: string; dated: boolean },
): Promise<FoundSample[]> {
  const scan = await scanSegment(
    async (offset, length) => file.subarray(offset, offset + length),
    file.length,
  );
  if (scan.damage !== undefined) {
    faults.push(`${where}: ${scan.damage} after ${scan.validBytes} of ${file.length} bytes`);
  }
  const samples: FoundSample[] = [];
  for (const { offset, bytes } of scan.fragments) {
    const parsed = parseFragment(file.subarray(offset, offset + bytes));
    if (!parsed.ok) {
      faults.push(`${where}: ${parsed.reason} at ${offset}`);
      continue;
    }
    const { batches, mapping, captureId } = parsed.value;
    for (const { sequence, ptsUs, payload, trackId } of batches.flatMap((batch) =>
      batch.samples.map((sample) => ({ ...sample, trackId: batch.trackId })),
    )) {
      const said = readNumbered(camera, Buffer.concat(payload));
      if (typeof said === 'string') {
        faults.push(`${where}: sample ${trackId}/${sequence}: ${said}`);
        continue;
      }
      const agrees = said.captureId === captureId && said.sequence === sequence && said.trackId === trackId;
      if (dated && !agrees) {
        faults.push(`${where}: takes ${said.trackId}/${said.sequence} for ${trackId}/${sequence}`);
      }
      if (dated && said.ptsUs !== ptsUs) faults.push(`${where}: #${sequence} at ${ptsUs}, not ${said.ptsUs}`);
      const utcUs = dated && mapping !== undefined ? ptsUs + mapping.offsetUs : undefined;
      samples.push({ ...said, utcUs });
    }
  }
  return samples;
}
