/** One camera: its picture, live or recorded, what can be done with it, and its recordings. */

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { CameraAnswer } from '../api.ts';
import { maySound } from './api-client.ts';
import { CameraHead } from './camera-head.tsx';
import { CameraStage } from './camera-stage.tsx';
import { toggleFullScreen } from './full-screen.ts';
import { arranged, gridLayout } from './grid-layout.ts';
import { LivePicture } from './live-picture.tsx';
import type { LiveStatus } from './live-player.ts';
import { type CameraRoute, cameraHref, goTo, gridHref } from './location-state.ts';
import { showToast } from './parts-toast.tsx';
import { wholePicture } from './picture-zoom.ts';
import { PtzControl } from './ptz-control.ts';
import { PtzPanel } from './ptz-pad.tsx';
import { RecordingsPanel } from './recordings-panel.tsx';
import { may } from './session-state.ts';
import { ShareDialog } from './share-dialog.tsx';
import { useShortcuts } from './shortcuts.ts';
import { cameraName, cameraOf, cameras, serverName } from './site-state.ts';
import { saveFrame } from './snapshot.ts';
import { StreamDialog } from './stream-dialog.tsx';
import { TimeStage } from './time-stage.tsx';

const handOverShownMs = 4_000;

export function CameraView({ route }: { route: CameraRoute }) {
  const id = route.camera;
  const camera = cameraOf(id);
  const name = cameraName(id);
  const page = useRef<HTMLElement>(null);
  const sound = useSignal(false);
  const picture = useSignal<LiveStatus['state']>('connecting');
  const manager = useSignal<string | undefined>(undefined);
  /** of a live picture that is stale, ms UTC */
  const staleMs = useRef<number>(undefined);
  const playingMs = useSignal<number | undefined>(undefined);
  const zoom = useSignal(wholePicture);
  const dialog = useSignal<'share' | 'stream' | undefined>(undefined);
  const speed = useSignal(0.5);
  const byPicture = useSignal(true);
  const live = route.atMs === undefined;
  const control = usePtz(camera, live);
  useEffect(() => {
    zoom.value = wholePicture;
    staleMs.current = undefined;
    if (live) playingMs.value = undefined;
    else picture.value = 'connecting';
  }, [live]);
  const toggleSound = () => {
    if (maySound(camera)) sound.value = !sound.value;
  };
  const snapshot = () => void saveSnapshot(page.current, name, playingMs.value ?? staleMs.current);
  useCameraShortcuts({ id, snapshot, toggleSound, full: () => toggleFullScreen(page.current) });
  const close = () => {
    dialog.value = undefined;
  };
  const frame = (inside: ComponentChildren) => (
    <CameraStage name={name} zoom={zoom} control={byPicture.value ? control : undefined} speed={speed.value}>
      {inside}
    </CameraStage>
  );
  return (
    <main class="camera-page" id="content" tabIndex={-1} ref={page}>
      <CameraHead
        id={id}
        camera={camera}
        picture={live ? picture.value : undefined}
        manager={live ? manager.value : undefined}
        sound={sound.value}
        onSound={toggleSound}
        onSnapshot={snapshot}
        onShare={() => {
          dialog.value = 'share';
        }}
        onStream={() => {
          dialog.value = 'stream';
        }}
        onFullScreen={() => toggleFullScreen(page.current)}
      />
      <div class="camera-body">
        <div class="stage">
          <TimeStage
            camera={id}
            name={name}
            route={route}
            sound={sound.value}
            live={
              <>
                <LivePicture
                  camera={id}
                  name={name}
                  audio={sound.value}
                  onStatus={(status) => {
                    picture.value = status.state;
                    staleMs.current = status.state === 'stale' ? status.lastPictureAtMs : undefined;
                    manager.value = status.manager;
                  }}
                  onPointing={control?.pointed}
                />
                <HandOverNote manager={manager.value} />
              </>
            }
            frame={frame}
            onSecond={(ms) => {
              playingMs.value = ms;
            }}
          />
        </div>
        <div class="camera-side">
          {control !== undefined && (
            <PtzPanel
              control={control}
              speed={speed.value}
              onSpeed={(share) => {
                speed.value = share;
              }}
              byPicture={byPicture.value}
              onByPicture={(on) => {
                byPicture.value = on;
              }}
            />
          )}
          <RecordingsPanel camera={id} atMs={route.atMs} playingMs={playingMs.value} />
        </div>
      </div>
      {dialog.value === 'share' && <ShareDialog camera={id} atMs={playingMs.value} onClose={close} />}
      {dialog.value === 'stream' && <StreamDialog camera={id} onClose={close} />}
    </main>
  );
}

