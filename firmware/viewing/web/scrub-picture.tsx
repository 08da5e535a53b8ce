/**
 * What is seen while somebody drags the head of a timeline: the keyframe nearest before it, above the picture that was
 * there. It says which time it is of, and says so when nothing was recorded there or nothing came: no picture stands for
 * another time.
 */
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { CachedKeyframe } from './keyframe-cache.ts';
import { Scrubber } from './scrubber.ts';
import { clockText, durationText } from './time-text.ts';

/** A picture so much older than the time it stands for is said to be. */
const oldMs = 5_000;
const noneCame = 'The picture of this time did not come. Move on to try again.';

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
  const shown = useSignal<CachedKeyframe | undefined>(undefined);
  /** the time of which no picture came */
  const failedMs = useSignal<number | undefined>(undefined);
  useLayoutEffect(() => {
    return () => {
      scrubber.current?.close();
      scrubber.current = undefined;
    };
  }, [camera]);
  // Before the browser paints: what somebody drags for is asked for at once.
  useLayoutEffect(() => {
    if (ms === undefined) {
      shown.value = undefined;
      failedMs.value = undefined;
      return;
    }
    if (video.current === null) return;
    scrubber.current ??= new Scrubber(video.current, camera, {
      onPicture: (keyframe) => {
        shown.value = keyframe;
        failedMs.value = undefined;
      },
      onNothing: (ofMs, failed) => {
        shown.value = undefined;
        failedMs.value = failed ? ofMs : undefined;
      },
    });
    scrubber.current.show(ms);
  }, [camera, ms]);
  const at = shown.value?.atMs;
  const far = ms !== undefined && at !== undefined && Math.abs(ms - at) > oldMs;
  const failed = ms !== undefined && ms === failedMs.value;
  const said = gap ?? (failed ? noneCame : far ? olderText(ms, shown.value) : undefined);
  return (
    <div class={`picture scrub ${ms === undefined ? 'scrub-hidden' : ''}`} aria-hidden="true">
      <video
        ref={video}
        playsInline
        muted
        disablePictureInPicture
        class={at === undefined || far || said !== undefined ? 'scrub-faint' : ''}
        data-scrub-at={at}
        aria-label={`Recording of ${name}, while searching`}
      />
      {ms !== undefined && <p class="picture-tag">{clockText(ms)}</p>}
      {said !== undefined && <p class="scrub-note">{said}</p>}
    </div>
  );
}

/** How much older than a time the picture that belongs to it is; undefined while another time's is shown. */
function olderText(ms: number, shown: CachedKeyframe | undefined): string | undefined {
  if (shown === undefined || ms < shown.atMs || ms >= shown.nextMs) return undefined;
  return `The picture before this time is ${durationText(ms - shown.atMs)} older.`;
}
