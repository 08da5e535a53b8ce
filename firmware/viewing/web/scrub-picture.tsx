/**
 * What is seen while somebody drags the head of a timeline: the keyframe nearest before it, above the picture that was
 * there. It says which time it is of, and says so when nothing was recorded there: no picture stands for another time.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Scrubber } from './scrubber.ts';
import { clockText, durationText } from './time-text.ts';

/** A picture so much older than the time it stands for is said to be. */
const oldMs = 5_000;

export interface ScrubPictureProps {
  readonly camera: string;
  readonly name: string;
  /** undefined: nobody scrubs, and this is not seen */
  readonly ms: number | undefined;
  /** why nothing was recorded at this time; undefined where something was */
  readonly gap: string | undefined;
}

export function ScrubPicture({ camera, name, ms, gap }: ScrubPictureProps) {
  const video = useRef<HTMLVideoElement>(null);
  const scrubber = useRef<Scrubber>(undefined);
  const shownMs = useSignal<number | undefined>(undefined);
  useEffect(() => {
    return () => {
      scrubber.current?.close();
      scrubber.current = undefined;
    };
  }, [camera]);
  useEffect(() => {
    if (ms === undefined) {
      shownMs.value = undefined;
      return;
    }
    if (video.current === null) return;
    scrubber.current ??= new Scrubber(video.current, camera, {
      onPicture: (atMs) => {
        shownMs.value = atMs;
      },
      onNothing: () => {
        shownMs.value = undefined;
      },
    });
    scrubber.current.show(ms);
  }, [camera, ms]);
  const at = shownMs.value;
  const old = ms !== undefined && at !== undefined && Math.abs(ms - at) > oldMs;
  const said = gap ?? (old ? `The picture before this time is ${durationText(ms - at)} older.` : undefined);
  return (
    <div class={`picture scrub ${ms === undefined ? 'scrub-hidden' : ''}`} aria-hidden="true">
      <video
        ref={video}
        playsInline
        muted
        disablePictureInPicture
        class={at === undefined || said !== undefined ? 'scrub-faint' : ''}
        data-scrub-at={at}
        aria-label={`Recording of ${name}, while searching`}
      />
      {ms !== undefined && <p class="picture-tag">{clockText(ms)}</p>}
      {said !== undefined && <p class="scrub-note">{said}</p>}
    </div>
  );
}
