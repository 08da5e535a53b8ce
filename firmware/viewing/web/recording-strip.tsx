/**
 * A day of recordings as one strip: who holds what by colour, gaps left open, and where the picture is. A click plays
 * from there. It repeats what the list beside it says, so it is hidden from screen readers and takes no focus.
 */
import type { TimeRange } from './api-client.ts';
import { cameraHref, goTo } from './location-state.ts';
import type { RecordingRow } from './recording-rows.ts';
import { clockText } from './time-text.ts';

const hourMs = 3_600_000;
const tickHours = 6;
const colours = 5;

export interface RecordingStripProps {
  readonly camera: string;
  readonly rows: readonly RecordingRow[];
  readonly range: TimeRange;
  readonly playingMs: number | undefined;
}

/** The strip with its hours and the colours of the servers. */
export function RecordingStrip({ camera, rows, range, playingMs }: RecordingStripProps) {
  const length = range.toMs - range.fromMs;
  const share = (ms: number) => `${Math.min(1, Math.max(0, (ms - range.fromMs) / length)) * 100}%`;
  const span = (fromMs: number, toMs: number) => ({
    left: share(fromMs),
    right: `calc(100% - ${share(toMs)})`,
  });
  const servers = [...new Set(rows.flatMap((row) => (row.kind === 'stretch' ? [row.server] : [])))].sort();
  const colour = (server: string) => `holder holder-${servers.indexOf(server) % colours}`;
  return (
    <div class="strip" aria-hidden="true">
      <div
        class="strip-bar"
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          goTo(
            cameraHref(camera, Math.round(range.fromMs + ((event.clientX - box.left) / box.width) * length)),
          );
        }}
      >
        {rows.map((row) => {
          if (row.kind === 'hand-over') return null;
          const kind = row.kind === 'gap' ? 'strip-gap' : `strip-stretch ${colour(row.server)}`;
          return <span key={`${row.kind} ${row.fromMs}`} class={kind} style={span(row.fromMs, row.toMs)} />;
        })}
        {playingMs !== undefined && <span class="strip-now" style={{ left: share(playingMs) }} />}
      </div>
      <div class="strip-hours">
        {ticks(range).map((ms) => (
          <span key={ms} style={{ left: share(ms) }}>
            {clockText(ms).slice(0, 5)}
          </span>
        ))}
      </div>
      <ul class="strip-legend">
        {servers.map((server) => (
          <li key={server}>
            <span class={`swatch ${colour(server)}`} />
            {server}
          </li>
        ))}
        <li>
          <span class="swatch strip-gap" />
          gap
        </li>
      </ul>
    </div>
  );
}

function ticks(range: TimeRange): number[] {
  const first = new Date(range.fromMs);
  first.setMinutes(0, 0, 0);
  const all: number[] = [];
  for (let ms = first.getTime(); ms <= range.toMs; ms += hourMs) {
    const inside = ms > range.fromMs + hourMs / 2 && ms < range.toMs - hourMs / 2;
    if (inside && new Date(ms).getHours() % tickHours === 0) all.push(ms);
  }
  return all;
}
