/**
 * What a check found: problems, what became of them, and what there is of each camera. Bounded: problems are listed up
 * to `listedMax`, counted all. Times are µs UTC.
 */

/** What may be wrong. Append only: scripts match on them. */
export type ProblemKind =
  | 'volume-unusable'
  | 'older-layout'
  | 'index-unread'
  | 'unsealed'
  | 'garbage'
  | 'row-damaged'
  | 'row-missing'
  | 'row-orphaned'
  | 'file-missing'
  | 'file-size'
  | 'file-damaged'
  | 'inside-differs'
  | 'not-indexed'
  | 'name-taken'
  | 'totals-wrong'
  | 'hole'
  | 'file-headless';

/** What is to be done about a problem, unless it was repaired. */
export const remedies: Readonly<Record<ProblemKind, string>> = {
  'volume-unusable': 'mount the disk, or take the volume out of unit.yaml; then check again',
  'older-layout': 'the next start of the server, or --repair, adds what is missing',
  'index-unread':
    'explained gaps and protected ranges are lost: protect again what must be kept, before the server starts',
  unsealed: 'the next start of the server, or --repair, indexes what is whole of it',
  garbage: 'the next start of the server, or --repair, finishes the deletion',
  'row-damaged': '--repair reads the file again',
  'row-missing': '--repair reads the file again',
  'row-orphaned': '--repair drops the row',
  'file-missing': '--repair drops the row and notes a gap; look for the file elsewhere before',
  'file-size': '--repair cuts a torn tail and indexes what is whole',
  'file-damaged': '--repair indexes what is whole; copy the file before if it matters',
  'inside-differs': '--repair reads the file again',
  'not-indexed': '--repair indexes it',
  'name-taken': 'another file of this name is indexed on another volume: compare them, delete one by hand',
  'totals-wrong': '--repair counts again',
  hole: 'other servers may have it: see `starling recordings`; --repair notes it as damage',
  'file-headless':
    '--repair indexes what is whole when another file of its capture lies beside it; if none does, move the file elsewhere',
};

export interface Problem {
  readonly kind: ProblemKind;
  /** a path, or the key of a row */
  readonly place: string;
  readonly what: string;
  readonly repaired: boolean;
}

/** A stretch of a track that should be here and is not. */
export interface Hole {
  readonly camera: string;
  readonly captureId: string;
  /** such as `video` or `audio`; `all` where even the capture is unknown */
  readonly track: string;
  readonly fromUs: number;
  readonly toUs: number;
  /** missing samples; undefined where nobody can tell */
  readonly samples?: number;
}

/** What there is of one camera. */
export interface CameraSummary {
  readonly camera: string;
  fromUs: number;
  toUs: number;
  segments: number;
  bytes: number;
  /** unexplained holes, and holes across a hand-over: another server may have managed the camera meanwhile */
  holes: number;
  away: number;
  awayUs: number;
  /** samples that are here more than once; readers see each once */
  duplicates: number;
}

export interface CheckReport {
  readonly cameras: readonly CameraSummary[];
  readonly problems: readonly Problem[];
  /** how many problems of each kind, also those that are not listed */
  readonly counts: Readonly<Partial<Record<ProblemKind, { found: number; repaired: number }>>>;
  readonly holes: readonly Hole[];
  /** files below the volumes that are none of ours: left alone */
  readonly foreignFiles: number;
  /** segments on volumes that are not there now: not looked at */
  readonly unreachableSegments: number;
  /** what the repair said about single files */
  readonly notes: readonly string[];
}

const listedMax = 1_000;

/** Collects what is found. */
export class Findings {
  readonly cameras = new Map<string, CameraSummary>();
  readonly problems: Problem[] = [];
  readonly counts: Partial<Record<ProblemKind, { found: number; repaired: number }>> = {};
  readonly holes: Hole[] = [];
  readonly notes: string[] = [];
  foreignFiles = 0;
  unreachableSegments = 0;

  add(kind: ProblemKind, place: string, what: string, repaired = false): void {
    const count = (this.counts[kind] ??= { found: 0, repaired: 0 });
    count.found += 1;
    if (repaired) count.repaired += 1;
    if (this.problems.length < listedMax) this.problems.push({ kind, place, what, repaired });
  }

  hole(hole: Hole, noted: boolean): void {
    this.camera(hole.camera).holes += 1;
    if (this.holes.length < listedMax) this.holes.push(hole);
    const lengthS = Math.max(0, hole.toUs - hole.fromUs) / 1e6;
    const samples = hole.samples === undefined ? 'all' : `${hole.samples} samples`;
    const at = new Date(Math.floor(hole.fromUs / 1000)).toISOString();
    const what = `${samples} of ${hole.track} for ${lengthS} s from ${at}`;
    this.add('hole', `${hole.camera}/${hole.captureId}`, what, noted);
  }

  note(text: string): void {
    if (this.notes.length < listedMax) this.notes.push(text);
  }

  camera(camera: string): CameraSummary {
    const known = this.cameras.get(camera);
    if (known !== undefined) return known;
    const counts = { segments: 0, bytes: 0, holes: 0, away: 0, awayUs: 0, duplicates: 0 };
    const fresh = { camera, fromUs: Number.POSITIVE_INFINITY, toUs: 0, ...counts };
    this.cameras.set(camera, fresh);
    return fresh;
  }

  report(): CheckReport {
    const { problems, counts, holes, foreignFiles, unreachableSegments, notes } = this;
    const cameras = [...this.cameras.values()].filter(({ segments }) => segments > 0);
    cameras.sort((a, b) => (a.camera < b.camera ? -1 : 1));
    return { cameras, problems, counts, holes, foreignFiles, unreachableSegments, notes };
  }
}

/** Problems that are still there. */
export function unrepaired({ counts }: Pick<CheckReport, 'counts'>): number {
  return Object.values(counts).reduce((sum, { found, repaired }) => sum + found - repaired, 0);
}
