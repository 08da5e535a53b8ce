/** One camera of the grid: its live picture, what it is called and how it is. A link, or a thing to be arranged. */

import { type Signal, useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { CameraAnswer } from '../api.ts';
import { CameraState, PictureChip } from './camera-signs.tsx';
import { LivePicture } from './live-picture.tsx';
import type { LiveStatus } from './live-player.ts';
import { cameraHref } from './location-state.ts';
import { useOnScreen } from './on-screen.ts';
import { Icon, IconButton } from './parts-icons.tsx';
import { serverName } from './site-state.ts';

/** How a tile can be moved. */
interface TileArranging {
  /** from 1 */
  readonly place: number;
  readonly count: number;
  readonly dragged: boolean;
  /** Moves it by places, forwards or back. */
  readonly onMove: (by: number) => void;
  readonly onHide: () => void;
  /** A pointer has taken it. */
  readonly onGrab: (event: PointerEvent) => void;
}

export interface CameraTileProps {
  readonly camera: CameraAnswer;
  /** undefined: it is a link to the camera */
  readonly arranging: TileArranging | undefined;
}

export function CameraTile({ camera, arranging }: CameraTileProps) {
  const picture = useSignal<LiveStatus['state']>('connecting');
  const manager = useSignal<string | undefined>(undefined);
  const name = camera.name || camera.id;
  const by = serverName(manager.value ?? camera.manager);
  const inside = (
    <>
      <TilePicture camera={camera} picture={picture} manager={manager} />
      <span class="tile-caption">
        <span class="tile-name">{name}</span>
        <PictureChip state={picture.value} />
        <span class="tile-detail">
          <CameraState camera={camera} />
          <span class="tile-manager">{`managed by ${by}`}</span>
        </span>
      </span>
    </>
  );
  if (arranging !== undefined) {
    return (
      <div class={`tile tile-arranging ${arranging.dragged ? 'tile-dragged' : ''}`} data-tile={camera.id}>
        {inside}
        <ArrangeBar name={name} arranging={arranging} />
      </div>
    );
  }
  return (
    <a class="tile" href={cameraHref(camera.id)}>
      {inside}
    </a>
  );
}

interface TilePictureProps {
  readonly camera: CameraAnswer;
  readonly picture: Signal<LiveStatus['state']>;
  readonly manager: Signal<string | undefined>;
}

/** Live while it is on the screen. */
function TilePicture({ camera, picture, manager }: TilePictureProps) {
  const place = useRef<HTMLDivElement>(null);
  const seen = useOnScreen(place);
  return (
    <div class="tile-picture" ref={place}>
      {seen.value ? (
        <LivePicture
          camera={camera.id}
          name={camera.name || camera.id}
          onStatus={(status) => {
            picture.value = status.state;
            manager.value = status.manager;
          }}
        />
      ) : (
        <div class="picture" />
      )}
    </div>
  );
}

function ArrangeBar({ name, arranging }: { name: string; arranging: TileArranging }) {
  const { place, count, onMove, onHide, onGrab } = arranging;
  const steps: Readonly<Record<string, number>> = {
    ArrowLeft: -1,
    ArrowUp: -1,
    ArrowRight: 1,
    ArrowDown: 1,
    Home: -count,
    End: count,
  };
  return (
    <span class="arrange-bar">
      <button
        type="button"
        class="grip"
        aria-label={`Move ${name}, place ${place} of ${count}: arrow keys`}
        title="Drag, or use the arrow keys"
        onPointerDown={onGrab}
        onKeyDown={(event) => {
          const by = steps[event.key];
          if (by === undefined) return;
          event.preventDefault();
          onMove(by);
        }}
      >
        <Icon name="grip" />
      </button>
      <IconButton
        icon="left"
        label={`Move ${name} forward`}
        disabled={place === 1}
        onClick={() => onMove(-1)}
      />
      <IconButton
        icon="right"
        label={`Move ${name} back`}
        disabled={place === count}
        onClick={() => onMove(1)}
      />
      <IconButton icon="hide" label={`Hide ${name} on this device`} onClick={onHide} />
    </span>
  );
}
