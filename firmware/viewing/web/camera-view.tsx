/** One camera: its picture, live or recorded, and its recordings beside it. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { CameraAnswer } from '../api.ts';
import { maySound } from './api-client.ts';
import { CameraState, PictureChip } from './camera-grid.tsx';
import { LivePicture } from './live-picture.tsx';
import type { LiveStatus } from './live-player.ts';
import { gridHref, type Route } from './location-state.ts';
import { RecordingPicture } from './recording-picture.tsx';
import { RecordingsPanel } from './recordings-panel.tsx';
import { cameras } from './site-state.ts';
import { momentText } from './time-text.ts';

/** `route.camera` must be set. */
export function CameraView({ route }: { route: Route }) {
  const id = route.camera ?? '';
  const camera = cameras.value?.cameras.find((candidate) => candidate.id === id);
  const sound = useSignal(false);
  const picture = useSignal<LiveStatus['state']>('connecting');
  const manager = useSignal<string | undefined>(undefined);
  const playingMs = useSignal<number | undefined>(undefined);
  const live = route.atMs === undefined;
  useEffect(() => {
    if (live) playingMs.value = undefined;
    else picture.value = 'connecting';
  }, [live]);
  return (
    <main class="camera-page">
      <div class="camera-head">
        <a class="button back" href={gridHref}>
          <span aria-hidden="true">←</span> All cameras
        </a>
        <h1>{id}</h1>
        {live && <PictureChip state={picture.value} />}
        <CameraFacts camera={camera} manager={live ? manager.value : undefined} />
        <SoundButton
          possible={maySound(camera)}
          on={sound.value}
          onClick={() => {
            sound.value = !sound.value;
          }}
        />
      </div>
      <div class="camera-body">
        <div class="stage">
          {live ? (
            <LivePicture
              camera={id}
              audio={sound.value}
              onStatus={(status) => {
                picture.value = status.state;
                manager.value = status.manager;
              }}
            />
          ) : (
            <RecordingPicture
              camera={id}
              route={route}
              sound={sound.value}
              onSecond={(ms) => {
                playingMs.value = ms;
              }}
            />
          )}
        </div>
        <RecordingsPanel camera={id} atMs={route.atMs} playingMs={playingMs.value} />
      </div>
    </main>
  );
}

function CameraFacts({ camera, manager }: { camera: CameraAnswer | undefined; manager: string | undefined }) {
  if (camera === undefined) {
    const text = cameras.value === undefined ? '' : 'this server does not know the camera';
    return <p class="camera-facts">{text}</p>;
  }
  const size = camera.width === null || camera.height === null ? '' : ` · ${camera.width} × ${camera.height}`;
  return (
    <p class="camera-facts">
      <CameraState camera={camera} />
      {` · managed by ${manager ?? camera.manager}`}
      <span class="camera-size">{size}</span>
      <SafeTime durableThrough={camera.durableThrough} />
    </p>
  );
}

/** Until when everything is on a disk, whatever happens now. */
function SafeTime({ durableThrough }: { durableThrough: string | null }) {
  if (durableThrough === null) return null;
  return (
    <span class="camera-safe" title="Everything captured before is on a disk">
      {` · safe to ${momentText(Date.parse(durableThrough))}`}
    </span>
  );
}

function SoundButton({ possible, on, onClick }: { possible: boolean; on: boolean; onClick: () => void }) {
  const label = possible ? (on ? 'Switch sound off' : 'Switch sound on') : 'This camera has no sound';
  return (
    <button
      type="button"
      class="sound"
      aria-pressed={on}
      aria-label={label}
      title={label}
      disabled={!possible}
      onClick={onClick}
    >
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path class="fill" d="M4 9v6h4l5 4V5L8 9H4z" />
        {on ? (
          <path d="M16 8.500a5 5 0 0 1 0 7M18.500 6a8.500 8.500 0 0 1 0 12" />
        ) : (
          <path d="M16.500 9.500l5 5m0-5l-5 5" />
        )}
      </svg>
      <span>{on ? 'Sound on' : 'Sound off'}</span>
    </button>
  );
}
