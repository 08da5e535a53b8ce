/** A camera's recording as a picture: plays from the address's time while it is mounted. What steers it is elsewhere. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { CameraRoute } from './location-state.ts';
import { playRecording, type RecordingPlayer, type RecordingStatus } from './recording-player.ts';

export interface RecordingPictureProps {
  readonly camera: string;
  /** what people call it */
  readonly name: string;
  /** a new one means: seek, also to the same time */
  readonly route: CameraRoute;
  readonly sound: boolean;
  readonly speed: number;
  /** The player, and undefined when it is gone. */
  readonly onPlayer: (player: RecordingPlayer | undefined) => void;
  /** As in RecordingPlayerOptions. */
  readonly onStatus: (status: RecordingStatus) => void;
}

const beginning: Pick<RecordingStatus, 'state' | 'note'> = { state: 'loading', note: '' };

export function RecordingPicture({ camera, name, route, sound, speed, ...events }: RecordingPictureProps) {
  const video = useRef<HTMLVideoElement>(null);
  const player = useRef<RecordingPlayer>(null);
  const newest = useRef(events);
  newest.current = events;
  const status = useSignal(beginning);
  useEffect(() => {
    if (video.current === null) return;
    const opened = playRecording(video.current, {
      camera,
      onStatus(next) {
        const { state, note } = status.peek();
        if (next.state !== state || next.note !== note) status.value = next;
        newest.current.onStatus(next);
      },
    });
    player.current = opened;
    newest.current.onPlayer(opened);
    return () => {
      opened.close();
      newest.current.onPlayer(undefined);
    };
  }, [camera]);
  useEffect(() => {
    if (route.atMs !== undefined) player.current?.seek(route.atMs);
  }, [camera, route]);
  useEffect(() => {
    if (video.current !== null) video.current.muted = !sound;
  }, [sound]);
  useEffect(() => player.current?.setSpeed(speed), [camera, speed]);
  const { state, note } = status.value;
  return (
    <div class={`picture picture-recording picture-${state}`}>
      <video ref={video} playsInline muted disablePictureInPicture aria-label={`Recording of ${name}`} />
      {state === 'loading' && <p class="picture-note">Loading …</p>}
      <p class="picture-tag">Recording</p>
      <div class="picture-message" role="status" aria-live="polite">
        {note !== '' && <p>{note}</p>}
      </div>
    </div>
  );
}
