/**
 * The judge of an archive: compares what a synthetic camera wrote down (camera-journal.ts) with what was found, by a
 * reader over the API or in the files, and names everything that is not as it must be.
 *
 * What must be there: every sample of a run that ended as it should; of a run that was cut short, what some server has
 * called durable. What came after died with the camera's memory: it may be there, but then without a hole. A sample that
 * must be there and is not has to lie in an explained gap; damage does not explain that what was called durable is gone.
 */
import type { CameraHistory, Captured, JournalTrack } from './camera-journal.ts';

/** A sample that an archive has given. */
export interface FoundSample {
  readonly captureId: string;
  readonly trackId: number;
  readonly sequence: number;
  readonly ptsUs: number;
  /** date by the archive's own mapping, µs; undefined where the reader gives none */
  readonly utcUs: number | undefined;
}

/** An explained gap, µs UTC. */
export interface FoundGap {
  readonly fromUs: number;
  readonly toUs: number;
  readonly reason: string;
}

/** What a reader has found of one camera, in the order it came. */
export interface Finding {
  /** such as `api of ss-1`; goes into the faults */
  readonly where: string;
  readonly samples: readonly FoundSample[];
  readonly gaps: readonly FoundGap[];
  /** payloads that cannot be believed, damaged files, servers that did not answer */
  readonly faults: readonly string[];
}

/** What became of one camera's samples. */
export interface Verdict {
  readonly camera: string;
  /** nothing is wrong when it is empty */
  readonly faults: readonly string[];
  readonly captured: number;
  readonly found: number;
  /** copies beyond the first; a reader gives none */
  readonly copies: number;
  /** missing, with the gap that says why */
  readonly explained: number;
  /** captured, but never called durable, and gone with the camera's memory */
  readonly tail: number;
}

/** Gaps are told in ms. */
const roundingUs = 2_000;
/** One mapping stands for a whole fragment, and a new one is taken when the clock has moved by more. */
const dateSlackUs = 10_000;
const faultsMax = 12;

export interface VerifyOptions {
  /** as a reader sees it: every sample at most once and in order; false allows copies on several servers */
  readonly once: boolean;
}

/** Judges what was found of one camera. */
export function verify(history: CameraHistory, finding: Finding, { once }: VerifyOptions): Verdict {
  const faults = [...finding.faults];
  const known = new Map(history.tracks.map((track) => [keyOf(track), track]));
  const found = new Map<string, Set<number>>();
  const last = new Map<string, number>();
  let copies = 0;
  for (const sample of finding.samples) {
    const key = keyOf(sample);
    const captured = known.get(key)?.samples[sample.sequence];
    const name = `${key} #${sample.sequence}`;
    const seen = found.get(key) ?? new Set<number>();
    found.set(key, seen);
    if (captured === undefined) faults.push(`${name} was never captured`);
    else faults.push(...differences(name, captured, sample));
    if (seen.has(sample.sequence)) {
      copies += 1;
      if (once) faults.push(`${name} was read twice`);
    } else if (once && sample.sequence < (last.get(key) ?? -1)) {
      faults.push(`${name} was read after #${last.get(key)}`);
    }
    seen.add(sample.sequence);
    last.set(key, sample.sequence);
  }
  let explained = 0;
  let tail = 0;
  for (const track of history.tracks) {
    const missing = missingOf(track, found.get(keyOf(track)) ?? new Set(), finding.gaps);
    explained += missing.explained;
    tail += missing.tail;
    faults.push(...missing.faults);
  }
  const captured = history.tracks.reduce((sum, { samples }) => sum + samples.length, 0);
  const foundCount = [...found.values()].reduce((sum, { size }) => sum + size, 0);
  const prefix = `${history.camera}, ${finding.where}: `;
  return {
    camera: history.camera,
    faults: shortened(faults).map((fault) => prefix + fault),
    captured,
    found: foundCount,
    copies,
    explained,
    tail,
  };
}

/** One line for people. */
export function formatVerdict({ camera, captured, found, copies, explained, tail, faults }: Verdict): string {
  const parts = [`${captured} captured`, `${found} found`];
  if (copies > 0) parts.push(`${copies} copies on other servers`);
  if (explained > 0) parts.push(`${explained} explained by gaps`);
  if (tail > 0) parts.push(`${tail} gone with the camera`);
  return `${camera}: ${parts.join(', ')}${faults.length === 0 ? '' : `, ${faults.length} FAULTS`}`;
}

function keyOf({ captureId, trackId }: { captureId: string; trackId: number }): string {
  return `${captureId}/${trackId}`;
}

function differences(name: string, captured: Captured, found: FoundSample): string[] {
  const faults: string[] = [];
  if (captured.ptsUs !== found.ptsUs) faults.push(`${name} has PTS ${found.ptsUs}, not ${captured.ptsUs}`);
  const { utcUs } = captured;
  if (found.utcUs !== undefined && utcUs !== undefined && Math.abs(found.utcUs - utcUs) > dateSlackUs) {
    faults.push(`${name} is dated ${dateOf(found.utcUs)}, not ${dateOf(utcUs)}`);
  }
  return faults;
}

/** What of a track is not there, and what that means. */
function missingOf(
  track: JournalTrack,
  found: ReadonlySet<number>,
  gaps: readonly FoundGap[],
): { explained: number; tail: number; faults: string[] } {
  const { samples, durableThrough, ended } = track;
  const wanted = ended ? samples.length : durableThrough + 1;
  const newest = Math.max(-1, ...found);
  const faults: string[] = [];
  let explained = 0;
  let holeFrom: number | undefined;
  for (let sequence = 0; sequence <= samples.length; sequence++) {
    const sample = samples[sequence];
    const must = sequence < Math.max(wanted, newest);
    const isMissing = sample !== undefined && must && !found.has(sequence);
    const isExplained =
      isMissing &&
      gaps.some((gap) => {
        return covers(gap, sample) && (sequence > durableThrough || gap.reason !== 'damaged');
      });
    if (isExplained) explained += 1;
    if (isMissing && !isExplained) holeFrom ??= sequence;
    else if (holeFrom !== undefined) {
      const from = samples[holeFrom] as Captured;
      const why =
        holeFrom <= durableThrough ? `durable through #${durableThrough}` : ended ? 'sent' : 'in a hole';
      faults.push(
        `${keyOf(track)} #${holeFrom} to #${sequence - 1} (${dateOf(from.utcUs)}) missing, ${why}, no gap explains it`,
      );
      holeFrom = undefined;
    }
  }
  return { explained, tail: Math.max(0, samples.length - Math.max(wanted, newest + 1)), faults };
}

/** By where it begins: the gap of a deleted file ends where the next begins, which the last sound reaches into. */
function covers({ fromUs, toUs }: FoundGap, { utcUs }: Captured): boolean {
  return utcUs !== undefined && fromUs <= utcUs + roundingUs && utcUs < toUs + roundingUs;
}

function dateOf(us: number | undefined): string {
  return us === undefined ? 'no date' : new Date(us / 1000).toISOString();
}

function shortened(faults: readonly string[]): string[] {
  const more = faults.length - faultsMax;
  return more <= 0 ? [...faults] : [...faults.slice(0, faultsMax), `and ${more} more`];
}
