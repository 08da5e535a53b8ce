/**
 * The pictures that a player has been given, by media time in seconds: which one is next, which was before, and where
 * the keyframes are. Bounded: the oldest go first.
 */
import type { FrameTime } from './fragment-samples.ts';

const framesMax = 40_000;
/** Two times nearer than this are one picture. */
const same = 0.0005;
/** Filled anew from elsewhere, times differ by the rounding of segments' dates. */
const near = 0.004;

export class FrameIndex {
  private frames: FrameTime[] = [];

  /** Adds pictures that follow; of what was there at their time and later nothing remains, as in a SourceBuffer. */
  add(frames: readonly FrameTime[]): void {
    const from = frames[0]?.time;
    if (from === undefined) return;
    while ((this.frames.at(-1)?.time ?? Number.NEGATIVE_INFINITY) > from - same) this.frames.pop();
    this.frames.push(...frames);
    if (this.frames.length > framesMax) this.frames.splice(0, this.frames.length - framesMax);
  }

  clear(): void {
    this.frames = [];
  }

  /** Whether there is a picture of this time, or of one so near that it is the same picture. */
  has(time: number): boolean {
    return this.between(time - near, time + near).length > 0;
  }

  /** The picture after a time (`direction` 1) or before it (−1). */
  beside(time: number, direction: number): number | undefined {
    return this.find(time, direction, () => true);
  }

  /** The keyframe after a time, or the one before it. */
  keyframeBeside(time: number, direction: number): number | undefined {
    return this.find(time, direction, ({ keyframe }) => keyframe);
  }

  /** Times of the pictures from a time to another. */
  between(from: number, to: number): readonly FrameTime[] {
    return this.frames.slice(this.place(from), this.place(to));
  }

  private find(time: number, direction: number, good: (frame: FrameTime) => boolean): number | undefined {
    let at = direction > 0 ? this.place(time + same) : this.place(time - same) - 1;
    for (; at >= 0; at += direction) {
      const frame = this.frames[at];
      if (frame === undefined) return undefined;
      if (good(frame)) return frame.time;
    }
    return undefined;
  }

  /** How many pictures lie before a time. */
  private place(time: number): number {
    let [low, high] = [0, this.frames.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.frames[middle]?.time ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
