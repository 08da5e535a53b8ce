/** What the colours and patterns of a timeline mean: its servers, its gaps, what is kept. */
import type { ApiFailure } from './api-client.ts';
import { touches } from './recording-rows.ts';
import { serverName } from './site-state.ts';
import type { TimeRange } from './time-range.ts';
import { type GapKind, gapKind, holderIndex, type Lane } from './timeline-lanes.ts';
import { siteServers } from './timeline-state.ts';

const gapTexts: Readonly<Record<GapKind, string>> = {
  lost: 'not recorded',
  off: 'camera off',
  deleted: 'deleted to make room',
};

export interface TimelineLegendProps {
  readonly lanes: readonly Lane[];
  readonly window: TimeRange;
  /** why what is shown may be old */
  readonly problem: ApiFailure | undefined;
}

export function TimelineLegend({ lanes, window, problem }: TimelineLegendProps) {
  const rows = lanes.flatMap((lane) => lane.rows).filter((row) => touches(row, window));
  const holders = new Set(rows.flatMap((row) => (row.kind === 'stretch' ? [row.server] : [])));
  const gaps = new Set(rows.flatMap((row) => (row.kind === 'gap' ? [gapKind(row.cause)] : [])));
  const handOvers = rows.some(({ kind }) => kind === 'hand-over');
  return (
    <ul class="timeline-legend" aria-label="Legend of the timeline">
      {[...holders].sort().map((server) => (
        <li key={server}>
          <span class={`swatch holder-${holderIndex(server, siteServers.value) % 5}`} />
          {serverName(server)}
        </li>
      ))}
      {[...gaps].sort().map((kind) => (
        <li key={kind}>
          <span class={`swatch gap-${kind}`} />
          {gapTexts[kind]}
        </li>
      ))}
      {handOvers && (
        <li>
          <span class="swatch-mark">▼</span>handed over
        </li>
      )}
      {lanes.some(({ kept }) => kept.length > 0) && (
        <li>
          <span class="swatch swatch-kept" />
          kept
        </li>
      )}
      {lanes.some(({ days }) => days.length > 0) && <li>height: how much of a day is recorded</li>}
      {problem !== undefined && (
        <li class="timeline-problem">{`${problem.message} What is shown may be old.`}</li>
      )}
    </ul>
  );
}
