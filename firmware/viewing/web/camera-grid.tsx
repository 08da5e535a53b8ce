/** All cameras of the site, live; each tile is a link to its camera. */
import { useSignal } from '@preact/signals';
import type { CameraAnswer } from '../api.ts';
import { LivePicture } from './live-picture.tsx';
import type { LiveStatus } from './live-player.ts';
import { cameraHref } from './location-state.ts';
import { askAgain, cameras, failure, site } from './site-state.ts';

/** The grid, or why there is none. */
export function CameraGrid() {
  const known = cameras.value?.cameras;
  if (known === undefined) return failure.value === undefined ? <Loading /> : <NoAnswer />;
  if (known.length === 0) return <NoCameras />;
  return (
    <main class="grid-page">
      <h1 class="visually-hidden">All cameras</h1>
      <ul class={`grid grid-of-${Math.min(known.length, 5)}`}>
        {known.map((camera) => (
          <li key={camera.id}>
            <CameraTile camera={camera} />
          </li>
        ))}
      </ul>
    </main>
  );
}

function CameraTile({ camera }: { camera: CameraAnswer }) {
  const picture = useSignal<LiveStatus['state']>('connecting');
  const manager = useSignal<string | undefined>(undefined);
  const by = `camera ${camera.state}, managed by ${camera.manager}`;
  return (
    <a
      class="tile"
      href={cameraHref(camera.id)}
      aria-label={`Open ${camera.id}: ${pictureText(picture.value)}, ${by}`}
    >
      <LivePicture
        camera={camera.id}
        onStatus={(status) => {
          picture.value = status.state;
          manager.value = status.manager;
        }}
      />
      <span class="tile-caption">
        <span class="tile-name">{camera.id}</span>
        <PictureChip state={picture.value} />
        <span class="tile-detail">
          <CameraState camera={camera} />
          <span class="tile-manager">{`managed by ${manager.value ?? camera.manager}`}</span>
        </span>
      </span>
    </a>
  );
}

/** Whether the picture is live, as a small sign. */
export function PictureChip({ state }: { state: LiveStatus['state'] }) {
  return <span class={`chip chip-${state}`}>{pictureText(state)}</span>;
}

/** Whether the network has the camera, as the servers say. */
export function CameraState({ camera }: { camera: CameraAnswer }) {
  const state = failure.value === undefined ? camera.state : 'unknown';
  return (
    <span class={`camera-state camera-state-${state}`}>
      <span class="dot" aria-hidden="true" />
      {state === 'unknown' ? 'state not known' : state}
    </span>
  );
}

function pictureText(state: LiveStatus['state']): string {
  return { live: 'Live', stale: 'Not live', connecting: 'Connecting' }[state];
}

function Loading() {
  return (
    <main class="message" aria-busy="true">
      <p class="message-quiet">Asking this server for its cameras …</p>
    </main>
  );
}

function NoAnswer() {
  return (
    <main class="message" aria-live="assertive">
      <h1>{failure.value?.message}</h1>
      <p>{failure.value?.advice} The page tries again every two seconds.</p>
      <button type="button" class="primary" onClick={askAgain}>
        Try again
      </button>
    </main>
  );
}

function NoCameras() {
  return (
    <main class="message">
      <h1>No camera has joined yet</h1>
      <p>
        Switch on a camera unit that belongs to the site “{site.value?.site}” and is on the same network. It
        finds a server by itself and appears here within seconds; there is nothing to do on this page.
      </p>
      <p>If it does not appear:</p>
      <ul>
        <li>Is the unit enrolled in this site? A unit of another site is refused.</li>
        <li>
          Are the unit and at least one server on the same network, and are the servers above reachable?
        </li>
        <li>The unit’s field console and its log say which servers it has asked and what they answered.</li>
      </ul>
    </main>
  );
}
