/**
 * What is recorded of one camera: the last 24 hours or a day around a chosen time, as a strip and as a list, with gaps
 * and their reasons, hand-overs between servers, and servers that could not be asked. Times in ms UTC.
 */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { RecordingsAnswer } from '../api.ts';
import { ApiFailure, getRecordings, type TimeRange, videoUrl } from './api-client.ts';
import { cameraHref, goTo } from './location-state.ts';
import { type RecordedStretch, type RecordingRow, recordingRows } from './recording-rows.ts';
import { RecordingStrip } from './recording-strip.tsx';
import { clockText, dayText, durationText, inputMs, inputText, momentText, timeZone } from './time-text.ts';

const dayMs = 24 * 3_600_000;
const refreshMs = 10_000;
const saveWholeMaxMs = 3_600_000;

export interface RecordingsPanelProps {
  readonly camera: string;
  /** the address's time; undefined while live */
  readonly atMs: number | undefined;
  /** what is on the picture now; undefined while live */
  readonly playingMs: number | undefined;
}

interface Listing {
  readonly range: TimeRange;
  readonly answer: RecordingsAnswer;
}

/** The panel beside the picture. */
export function RecordingsPanel({ camera, atMs, playingMs }: RecordingsPanelProps) {
  const around = useSignal<number | undefined>(undefined);
  const listing = useSignal<Listing | undefined>(undefined);
  const problem = useSignal<ApiFailure | undefined>(undefined);
  const attempt = useSignal(0);
  useEffect(() => {
    const range = rangeAround(around.peek());
    if (atMs !== undefined && (atMs < range.fromMs || atMs > range.toMs)) around.value = atMs;
  }, [atMs]);
  useEffect(() => {
    const stop = new AbortController();
    const load = async () => {
      const range = rangeAround(around.value);
      try {
        listing.value = { range, answer: await getRecordings(camera, range, stop.signal) };
        problem.value = undefined;
      } catch (failed) {
        if (!(failed instanceof ApiFailure)) throw failed;
        if (failed.code !== 'ABORTED') problem.value = failed;
      }
    };
    void load();
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, refreshMs);
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, [camera, around.value, attempt.value]);
  const known = listing.value;
  return (
    <section class="panel" aria-labelledby="recordings-title">
      <div class="panel-head">
        <h2 id="recordings-title">Recordings</h2>
        <p class="panel-range">
          {around.value === undefined ? 'last 24 hours' : `around ${dayText(around.value)}`}
          {around.value !== undefined && (
            <button
              type="button"
              class="link"
              onClick={() => {
                around.value = undefined;
              }}
            >
              show the last 24 hours
            </button>
          )}
        </p>
      </div>
      <JumpForm camera={camera} atMs={atMs} />
      {problem.value !== undefined && (
        <div class="notice notice-bad" role="alert">
          <p>
            <strong>{problem.value.message}</strong> {problem.value.advice}
          </p>
          <button
            type="button"
            onClick={() => {
              attempt.value += 1;
            }}
          >
            Try again
          </button>
        </div>
      )}
      {known === undefined ? (
        problem.value === undefined && <p class="panel-quiet">Asking the servers for recordings …</p>
      ) : (
        <Rows camera={camera} listing={known} playingMs={playingMs} />
      )}
      <p class="panel-zone">{`Times are local (${timeZone}).`}</p>
    </section>
  );
}

function Rows({
  camera,
  listing,
  playingMs,
}: {
  camera: string;
  listing: Listing;
  playingMs: number | undefined;
}) {
  const { answer, range } = listing;
  const rows = recordingRows(answer);
  return (
    <>
      {answer.unreachable.length > 0 && (
        <p class="notice" role="status">
          {`No answer from ${answer.unreachable.join(', ')}: recordings that only ${answer.unreachable.length === 1 ? 'it has' : 'they have'} are missing here.`}
        </p>
      )}
      {answer.truncated && <p class="notice">The list was too long and is cut. Choose a time to see more.</p>}
      {rows.length === 0 ? (
        <p class="panel-quiet">Nothing is recorded in this time.</p>
      ) : (
        <>
          <RecordingStrip camera={camera} rows={rows} range={range} playingMs={playingMs} />
          <ol class="rows" aria-label="Recordings, newest first">
            {rows.toReversed().map((row) => (
              <Row key={rowKey(row)} camera={camera} row={row} playingMs={playingMs} />
            ))}
          </ol>
        </>
      )}
    </>
  );
}

