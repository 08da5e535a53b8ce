/** The head of a camera's view: its name, how it is, and what can be done with its picture. */
import type { CameraAnswer } from '../api.ts';
import { maySound } from './api-client.ts';
import { CameraState, PictureChip } from './camera-signs.tsx';
import { fullScreenPossible } from './full-screen.ts';
import type { LiveStatus } from './live-player.ts';
import { gridHref } from './location-state.ts';
import { Icon, IconButton } from './parts-icons.tsx';
import { may } from './session-state.ts';
import { cameraName, cameras, serverName } from './site-state.ts';
import { momentText } from './time-text.ts';

export interface CameraHeadProps {
  readonly id: string;
  /** undefined while this server does not know it */
  readonly camera: CameraAnswer | undefined;
  /** undefined: a recording is shown */
  readonly picture: LiveStatus['state'] | undefined;
  /** whose live picture is shown */
  readonly manager: string | undefined;
  readonly sound: boolean;
  readonly onSound: () => void;
  readonly onSnapshot: () => void;
  readonly onShare: () => void;
  readonly onStream: () => void;
  readonly onFullScreen: () => void;
}

export function CameraHead(props: CameraHeadProps) {
  const { id, camera, picture, manager } = props;
  return (
    <div class="camera-head">
      <a class="button back" href={gridHref()} aria-label="All cameras">
        <Icon name="left" />
        <span>All cameras</span>
      </a>
      <h1>{cameraName(id)}</h1>
      {picture !== undefined && <PictureChip state={picture} />}
      <CameraFacts camera={camera} manager={manager} />
      <div class="camera-tools" role="group" aria-label="Picture">
        <SoundButton possible={maySound(camera)} on={props.sound} onClick={props.onSound} />
        <IconButton icon="snapshot" label="Save the picture" onClick={props.onSnapshot} />
        <IconButton icon="share" label="Share a link" onClick={props.onShare} />
        {may('operator') && (
          <IconButton icon="stream" label="Frame rate and bit rate" onClick={props.onStream} />
        )}
        {fullScreenPossible && <IconButton icon="full" label="Full screen" onClick={props.onFullScreen} />}
      </div>
    </div>
  );
}

function CameraFacts({ camera, manager }: { camera: CameraAnswer | undefined; manager: string | undefined }) {
  if (camera === undefined) {
    const text = cameras.value === undefined ? '' : 'this server does not know the camera';
    return <p class="camera-facts">{text}</p>;
  }
  const size = camera.width === null || camera.height === null ? '' : ` · ${camera.width} × ${camera.height}`;
  const rate = typeof camera.frameRate === 'number' ? `, ${camera.frameRate}/s` : '';
  return (
    <p class="camera-facts">
      <CameraState camera={camera} />
      {` · managed by ${serverName(manager ?? camera.manager)}`}
      <span class="camera-size">{`${size}${size === '' ? '' : rate}`}</span>
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
      class="icon-button sound"
      aria-pressed={on}
      aria-label={label}
      title={label}
      disabled={!possible}
      onClick={onClick}
    >
      <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
        <path class="fill" d="M4 9v6h4l5 4V5L8 9H4z" />
        {on ? (
          <path d="M16 8.500a5 5 0 0 1 0 7M18.500 6a8.500 8.500 0 0 1 0 12" />
        ) : (
          <path d="M16.500 9.500l5 5m0-5l-5 5" />
        )}
      </svg>
    </button>
  );
}
