/**
 * A camera's picture in time: live or recorded, what is seen while scrubbing, the controls, a chosen range and the
 * timeline. Live and recorded are one timeline: dragging its head back from now shows what was. Times in ms UTC.
 */
import { type Signal, useComputed, useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { type CameraRoute, cameraHref, goTo, noteTime } from './location-state.ts';
import { IconButton } from './parts-icons.tsx';
import { PlayerBar, type PlayerControls, playerKey } from './player-bar.tsx';
import { RangeBar } from './range-bar.tsx';
import { recordedOf } from './recorded.ts';
import { RecordingPicture } from './recording-picture.tsx';
import type { RecordingPlayer, RecordingStatus } from './recording-player.ts';
import type { RecordingRow } from './recording-rows.ts';
import { ScrubPicture } from './scrub-picture.tsx';
import { nowMs, serverName } from './site-state.ts';
import type { TimeRange } from './time-range.ts';
import { fitted, following, spanOf } from './time-scale.ts';
import { Timeline } from './timeline.tsx';
import { recordedSpan } from './timeline-lanes.ts';
import { TimelineLegend } from './timeline-legend.tsx';
import { laneOf, siteServers, wantLane } from './timeline-state.ts';

const noteTimeEveryMs = 5_000;
/** Nearer to now than this is live. */
const liveMs = 2_000;
const spanMs = 30 * 60_000;
const framesSpanMs = 20_000;

export interface TimeStageProps {
  readonly camera: string;
  /** what people call it */
  readonly name: string;
  readonly route: CameraRoute;
  readonly sound: boolean;
  /** the live picture */
  readonly live: ComponentChildren;
  /** Puts the picture into its frame. */
  readonly frame: (picture: ComponentChildren) => ComponentChildren;
  /** The displayed second of a recording changed; ms UTC, undefined when live. */
  readonly onSecond: (ms: number | undefined) => void;
}

export function TimeStage({ camera, name, route, sound, live, frame, onSecond }: TimeStageProps) {
  const isLive = route.atMs === undefined;
  const player = useRef<RecordingPlayer>(undefined);
  const speed = useSignal(1);
  const chosen = useSignal<TimeRange | undefined>(undefined);
  const window = useSignal<TimeRange>(windowAround(route.atMs));
  const shown = useShown(camera, window, onSecond);
  const scrub = useScrub(camera, shown);
  const stopSoon = useRef(false);
  const head = scrub.ms.value ?? (isLive ? nowMs.value : (shown.ms.value ?? route.atMs));
  useEffect(() => {
    if (!isLive) return;
    shown.forget();
    scrub.drop();
    stopSoon.current = false;
  }, [isLive]);
  useFollowing(window, {
    head,
    live: isLive,
    held: scrub.ms.value !== undefined || chosen.value !== undefined,
  });
  useEffect(() => wantLane('stage', camera, window.value), [camera, window.value]);
  const lane = laneOf(camera, name, window.value);
  useFitting(window, isLive ? lane.rows : undefined);
  const place = scrub.ms.value === undefined ? undefined : recordedOf(camera).recordings.at(scrub.ms.value);
  const controls = useControls({
    stopSoon,
    camera,
    isLive,
    player,
    speed,
    shown,
    onSpeed: (next) => (speed.value = next),
  });
  const state = shown.status.value;
  const paused = !isLive && (state.state === 'paused' || state.state === 'ended');
  return (
    <div class="time-stage">
      {frame(
        <>
          {isLive ? (
            live
          ) : (
            <RecordingPicture
              camera={camera}
              name={name}
              route={route}
              sound={sound}
              speed={speed.value}
              onPlayer={(opened) => {
                player.current = opened;
              }}
              onStatus={(status) => {
                shown.take(status);
                scrub.seen(status);
                if (!stopSoon.current || status.state !== 'playing') return;
                stopSoon.current = false;
                player.current?.pause();
              }}
            />
          )}
          <ScrubPicture
            camera={camera}
            name={name}
            ms={scrub.ms.value}
            gap={place?.kind === 'gap' ? `No recording: ${place.reason}` : undefined}
          />
        </>,
      )}
      <PlayerBar
        ms={head}
        detail={isLive ? 'live' : state.server === undefined ? '' : `held by ${serverName(state.server)}`}
        live={isLive}
        paused={paused}
        speed={speed.value}
        controls={controls}
      >
        <IconButton
          icon="range"
          label="Choose a range to save or keep"
          text="Save or keep"
          pressed={chosen.value !== undefined}
          onClick={() => {
            chosen.value = chosen.value === undefined ? rangeAt(head, window) : undefined;
          }}
        />
        <button type="button" class="control-live" disabled={isLive} onClick={() => goTo(cameraHref(camera))}>
          <span class="dot" aria-hidden="true" />
          {isLive ? 'Live' : 'Back to live'}
        </button>
      </PlayerBar>
      <Timeline
        label={`Timeline of ${name}`}
        window={window}
        scene={{
          lanes: [lane],
          servers: siteServers.value,
          headMs: head,
          live: isLive && scrub.ms.value === undefined,
          nowMs: nowMs.value,
          chosen: chosen.value,
          frames:
            !isLive && spanOf(window.value) < framesSpanMs
              ? (player.current?.framesBetween(window.value.fromMs, window.value.toMs) ?? [])
              : [],
        }}
        onScrub={scrub.move}
        onScrubEnd={scrub.end}
        onGoTo={(ms) => {
          scrub.move(ms);
          scrub.end();
        }}
        onLive={() => goTo(cameraHref(camera))}
        onChoose={(handle, ms) => {
          const range = chosen.peek();
          if (range === undefined) return;
          const next = { ...range, [handle]: ms };
          if (next.toMs - next.fromMs >= 1_000) chosen.value = next;
        }}
        onWindow={() => {}}
        onKey={(key) => playerKey(key, controls)}
      />
      <TimelineLegend lanes={[lane]} window={window.value} problem={recordedOf(camera).recordings.problem} />
      {chosen.value !== undefined && <RangeBar camera={camera} name={name} chosen={chosen} />}
    </div>
  );
}

function windowAround(atMs: number | undefined): TimeRange {
  const now = Date.now();
  const toMs = atMs === undefined ? now + spanMs / 20 : Math.min(now + spanMs / 20, atMs + spanMs / 2);
  return { fromMs: toMs - spanMs, toMs };
}

/** Once, when it is known how young the recordings are. */
function useFitting(window: Signal<TimeRange>, rows: readonly RecordingRow[] | undefined): void {
  const done = useRef(false);
  const first = recordedSpan(rows ?? []);
  useEffect(() => {
    if (first === undefined || done.current) return;
    done.current = true;
    window.value = fitted(window.peek(), first.fromMs);
  }, [first?.fromMs]);
}

/** A minute around the head, and a window in which that can be seen. */
function rangeAt(headMs: number | undefined, window: Signal<TimeRange>): TimeRange {
  const now = Date.now();
  const toMs = Math.min(now, (headMs ?? now) + 30_000);
  const range = { fromMs: toMs - 60_000, toMs };
  if (spanOf(window.value) > 15 * 60_000) {
    window.value = { fromMs: range.fromMs - 4 * 60_000, toMs: range.toMs + 2 * 60_000 };
  }
  return range;
}

interface Shown {
  readonly status: Signal<RecordingStatus>;
  /** of the picture; undefined while none is shown */
  readonly ms: Signal<number | undefined>;
  readonly take: (status: RecordingStatus) => void;
  readonly forget: () => void;
}

const beginning: RecordingStatus = { state: 'loading', wallClockMs: undefined, server: undefined, note: '' };

/** What the player shows, no finer than the timeline can show; the address and the owner are told now and then. */
function useShown(
  camera: string,
  window: Signal<TimeRange>,
  onSecond: (ms: number | undefined) => void,
): Shown {
  const status = useSignal(beginning);
  const ms = useSignal<number | undefined>(undefined);
  const noted = useRef({ second: 0, at: 0 });
  return {
    status,
    ms,
    take(next) {
      const before = status.peek();
      if (before.state !== next.state || before.server !== next.server) status.value = next;
      const now = next.wallClockMs;
      if (now === undefined) return;
      const fine = Math.min(1_000, spanOf(window.peek()) / 1_000);
      const last = ms.peek();
      const second = Math.floor(now / 1_000);
      const moved = last === undefined || Math.abs(now - last) >= fine;
      if (moved || next.state === 'paused') ms.value = now;
      if (second !== noted.current.second) onSecond(now);
      const stopped = next.state === 'paused' && before.state !== 'paused';
      if (stopped || performance.now() - noted.current.at > noteTimeEveryMs) {
        if (noted.current.at > 0) noteTime(camera, now);
        noted.current.at = performance.now();
      }
      noted.current.second = second;
    },
    forget() {
      status.value = beginning;
      ms.value = undefined;
      noted.current = { second: 0, at: 0 };
      onSecond(undefined);
    },
  };
}

interface Scrub {
  /** where the head is held, until the picture of that time plays; undefined: nobody holds it */
  readonly ms: Signal<number | undefined>;
  readonly move: (ms: number) => void;
  readonly end: () => void;
  readonly seen: (status: RecordingStatus) => void;
  /** Nobody holds the head any longer, wherever it was. */
  readonly drop: () => void;
}

/** While the head is held the scrub picture is seen; after that until the player has what it was asked for. */
function useScrub(camera: string, shown: Shown): Scrub {
  const ms = useSignal<number | undefined>(undefined);
  const landing = useRef<'no' | 'asked' | 'sought'>('no');
  const drop = () => {
    landing.current = 'no';
    ms.value = undefined;
  };
  return {
    ms,
    move(to) {
      landing.current = 'no';
      ms.value = to;
    },
    end() {
      const to = ms.peek();
      if (to === undefined || landing.current !== 'no') return;
      if (to > Date.now() - liveMs) {
        ms.value = undefined;
        goTo(cameraHref(camera));
        return;
      }
      landing.current = 'asked';
      shown.ms.value = undefined;
      goTo(cameraHref(camera, to));
    },
    seen({ state, wallClockMs }) {
      if (landing.current === 'asked' && wallClockMs === undefined) landing.current = 'sought';
      const arrived = wallClockMs !== undefined || state === 'failed';
      if (landing.current === 'sought' && arrived) drop();
    },
    drop,
  };
}

/** Keeps the head in the window, unless somebody holds it or has moved the window away from it. */
function useFollowing(
  window: Signal<TimeRange>,
  { head, live, held }: { head: number | undefined; live: boolean; held: boolean },
): void {
  const before = useRef({ head, live });
  useEffect(() => {
    const last = before.current;
    before.current = { head, live };
    if (head === undefined || held) return;
    const range = window.peek();
    const was = last.head ?? head;
    const seen = was >= range.fromMs && was <= range.toMs;
    const jumped = Math.abs(head - was) > 3_000 || last.live !== live;
    if (seen || jumped) window.value = following(range, head, live ? 0.93 : 0.2);
  }, [head, live, held]);
}

interface ControlOptions {
  readonly camera: string;
  readonly isLive: boolean;
  readonly player: { readonly current: RecordingPlayer | undefined };
  /** pause as soon as there is a picture */
  readonly stopSoon: { current: boolean };
  readonly speed: Signal<number>;
  readonly shown: Shown;
  readonly onSpeed: (speed: number) => void;
}

function useControls({ camera, isLive, player, stopSoon, shown, onSpeed }: ControlOptions): PlayerControls {
  const state = useComputed(() => shown.status.value.state);
  return {
    toggle() {
      // a live picture that is paused is a recording
      if (isLive) {
        stopSoon.current = true;
        goTo(cameraHref(camera, Date.now() - liveMs));
      } else if (state.value === 'paused' || state.value === 'ended') player.current?.play();
      else player.current?.pause();
    },
    skip(seconds) {
      if (isLive) goTo(cameraHref(camera, Date.now() + Math.min(seconds * 1_000, -liveMs)));
      else player.current?.skip(seconds);
    },
    step: (direction, keyframes) => player.current?.step(direction, keyframes),
    setSpeed: onSpeed,
  };
}
