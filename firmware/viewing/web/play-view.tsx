/**
 * Several cameras' recordings at the same time: one clock, one timeline with a lane for each. The address holds cameras,
 * time and speed. Times in ms UTC.
 */
import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { cameraHref, goTo, noteAddress, type PlayRoute, playCamerasMax, playHref } from './location-state.ts';
import { Icon } from './parts-icons.tsx';
import { PlayerBar, type PlayerControls, playerKey } from './player-bar.tsx';
import { recordedOf } from './recorded.ts';
import { ScrubPicture } from './scrub-picture.tsx';
import { cameraName, cameras, nowMs, serverName } from './site-state.ts';
import { SyncedPlayback, type SyncedPlaybackStatus } from './synced-playback.ts';
import type { SyncedStatus } from './synced-player.ts';
import type { TimeRange } from './time-range.ts';
import { following } from './time-scale.ts';
import { Timeline } from './timeline.tsx';
import { TimelineLegend } from './timeline-legend.tsx';
import { laneOf, siteServers, wantLane } from './timeline-state.ts';

const spanMs = 30 * 60_000;
const noteEveryMs = 3_000;
/** How far back playing begins where nobody said a time. */
const beginBackMs = 60_000;

export function PlayView({ route }: { route: PlayRoute }) {
  return (
    <main class="page play-page" id="content" tabIndex={-1}>
      <div class="play-head">
        <h1>Playback</h1>
        <CameraChoice route={route} />
      </div>
      {route.cameras.length === 0 ? (
        <p class="quiet">{`Choose up to ${playCamerasMax} cameras: they play the same moment, side by side.`}</p>
      ) : (
        <Playback key={route.cameras.join()} route={route} />
      )}
    </main>
  );
}

function CameraChoice({ route }: { route: PlayRoute }) {
  const all = cameras.value?.cameras ?? [];
  const full = route.cameras.length >= playCamerasMax;
  return (
    <fieldset class="play-cameras">
      <legend class="visually-hidden">{`Cameras, up to ${playCamerasMax}`}</legend>
      {all.map(({ id }) => {
        const chosen = route.cameras.includes(id);
        return (
          <label key={id} class={`play-camera ${chosen ? 'play-camera-chosen' : ''}`}>
            <input
              type="checkbox"
              checked={chosen}
              disabled={full && !chosen}
              onChange={() => {
                const next = chosen ? route.cameras.filter((other) => other !== id) : [...route.cameras, id];
                goTo(playHref(next, current.atMs ?? route.atMs, route.speed));
              }}
            />
            {cameraName(id)}
          </label>
        );
      })}
    </fieldset>
  );
}

/** The time that plays, for links that lead elsewhere. */
const current: { atMs: number | undefined } = { atMs: undefined };

function Playback({ route }: { route: PlayRoute }) {
  const playback = useRef<SyncedPlayback>(undefined);
  const beginMs = useRef(route.atMs ?? Date.now() - beginBackMs);
  const window = useSignal<TimeRange>({
    fromMs: beginMs.current - spanMs / 2,
    toMs: beginMs.current + spanMs / 2,
  });
  const status = useSignal<SyncedPlaybackStatus | undefined>(undefined);
  const scrubMs = useSignal<number | undefined>(undefined);
  const speed = useSignal(route.speed);
  playback.current ??= new SyncedPlayback(beginMs.current, (next) => {
    if (!same(status.peek(), next)) status.value = next;
    current.atMs = next.atMs;
  });
  useEffect(() => () => playback.current?.close(), []);
  useEffect(() => {
    speed.value = route.speed;
    if (route.atMs !== undefined) playback.current?.seek(route.atMs);
  }, [route]);
  useEffect(() => playback.current?.clock.setSpeed(speed.value), [speed.value]);
  useAddress(route, { speed, status });
  const head = scrubMs.value ?? status.value?.atMs ?? beginMs.current;
  useEffect(() => {
    if (scrubMs.peek() === undefined) window.value = following(window.peek(), head, 0.2);
    for (const camera of route.cameras) {
      // what is played has to be known, wherever the timeline looks
      recordedOf(camera).recordings.want('play', { fromMs: head - 60_000, toMs: head + 300_000 });
    }
  }, [Math.floor(head / 1_000)]);
  useEffect(() => {
    const ends = route.cameras.map((camera) => wantLane('timeline', camera, window.value));
    return () => {
      for (const end of ends) end();
    };
  }, [window.value]);
  useEffect(() => {
    return () => {
      for (const camera of route.cameras) recordedOf(camera).recordings.want('play');
    };
  }, []);
  const seek = (ms: number) => goTo(playHref(route.cameras, ms, speed.value));
  const controls: PlayerControls = {
    toggle: () => playback.current?.toggle(),
    skip: (seconds) => seek((status.value?.atMs ?? head) + seconds * 1_000),
    step: (direction, keyframes) => playback.current?.step(direction, keyframes),
    setSpeed: (next) => {
      speed.value = next;
    },
  };
  const columns = Math.ceil(Math.sqrt(route.cameras.length));
  const lanes = route.cameras.map((camera) => laneOf(camera, cameraName(camera), window.value));
  const end = () => {
    const ms = scrubMs.peek();
    scrubMs.value = undefined;
    if (ms !== undefined) seek(ms);
  };
  return (
    <>
      <ul
        class="play-grid"
        style={{
          '--columns': columns,
          '--phone-columns': route.cameras.length > 3 ? 2 : 1,
          '--rows': Math.ceil(route.cameras.length / columns),
        }}
      >
        {route.cameras.map((camera, place) => (
          <li key={camera}>
            <PlayedCamera
              camera={camera}
              playback={playback.current}
              status={status.value?.players[place]}
              scrubMs={scrubMs}
            />
          </li>
        ))}
      </ul>
      <PlayerBar
        ms={head}
        detail={status.value?.waiting === true ? 'waiting for a camera' : `${route.cameras.length} cameras`}
        live={false}
        paused={status.value?.paused === true}
        speed={speed.value}
        controls={controls}
      />
      <Timeline
        label="Timeline of all cameras shown"
        window={window}
        scene={{
          lanes,
          servers: siteServers.value,
          headMs: head,
          live: false,
          nowMs: nowMs.value,
          chosen: undefined,
          frames: [],
        }}
        onScrub={(ms) => {
          scrubMs.value = ms;
        }}
        onScrubEnd={end}
        onGoTo={seek}
        onLive={undefined}
        onChoose={() => {}}
        onWindow={() => {}}
        onKey={(key) => playerKey(key, controls)}
      />
      <TimelineLegend lanes={lanes} window={window.value} problem={undefined} />
    </>
  );
}

