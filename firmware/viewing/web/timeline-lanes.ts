/**
 * What a timeline has to say about a time: which server recorded it, why nothing was recorded, what is kept, where a
 * camera was handed over; in words for people and screen readers. Pure. Times in ms UTC.
 */
import type { ProtectedRangeAnswer } from '../api.ts';
import type { RecordingRow } from './recording-rows.ts';
import type { TimeRange } from './time-range.ts';
import { durationText, momentText } from './time-text.ts';

/** One camera's line. */
export interface Lane {
  readonly camera: string;
  /** what people call it */
  readonly name: string;
  readonly rows: readonly RecordingRow[];
  readonly kept: readonly ProtectedRangeAnswer[];
  /** of days as a whole, where single recordings would be too fine: share of the day, 0 to 1 */
  readonly days: readonly (TimeRange & { readonly share: number })[];
}

/** Servers' colours and patterns go by their place among all servers of the site, so that they never change. */
export function holderIndex(server: string, servers: readonly string[]): number {
  const place = servers.indexOf(server);
  return place < 0 ? servers.length : place;
}

/** How a gap is drawn. */
export type GapKind = 'off' | 'lost' | 'deleted';

const gapKinds: Readonly<Record<string, GapKind>> = {
  'camera-off': 'off',
  'capture-restarted': 'off',
  retention: 'deleted',
};

/** A gap that nobody wanted looks another than one that was to be expected; see the reasons in recording-rows.ts. */
export function gapKind(cause: string): GapKind {
  return gapKinds[cause] ?? 'lost';
}

export interface PlaceOptions {
  readonly nowMs: number;
  readonly serverName: (id: string) => string;
  /** hand-overs so near are told */
  readonly reachMs?: number;
}

/** `recorded on ss-1`, `no recording: the camera was off`, … */
export function placeText(lane: Lane, ms: number, options: PlaceOptions): string {
  const { nowMs, serverName, reachMs = 500 } = options;
  if (ms > nowMs) return 'in the future';
  const found: string[] = [];
  for (const row of lane.rows) {
    if (row.kind === 'hand-over') {
      const near = Math.abs(row.atMs - ms) < reachMs;
      if (near) found.push(`handed over from ${serverName(row.source)} to ${serverName(row.target)}`);
    } else if (row.fromMs <= ms && ms < row.toMs) {
      if (row.kind === 'gap') {
        found.push(`no recording for ${durationText(row.toMs - row.fromMs)}: ${row.reason}`);
      } else {
        const also = row.alsoOn.map((server) => `, also on ${serverName(server)}`).join('');
        found.push(`recorded on ${serverName(row.server)}${also}`);
      }
    }
  }
  if (found.length === 0) {
    const day = lane.days.find(({ fromMs, toMs }) => fromMs <= ms && ms < toMs);
    const recorded = day === undefined ? 0 : day.share * (day.toMs - day.fromMs);
    found.push(recorded > 0 ? `${durationText(recorded)} recorded on this day` : 'no recording');
  }
  const kept = lane.kept.find(({ from, to }) => Date.parse(from) <= ms && ms < Date.parse(to));
  if (kept !== undefined) found.push(`kept${kept.note === '' ? '' : `: ${kept.note}`}`);
  return found.join(', ');
}

/** What a screen reader says of the head's place. */
export function headText(ms: number, live: boolean, place: string): string {
  return live ? `Live, ${momentText(ms)}` : `${momentText(ms)}, ${place}`;
}

/** Where recording begins and ends in what is known, for the keys Home and End. */
export function recordedSpan(rows: readonly RecordingRow[]): TimeRange | undefined {
  const stretches = rows.filter((row) => row.kind === 'stretch');
  const [first, last] = [stretches[0], stretches.at(-1)];
  return first === undefined || last === undefined ? undefined : { fromMs: first.fromMs, toMs: last.toMs };
}