/** Steers the camera, where it can be steered and the person may. */
function usePtz(camera: CameraAnswer | undefined, live: boolean): PtzControl | undefined {
  const axes = camera?.ptz;
  const can = axes !== undefined && axes !== null && (axes.pan || axes.tilt || axes.zoom);
  const steers = can && live && may('operator');
  const id = camera?.id ?? '';
  const control = useMemo(() => (steers ? new PtzControl(id) : undefined), [steers, id]);
  useEffect(() => {
    control?.open();
    return () => control?.close();
  }, [control]);
  return control;
}

/** A hand-over changes nothing for who looks; it is only worth a short word. */
function HandOverNote({ manager }: { manager: string | undefined }) {
  const before = useRef(manager);
  const said = useSignal('');
  useEffect(() => {
    const source = before.current;
    before.current = manager ?? source;
    if (source === undefined || manager === undefined || source === manager) return;
    said.value = `Now managed by ${serverName(manager)}`;
    const timer = setTimeout(() => {
      said.value = '';
    }, handOverShownMs);
    return () => clearTimeout(timer);
  }, [manager]);
  return (
    <div class="hand-over" role="status" aria-live="polite">
      {said.value !== '' && <p>{said.value}</p>}
    </div>
  );
}

async function saveSnapshot(page: HTMLElement | null, name: string, atMs: number | undefined): Promise<void> {
  const video = page?.querySelector<HTMLVideoElement>('.stage video') ?? null;
  const at = new Date(atMs ?? Date.now()).toISOString().slice(0, 19).replaceAll(':', '');
  const saved = await saveFrame(video, `${name.replace(/[^\p{L}\p{N}._-]+/gu, '-')}-${at}Z`);
  showToast(saved ? 'The picture is among your downloads.' : 'There is no picture yet.', { bad: !saved });
}

interface CameraKeys {
  readonly id: string;
  readonly snapshot: () => void;
  readonly toggleSound: () => void;
  readonly full: () => void;
}

function useCameraShortcuts({ id, snapshot, toggleSound, full }: CameraKeys): void {
  const step = (by: number) => {
    const all = arranged(cameras.value?.cameras ?? [], gridLayout.value).map((camera) => camera.id);
    const next = all[(all.indexOf(id) + by + all.length) % all.length];
    if (next !== undefined) goTo(cameraHref(next));
  };
  useShortcuts('Camera', [
    { keys: ['Escape'], what: 'Back to all cameras', run: () => goTo(gridHref()) },
    { keys: ['[', ']'], what: 'The camera before, the next one', run: (key) => step(key === '[' ? -1 : 1) },
    { keys: ['f'], what: 'Full screen', run: full },
    { keys: ['m'], what: 'Sound on or off', run: toggleSound },
    { keys: ['c'], what: 'Save the picture', run: snapshot },
    {
      keys: [],
      shown: 'ArrowLeft ArrowUp ArrowDown ArrowRight',
      what: 'Steer, or move in the picture, while it has the focus',
    },
    { keys: [], shown: '+ - 0', what: 'Zoom, while the picture has the focus' },
  ]);
}