/** Of what people see nothing has changed. */
function same(one: SyncedPlaybackStatus | undefined, other: SyncedPlaybackStatus): boolean {
  const text = ({ atMs, paused, waiting, players }: SyncedPlaybackStatus) =>
    `${Math.floor(atMs / 250)} ${paused} ${waiting} ${players.map(({ state, note, server }) => `${state} ${note} ${server}`).join()}`;
  return one !== undefined && text(one) === text(other);
}

/** Keeps the address true, without entries in the history. */
function useAddress(
  route: PlayRoute,
  { speed, status }: { speed: Signal<number>; status: Signal<SyncedPlaybackStatus | undefined> },
): void {
  const notedAt = useRef(performance.now());
  const atMs = status.value?.atMs;
  const paused = status.value?.paused;
  useEffect(() => {
    const due = paused === true || performance.now() - notedAt.current > noteEveryMs;
    if (atMs === undefined || !due) return;
    notedAt.current = performance.now();
    noteAddress(playHref(route.cameras, Math.round(atMs), speed.value));
  }, [atMs, paused, speed.value]);
}

interface PlayedCameraProps {
  readonly camera: string;
  readonly playback: SyncedPlayback | undefined;
  readonly status: SyncedStatus | undefined;
  readonly scrubMs: Signal<number | undefined>;
}

function PlayedCamera({ camera, playback, status, scrubMs }: PlayedCameraProps) {
  const video = useRef<HTMLVideoElement>(null);
  const name = cameraName(camera);
  useEffect(() => {
    if (video.current === null || playback === undefined) return;
    return playback.add(video.current, camera);
  }, [camera, playback]);
  const place = scrubMs.value === undefined ? undefined : recordedOf(camera).recordings.at(scrubMs.value);
  const state = status?.state ?? 'loading';
  return (
    <div class={`picture picture-recording picture-${state}`}>
      <video ref={video} playsInline muted disablePictureInPicture aria-label={`Recording of ${name}`} />
      <ScrubPicture
        camera={camera}
        name={name}
        ms={scrubMs.value}
        gap={place?.kind === 'gap' ? `No recording: ${place.reason}` : undefined}
      />
      <p class="picture-tag">
        {name}
        {status?.server !== undefined && <span class="play-server">{` · ${serverName(status.server)}`}</span>}
      </p>
      <a
        class="button play-open"
        href={cameraHref(camera)}
        aria-label={`Open ${name}`}
        title={`Open ${name}`}
        onClick={(event) => {
          event.preventDefault();
          goTo(cameraHref(camera, current.atMs === undefined ? undefined : Math.round(current.atMs)));
        }}
      >
        <Icon name="full" />
      </a>
      <div class="play-note" role="status" aria-live="polite">
        {state === 'loading' && <p>Loading …</p>}
        {(state === 'gap' || state === 'failed') && <p>{status?.note}</p>}
      </div>
    </div>
  );
}
