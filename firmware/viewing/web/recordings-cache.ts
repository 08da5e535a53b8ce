/**
 * What is recorded of one camera, for a timeline that moves: asked for in pieces of six hours, kept in a bounded cache,
 * the newest piece kept fresh by asking for its end only. Times in ms UTC.
 *
 * Invariant: at most one question is under way; the newest wish decides what is asked next.
 */
import { type Signal, signal } from '@preact/signals';
import type { RecordingsAnswer, SegmentAnswer } from '../api.ts';
import { ApiFailure, getRecordings } from './api-client.ts';
import { type RecordingRow, recordingRows } from './recording-rows.ts';
import type { TimeRange } from './time-range.ts';

const pieceMs = 6 * 3_600_000;
const piecesMax = 48;
/** The piece that is being recorded is asked for again after this, all of it after that. */
const freshMs = 4_000;
const wholeMs = 60_000;
/** Of a piece in the past retention takes something now and then. */
const settledMs = 10 * 60_000;
const retryMs = 3_000;
/** A list may lack what has just been recorded. */
const tailMs = 90_000;

interface Piece {
  readonly range: TimeRange;
  segments: readonly SegmentAnswer[];
  gaps: RecordingsAnswer['gaps'];
  unreachable: readonly string[];
  askedAtMs: number;
  wholeAtMs: number;
}

type Ask = typeof getRecordings;

/** What stands at one time. */
export type Place = Extract<RecordingRow, { kind: 'stretch' | 'gap' }> | undefined;

export class RecordingsCache {
  readonly camera: string;
  /** Rises whenever there is something new to show. */
  readonly version: Signal<number> = signal(0);
  /** Why the newest question failed; undefined when it did not. */
  problem: ApiFailure | undefined;
  private readonly ask: Ask;
  private readonly stop = new AbortController();
  private readonly pieces = new Map<number, Piece>();
  /** by who wants them */
  private readonly wishes = new Map<string, readonly TimeRange[]>();
  private asking = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ordered: { version: number; rows: readonly RecordingRow[] } | undefined;

  constructor(camera: string, ask: Ask = getRecordings) {
    this.camera = camera;
    this.ask = ask;
  }

  /** Sees to it that these ranges become known and stay fresh; in place of those that `who` wanted before. */
  want(who: string, ...ranges: TimeRange[]): void {
    const before = this.wanted().join();
    if (ranges.length === 0) this.wishes.delete(who);
    else this.wishes.set(who, ranges);
    if (this.wanted().join() !== before) this.version.value = this.version.peek() + 1;
    void this.work();
  }

  /** What is known of the ranges wanted, oldest first. */
  get rows(): readonly RecordingRow[] {
    const version = this.version.value;
    if (this.ordered?.version !== version) this.ordered = { version, rows: recordingRows(this.answer()) };
    return this.ordered.rows;
  }

  /** Servers that did not answer. */
  get unreachable(): string[] {
    return this.answer().unreachable;
  }

  /** Whether all of a range is known. */
  knows(range: TimeRange): boolean {
    return numbers(range).every((number) => this.pieces.has(number));
  }

  /** What stands at a time; undefined when that is not known, or nothing was ever recorded there. */
  at(ms: number): Place {
    for (const row of this.rows) {
      if (row.kind !== 'hand-over' && row.fromMs <= ms && ms < row.toMs) return row;
    }
    return undefined;
  }

  close(): void {
    this.stop.abort();
    clearTimeout(this.timer);
  }

  /** Numbers of the pieces wanted, in order. */
  private wanted(): number[] {
    const all = [...this.wishes.values()].flat().flatMap(numbers);
    return [...new Set(all)].sort((one, other) => one - other);
  }

  private answer(): Pick<RecordingsAnswer, 'segments' | 'gaps' | 'unreachable'> {
    const segments = new Map<string, SegmentAnswer>();
    const gaps = new Map<string, RecordingsAnswer['gaps'][number]>();
    const unreachable = new Set<string>();
    for (const number of this.wanted()) {
      const piece = this.pieces.get(number);
      if (piece === undefined) continue;
      for (const segment of piece.segments) segments.set(segment.url, segment);
      for (const gap of piece.gaps) gaps.set(gap.from, gap);
      for (const server of piece.unreachable) unreachable.add(server);
    }
    return { segments: [...segments.values()], gaps: [...gaps.values()], unreachable: [...unreachable] };
  }

  private async work(): Promise<void> {
    if (this.asking || this.stop.signal.aborted) return;
    clearTimeout(this.timer);
    this.asking = true;
    try {
      for (let next = this.next(); next !== undefined && !document.hidden; next = this.next()) {
        await this.load(next);
        if (this.problem !== undefined) break;
      }
    } finally {
      this.asking = false;
    }
    if (this.stop.signal.aborted || this.wishes.size === 0) return;
    this.timer = setTimeout(() => void this.work(), this.problem === undefined ? freshMs / 4 : retryMs);
  }

  /** The piece that is to be asked for now: the newest first. */
  private next(): number | undefined {
    const now = Date.now();
    return this.wanted().findLast((number) => {
      const piece = this.pieces.get(number);
      if (piece === undefined) return number * pieceMs <= now;
      return now - piece.askedAtMs > (piece.range.toMs > now - tailMs ? freshMs : settledMs);
    });
  }

  private async load(number: number): Promise<void> {
    const range = { fromMs: number * pieceMs, toMs: (number + 1) * pieceMs };
    const now = Date.now();
    const known = this.pieces.get(number);
    const whole = known === undefined || now - known.wholeAtMs > wholeMs || known.segments.length < 3;
    const tail = known?.segments.at(-2);
    const fromMs = whole || tail === undefined ? range.fromMs : Date.parse(tail.from);
    try {
      const answer = await this.ask(this.camera, { fromMs, toMs: range.toMs }, this.stop.signal);
      this.problem = undefined;
      const kept = whole ? undefined : known;
      const from = new Date(fromMs).toISOString();
      this.pieces.delete(number);
      this.pieces.set(number, {
        range,
        segments: [...(kept?.segments.filter((one) => one.from < from) ?? []), ...answer.segments],
        gaps: [...(kept?.gaps.filter((gap) => gap.from < from) ?? []), ...answer.gaps],
        unreachable: answer.unreachable,
        askedAtMs: now,
        wholeAtMs: kept?.wholeAtMs ?? now,
      });
      this.forget();
      this.version.value = this.version.peek() + 1;
    } catch (problem) {
      if (!(problem instanceof ApiFailure)) throw problem;
      if (problem.code === 'ABORTED') return;
      this.problem = problem;
      this.version.value = this.version.peek() + 1;
    }
  }

  private forget(): void {
    const wanted = new Set(this.wanted());
    for (const number of this.pieces.keys()) {
      if (this.pieces.size <= piecesMax) return;
      if (!wanted.has(number)) this.pieces.delete(number);
    }
  }
}

/** Of the pieces that a range touches. */
function numbers({ fromMs, toMs }: TimeRange): number[] {
  const first = Math.floor(fromMs / pieceMs);
  const count = Math.min(piecesMax, Math.floor(toMs / pieceMs) - first + 1);
  return Array.from({ length: Math.max(0, count) }, (_, i) => first + i);
}
