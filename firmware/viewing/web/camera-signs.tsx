/** Small signs of state that the grid and the camera view share. */
import type { CameraAnswer } from '../api.ts';
import type { LiveStatus } from './live-player.ts';
import { failure } from './site-state.ts';

/** Whether the picture is live. */
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
