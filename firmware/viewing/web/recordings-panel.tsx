/**
 * What is recorded of one camera, beside its picture: a calendar, any time of the chosen day, what is kept, and the day
 * as a list with gaps and their reasons, hand-overs, and servers that could not be asked. Times in ms UTC.
 */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Calendar } from './calendar.tsx';
import { dayKey } from './calendar-days.ts';
import { KeptList } from './kept-list.tsx';
import { cameraHref, goTo } from './location-state.ts';
import { recordedOf } from './recorded.ts';
import { type RecordingRow, touches } from './recording-rows.ts';
import { serverName } from './site-state.ts';
import type { TimeRange } from './time-range.ts';
import { clockText, dayText, durationText, inputMs, momentText, timeZone } from './time-text.ts';

export interface RecordingsPanelProps {
  readonly camera: string;
  /** the address's time; undefined while live */
  readonly atMs: number | undefined;
  /** what is on the picture now; undefined while live */
  readonly playingMs: number | undefined;
}

export function RecordingsPanel({ camera, atMs, playingMs }: RecordingsPanelProps) {
  const headMs = playingMs ?? atMs ?? Date.now();
  const { recordings, days } = recordedOf(camera);
  const live = atMs === undefined;
  const day = live ? lastDay(headMs) : dayRange(headMs);
  useEffect(() => {
    recordings.want('panel', day);
    return () => recordings.want('panel');
  }, [camera, day.fromMs]);
  const goToDay = (startMs: number) => goTo(cameraHref(camera, sameTime(startMs, headMs)));
  const rows = recordings.rows.filter((row) => touches(row, day));
  const { problem } = recordings;
  return (
    <section class="panel" aria-labelledby="recordings-title">
      <div class="panel-head">
        <h2 id="recordings-title">Recordings</h2>
        <p class="panel-zone">{timeZone}</p>
      </div>
      <Calendar days={days} chosenMs={headMs} onDay={goToDay} />
      <JumpForm camera={camera} headMs={headMs} live={live} />
      <KeptList camera={camera} />
      <div class="panel-day">
        <h3>{live ? 'Last 24 hours' : dayText(headMs)}</h3>
        {problem !== undefined && (
          <p class="notice notice-bad" role="alert">
            <span>
              <strong>{problem.message}</strong> {problem.advice} Trying again by itself.
            </span>
          </p>
        )}
        <Silent servers={recordings.unreachable} />
        {rows.length > 0 ? (
          <ol class="rows" aria-label="Recordings, newest first">
            {rows.toReversed().map((row) => (
              <Row key={rowKey(row)} camera={camera} row={row} playingMs={playingMs} />
            ))}
          </ol>
        ) : (
          problem === undefined && (
            <p class="panel-quiet">
              {recordings.knows(day) ? 'Nothing is recorded in this time.' : 'Asking the servers …'}
            </p>
          )
        )}
      </div>
    </section>
  );
}

function Silent({ servers }: { servers: readonly string[] }) {
  if (servers.length === 0) return null;
  return (
    <p class="notice" role="status">
      {`No answer from ${servers.map(serverName).join(', ')}: recordings that only ${servers.length === 1 ? 'it has' : 'they have'} are missing here.`}
    </p>
  );
}

interface RowProps {
  readonly camera: string;
  readonly row: RecordingRow;
  readonly playingMs: number | undefined;
}

function Row({ camera, row, playingMs }: RowProps) {
  if (row.kind === 'gap') {
    return (
      <li class="row row-gap">
        <span class="row-time">{`${momentText(row.fromMs)} – ${clockText(row.toMs)}`}</span>
        <span class="row-detail">{`No recording for ${durationText(row.toMs - row.fromMs)}: ${row.reason}`}</span>
      </li>
    );
  }
  if (row.kind === 'hand-over') {
    return (
      <li class="row row-hand-over">
        <a href={cameraHref(camera, row.atMs - 3_000)}>
          <span class="row-time">{momentText(row.atMs)}</span>
          <span class="row-detail">{`Handed over from ${serverName(row.source)} to ${serverName(row.target)}`}</span>
        </a>
      </li>
    );
  }
  const { fromMs, toMs, server, alsoOn, open } = row;
  const also = alsoOn.length > 0 ? `, also on ${alsoOn.map(serverName).join(', ')}` : '';
  const plays = playingMs !== undefined && playingMs >= fromMs && playingMs < toMs;
  return (
    <li class="row row-stretch" aria-current={plays ? 'true' : undefined}>
      <a class="row-play" href={cameraHref(camera, fromMs)}>
        <span class="row-time">{`${momentText(fromMs)} – ${open ? 'now' : clockText(toMs)}`}</span>
        <span class="row-detail">{`${durationText(toMs - fromMs)} on ${serverName(server)}${also}`}</span>
      </a>
    </li>
  );
}

/** Any time of the day that is shown. */
function JumpForm({ camera, headMs, live }: { camera: string; headMs: number; live: boolean }) {
  const typed = useSignal<string | undefined>(undefined);
  const shown = typed.value ?? clockText(live ? headMs - 60_000 : headMs);
  useEffect(() => {
    typed.value = undefined;
  }, [camera, dayKey(headMs)]);
  return (
    <form
      class="jump"
      onSubmit={(event) => {
        event.preventDefault();
        const ms = inputMs(`${dayKey(headMs)}T${shown}`);
        if (ms !== undefined) goTo(cameraHref(camera, ms));
        typed.value = undefined;
      }}
    >
      <label>
        {`Time on ${dayText(headMs)}`}
        <input
          type="time"
          step="1"
          required
          value={shown}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
          }}
        />
      </label>
      <button type="submit">Play</button>
    </form>
  );
}

/** In steps of a minute. */
function lastDay(ms: number): TimeRange {
  const toMs = Math.ceil(ms / 60_000) * 60_000;
  return { fromMs: toMs - 86_400_000, toMs };
}

/** The local day of a time. */
function dayRange(ms: number): TimeRange {
  const start = new Date(ms);
  start.setHours(0, 0, 0, 0);
  const end = new Date(start);
  end.setDate(end.getDate() + 1);
  return { fromMs: start.getTime(), toMs: end.getTime() - 1 };
}

/** The same local time on another day, not in the future. */
function sameTime(dayStartMs: number, ms: number): number {
  const [day, time] = [new Date(dayStartMs), new Date(ms)];
  day.setHours(time.getHours(), time.getMinutes(), time.getSeconds());
  return Math.min(day.getTime(), Date.now() - 2_000);
}

function rowKey(row: RecordingRow): string {
  return `${row.kind} ${row.kind === 'hand-over' ? row.atMs : row.fromMs}`;
}