function Row({
  camera,
  row,
  playingMs,
}: {
  camera: string;
  row: RecordingRow;
  playingMs: number | undefined;
}) {
  if (row.kind === 'gap') {
    return (
      <li class="row row-gap">
        <span class="row-time">{`${momentText(row.fromMs)} – ${clockText(row.toMs)}`}</span>
        <span class="row-detail">
          {`No recording for ${durationText(row.toMs - row.fromMs)}: `}
          {row.reason}
        </span>
      </li>
    );
  }
  if (row.kind === 'hand-over') {
    return (
      <li class="row row-hand-over">
        <span class="row-time">{momentText(row.atMs)}</span>
        <span class="row-detail">{`Handed over from ${row.source} to ${row.target}`}</span>
      </li>
    );
  }
  return <StretchRow camera={camera} stretch={row} playingMs={playingMs} />;
}

function StretchRow({
  camera,
  stretch,
  playingMs,
}: {
  camera: string;
  stretch: RecordedStretch;
  playingMs: number | undefined;
}) {
  const { fromMs, toMs, segments } = stretch;
  const holds = (from: number, to: number) => playingMs !== undefined && playingMs >= from && playingMs < to;
  const also = stretch.alsoOn.length > 0 ? `, also on ${stretch.alsoOn.join(', ')}` : '';
  return (
    <li class="row row-stretch" aria-current={holds(fromMs, toMs) ? 'true' : undefined}>
      <a class="row-play" href={cameraHref(camera, fromMs)}>
        <span class="row-time">{`${momentText(fromMs)} – ${stretch.open ? 'now' : clockText(toMs)}`}</span>
        <span class="row-detail">{`${durationText(toMs - fromMs)} on ${stretch.server}${also}`}</span>
      </a>
      {toMs - fromMs <= saveWholeMaxMs && <SaveLink camera={camera} fromMs={fromMs} toMs={toMs} />}
      {segments.length > 1 && (
        <details class="row-segments">
          <summary>{`${segments.length} segments`}</summary>
          <ol>
            {segments.map((segment) => {
              const [from, to] = [Date.parse(segment.from), Date.parse(segment.to)];
              return (
                <li key={segment.url} aria-current={holds(from, to) ? 'true' : undefined}>
                  <a href={cameraHref(camera, from)}>{`${clockText(from)} – ${clockText(to)}`}</a>
                  <SaveLink camera={camera} fromMs={from} toMs={to} />
                </li>
              );
            })}
          </ol>
        </details>
      )}
    </li>
  );
}

function SaveLink({ camera, fromMs, toMs }: { camera: string; fromMs: number; toMs: number }) {
  const name = `${camera}-${inputText(fromMs)}.mp4`;
  return (
    <a
      class="row-save"
      href={videoUrl(camera, { fromMs, toMs })}
      download={name}
      aria-label={`Save from ${momentText(fromMs)}`}
    >
      Save
    </a>
  );
}

function JumpForm({ camera, atMs }: { camera: string; atMs: number | undefined }) {
  const chosen = useSignal(inputText(atMs ?? Date.now() - 60_000));
  useEffect(() => {
    if (atMs !== undefined) chosen.value = inputText(atMs);
  }, [atMs]);
  return (
    <form
      class="jump"
      onSubmit={(event) => {
        event.preventDefault();
        const ms = inputMs(chosen.value);
        if (ms !== undefined) goTo(cameraHref(camera, ms));
      }}
    >
      <label>
        Jump to a date and time
        <input
          type="datetime-local"
          step="1"
          required
          value={chosen.value}
          onInput={(event) => {
            chosen.value = event.currentTarget.value;
          }}
        />
      </label>
      <button type="submit">Play</button>
    </form>
  );
}

function rangeAround(ms: number | undefined): TimeRange {
  const now = Date.now();
  const toMs = ms === undefined ? now : Math.min(now, ms + dayMs / 2);
  return { fromMs: toMs - dayMs, toMs };
}

function rowKey(row: RecordingRow): string {
  return `${row.kind} ${row.kind === 'hand-over' ? row.atMs : row.fromMs}`;
}
