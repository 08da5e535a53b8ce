/**
 * What somebody does to a picture with a mouse, a finger or two, told in shares of the picture's width and height:
 * (0, 0) is its middle, (−0.5, −0.5) its upper left corner. One stretch of dragging begins, moves and ends.
 */
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Point } from './picture-zoom.ts';

export interface PictureGestures {
  readonly onDragStart?: () => void;
  /** how far since the start */
  readonly onDrag?: (by: Point) => void;
  readonly onDragEnd?: () => void;
  readonly onTap?: (at: Point) => void;
  readonly onDoubleTap?: (at: Point) => void;
  /** Larger by a factor around a point; false: the page may have the gesture. */
  readonly onScale?: (factor: number, around: Point) => boolean;
}

const tapPixels = 6;
const doubleTapMs = 350;

/** Follows gestures on an element for as long as the component is mounted. */
export function usePictureGestures(element: RefObject<HTMLElement | null>, gestures: PictureGestures): void {
  const newest = useRef(gestures);
  newest.current = gestures;
  useEffect(() => {
    if (element.current === null) return;
    const tracker = new GestureTracker(element.current, () => newest.current);
    return () => tracker.close();
  }, []);
}

class GestureTracker {
  private readonly element: HTMLElement;
  private readonly gestures: () => PictureGestures;
  private readonly stop = new AbortController();
  /** pointers that are down, by id */
  private readonly down = new Map<number, { x: number; y: number }>();
  private start: { x: number; y: number } | undefined;
  private dragging = false;
  private pinched = false;
  private tappedAtMs = 0;

  constructor(element: HTMLElement, gestures: () => PictureGestures) {
    this.element = element;
    this.gestures = gestures;
    const { signal } = this.stop;
    element.addEventListener('pointerdown', (event) => this.press(event), { signal });
    element.addEventListener('pointermove', (event) => this.move(event), { signal });
    element.addEventListener('pointerup', (event) => this.lift(event), { signal });
    element.addEventListener('pointercancel', (event) => this.lift(event), { signal });
    element.addEventListener('wheel', (event) => this.wheel(event), { signal, passive: false });
  }

  close(): void {
    this.stop.abort();
  }

  private press(event: PointerEvent): void {
    // a button that lies on the picture is no part of it
    if (event.button !== 0 || (event.target as Element).closest('button, a, input') !== null) return;
    this.element.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.down.size === 1) {
      this.start = { x: event.clientX, y: event.clientY };
      this.pinched = false;
    } else {
      this.endDrag();
      this.pinched = true;
    }
  }

  private move(event: PointerEvent): void {
    const before = this.down.get(event.pointerId);
    if (before === undefined) return;
    const after = { x: event.clientX, y: event.clientY };
    this.down.set(event.pointerId, after);
    if (this.pinched) {
      const other = [...this.down].find(([id]) => id !== event.pointerId)?.[1];
      if (other !== undefined) this.pinch(before, after, other);
    } else if (this.start !== undefined) {
      this.drag(this.start, after);
    }
  }

  private drag(start: { x: number; y: number }, now: { x: number; y: number }): void {
    const [x, y] = [now.x - start.x, now.y - start.y];
    if (!this.dragging && Math.hypot(x, y) < tapPixels) return;
    if (!this.dragging) {
      this.dragging = true;
      this.gestures().onDragStart?.();
    }
    const { width, height } = this.element.getBoundingClientRect();
    this.gestures().onDrag?.({ x: x / width, y: y / height });
  }

  private pinch(
    before: { x: number; y: number },
    after: { x: number; y: number },
    other: { x: number; y: number },
  ): void {
    const span = (one: { x: number; y: number }) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
    const middle = { clientX: (after.x + other.x) / 2, clientY: (after.y + other.y) / 2 };
    this.gestures().onScale?.(span(after) / span(before), this.pointOf(middle));
  }

  private lift(event: PointerEvent): void {
    if (!this.down.delete(event.pointerId) || this.down.size > 0) return;
    const tapped = !this.dragging && !this.pinched && event.type === 'pointerup';
    this.endDrag();
    this.start = undefined;
    if (!tapped) return;
    const twice = event.timeStamp - this.tappedAtMs < doubleTapMs;
    this.tappedAtMs = twice ? 0 : event.timeStamp;
    const { onTap, onDoubleTap } = this.gestures();
    (twice && onDoubleTap !== undefined ? onDoubleTap : onTap)?.(this.pointOf(event));
  }

  private endDrag(): void {
    if (this.dragging) this.gestures().onDragEnd?.();
    this.dragging = false;
  }

  private wheel(event: WheelEvent): void {
    const pixels = event.deltaY * (event.deltaMode === 0 ? 1 : 30);
    const factor = Math.exp(Math.max(-200, Math.min(200, -pixels)) * 0.002);
    if (this.gestures().onScale?.(factor, this.pointOf(event)) === true) event.preventDefault();
  }

  private pointOf({ clientX, clientY }: { clientX: number; clientY: number }): Point {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    return { x: (clientX - left) / width - 0.5, y: (clientY - top) / height - 0.5 };
  }
}
