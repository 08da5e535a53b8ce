/**
 * One live picture: the video, what it is called, and the loud mark when it is not live. The mark is a live region
 * whose counting age is hidden from screen readers, so that they hear the change and not every second; so is the time
 * while old pictures move.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type LivePointing, type LiveStatus, playLive } from './live-player.ts';
import { durationText, momentText } from './time-text.ts';

export interface LivePictureProps {
  readonly camera: string;
  /** what people call it */
  readonly name: string;
  readonly audio?: boolean;
  readonly onStatus?: (status: LiveStatus) => void;
  readonly onPointing?: ((pointing: LivePointing) => void) | undefined;
}

const beginning: LiveStatus = {
  state: 'connecting',
  reason: '',
  lastPictureAtMs: undefined,
  ageMs: 0,
  moving: false,
  manager: undefined,
};

/** Live while it is mounted. */
export function LivePicture({ camera, name, audio = false, onStatus, onPointing }: LivePictureProps) {
  const video = useRef<HTMLVideoElement>(null);
  const status = useSignal(beginning);
  // who steers comes and goes, and the picture stays
  const pointing = useRef(onPointing);
  pointing.current = onPointing;
  useEffect(() => {
    if (video.current === null) return;
    const player = playLive(video.current, {
      camera,
      audio,
      onStatus(next) {
        if (!sameToTheReader(status.peek(), next)) status.value = next;
        onStatus?.(next);
      },
      onPointing: (where) => pointing.current?.(where),
    });
    return () => player.close();
  }, [camera, audio]);
  const { state } = status.value;
  return (
    <div class={`picture picture-${state}`}>
      <video ref={video} playsInline muted disablePictureInPicture aria-label={`Live picture of ${name}`} />
      {state === 'connecting' && <p class="picture-note">Connecting …</p>}
      <div role="status" aria-live="polite">
        {state === 'stale' && <StaleBanner status={status.value} />}
      </div>
    </div>
  );
}

function StaleBanner({ status }: { status: LiveStatus }) {
  const { lastPictureAtMs, ageMs, moving, reason } = status;
  return (
    <div class="stale">
      <strong class="stale-title">NOT LIVE</strong>
      <span class="stale-age">
        <span class="visually-hidden"> — </span>
        {lastPictureAtMs === undefined ? (
          'no picture yet'
        ) : (
          <span aria-hidden={moving}>{`last picture ${momentText(lastPictureAtMs)}`}</span>
        )}
        <span aria-hidden="true">
          {lastPictureAtMs === undefined ? `, for ${durationText(ageMs)}` : `, ${durationText(ageMs)} ago`}
        </span>
      </span>
      <span class="stale-reason">{reason}</span>
    </div>
  );
}

function sameToTheReader(one: LiveStatus, other: LiveStatus): boolean {
  if (one.state !== other.state || one.reason !== other.reason) return false;
  return other.state !== 'stale' || Math.round(one.ageMs / 1000) === Math.round(other.ageMs / 1000);
}
