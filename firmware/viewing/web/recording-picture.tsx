/** A camera's recording on the big picture, with its date, its controls and a way to save a clip. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { videoUrl } from './api-client.ts';
import { cameraHref, goTo, noteTime, type Route } from './location-state.ts';
import { playRecording, type RecordingPlayer, type RecordingStatus } from './recording-player.ts';
import { clockText, dayText, inputMs, inputText } from './time-text.ts';

const speeds = [1, 2, 4] as const;
const noteTimeEveryMs = 5_000;
const beginning: RecordingStatus = { state: 'loading', wallClockMs: undefined, server: undefined, note: '' };

export interface RecordingPictureProps {
  readonly camera: string;
  /** a new one means: seek, also to the same time */
  readonly route: Route;
  readonly sound: boolean;
  /** The displayed second changed; ms UTC. */
  readonly onSecond: (ms: number) => void;
}

/** Plays from the route's time while it is mounted. */
export function RecordingPicture({ camera, route, sound, onSecond }: RecordingPictureProps) {
  const video = useRef<HTMLVideoElement>(null);
  const player = useRef<RecordingPlayer>(null);
  const status = useSignal(beginning);
  const speed = useSignal<number>(1);
  useEffect(() => {
    if (video.current === null) return;
    let second = 0;
    let notedAt = performance.now();
    const opened = playRecording(video.current, {
      camera,
      onStatus(next) {
        status.value = next;
        if (next.wallClockMs === undefined || Math.floor(next.wallClockMs / 1000) === second) return;
        second = Math.floor(next.wallClockMs / 1000);
        onSecond(next.wallClockMs);
        if (performance.now() - notedAt < noteTimeEveryMs) return;
        notedAt = performance.now();
        noteTime(camera, next.wallClockMs);
      },
    });
    player.current = opened;
    return () => opened.close();
  }, [camera]);
  useEffect(() => {
    if (route.atMs !== undefined) player.current?.seek(route.atMs);
  }, [camera, route]);
  useEffect(() => {
    if (video.current !== null) video.current.muted = !sound;
  }, [sound]);
  const { state, wallClockMs, server, note } = status.value;
  const paused = state === 'paused' || state === 'ended';
  return (
    <div class="recording">
      <div class={`picture picture-recording picture-${state}`}>
        <video ref={video} playsInline muted disablePictureInPicture aria-label={`Recording of ${camera}`} />
        {state === 'loading' && <p class="picture-note">Loading …</p>}
        <p class="picture-tag">Recording</p>
        <div class="picture-message" role="status" aria-live="polite">
          {note !== '' && <p>{note}</p>}
        </div>
      </div>
      <div class="player-bar">
        <Moment ms={wallClockMs} server={server} />
        <div class="controls" role="group" aria-label="Playback">
          <button type="button" aria-label="Back 10 seconds" onClick={() => player.current?.skip(-10)}>
            −10 s
          </button>
          <button
            type="button"
            class="primary control-play"
            onClick={() => (paused ? player.current?.play() : player.current?.pause())}
          >
            {paused ? 'Play' : 'Pause'}
          </button>
          <button type="button" aria-label="Forward 10 seconds" onClick={() => player.current?.skip(10)}>
            +10 s
          </button>
          <span class="speeds" role="group" aria-label="Speed">
            {speeds.map((value) => (
              <button
                key={value}
                type="button"
                aria-label={`Speed ${value}`}
                aria-pressed={speed.value === value}
                onClick={() => {
                  speed.value = value;
                  player.current?.setSpeed(value);
                }}
              >
                {`${value}×`}
              </button>
            ))}
          </span>
          <button type="button" class="control-live" onClick={() => goTo(cameraHref(camera))}>
            <span class="dot" aria-hidden="true" />
            Back to live
          </button>
        </div>
      </div>
      <Clip camera={camera} aroundMs={route.atMs ?? Date.now()} />
    </div>
  );
}

function Moment({ ms, server }: { ms: number | undefined; server: string | undefined }) {
  return (
    <p class="moment">
      <time class="moment-clock" dateTime={ms === undefined ? '' : new Date(ms).toISOString()}>
        {ms === undefined ? '--:--:--' : clockText(ms)}
      </time>
      <span class="moment-day">
        {ms === undefined ? ' ' : dayText(ms)}
        {server !== undefined && ` · held by ${server}`}
      </span>
    </p>
  );
}

function Clip({ camera, aroundMs }: { camera: string; aroundMs: number }) {
  const from = useSignal(inputText(aroundMs));
  const to = useSignal(inputText(aroundMs + 60_000));
  useEffect(() => {
    from.value = inputText(aroundMs);
    to.value = inputText(aroundMs + 60_000);
  }, [aroundMs]);
  const [fromMs, toMs] = [inputMs(from.value), inputMs(to.value)];
  const good = fromMs !== undefined && toMs !== undefined && fromMs < toMs;
  return (
    <details class="clip">
      <summary>Save a clip</summary>
      <div class="clip-form">
        <label>
          From
          <input
            type="datetime-local"
            step="1"
            value={from.value}
            onInput={(event) => {
              from.value = event.currentTarget.value;
            }}
          />
        </label>
        <label>
          To
          <input
            type="datetime-local"
            step="1"
            value={to.value}
            onInput={(event) => {
              to.value = event.currentTarget.value;
            }}
          />
        </label>
        {good ? (
          <a
            class="button primary"
            href={videoUrl(camera, { fromMs, toMs })}
            download={`${camera}-${from.value}.mp4`}
          >
            Download MP4
          </a>
        ) : (
          <p class="clip-wrong">The end must be after the start.</p>
        )}
      </div>
    </details>
  );
}
