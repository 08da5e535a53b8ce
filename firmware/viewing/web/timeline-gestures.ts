/**
 * What somebody does to a timeline with a mouse, a finger or two, or a wheel. Dragging moves the timeline and stops
 * where it is let go; dragging the head, or anything in the ruler, scrubs; handles of a chosen range are dragged; two
 * fingers and the wheel zoom; a press without a drag goes to its time. Places in CSS pixels from the left.
 */

import type { TimeRange } from './time-range.ts';
import { panned, spanOf, zoomed } from './time-scale.ts';
import { rulerHeight } from './timeline-canvas.ts';

const dragPixels = 4;
const handlePixels = 11;
/** a finger is broader than a mouse */
const touchPixels = 24;

export type Handle = 'fromMs' | 'toMs';

/** The timeline that the gestures work on. */
export interface GestureHost {
  readonly window: () => TimeRange;
  readonly setWindow: (window: TimeRange) => void;
  readonly headMs: () => number | undefined;
  readonly chosen: () => TimeRange | undefined;
  readonly choose: (handle: Handle, ms: number) => void;
  readonly scrub: (ms: number) => void;
  readonly scrubEnd: () => void;
  /** A press without a drag. */
  readonly goTo: (ms: number) => void;
  /** The mouse is above a time, or nowhere. */
  readonly hover: (ms: number | undefined) => void;
}

type Mode = 'none' | 'press' | 'pan' | 'scrub' | 'pinch' | Handle;

/** Follows gestures on an element until the signal aborts. */
export function followTimelineGestures(element: HTMLElement, host: GestureHost, signal: AbortSignal): void {
  const gestures = new TimelineGestures(element, host);
  element.addEventListener('pointerdown', (event) => gestures.press(event), { signal });
  element.addEventListener('pointermove', (event) => gestures.move(event), { signal });
  element.addEventListener('pointerup', (event) => gestures.lift(event, true), { signal });
  element.addEventListener('pointercancel', (event) => gestures.lift(event, false), { signal });
  element.addEventListener('pointerleave', () => host.hover(undefined), { signal });
  element.addEventListener('wheel', (event) => gestures.wheel(event), { signal, passive: false });
}

class TimelineGestures {
  private readonly element: HTMLElement;
  private readonly host: GestureHost;
  /** pointers that are down: their places */
  private readonly down = new Map<number, number>();
  private mode: Mode = 'none';
  private start = { x: 0, window: { fromMs: 0, toMs: 1 }, gap: 1 };

  constructor(element: HTMLElement, host: GestureHost) {
    this.element = element;
    this.host = host;
  }

  press(event: PointerEvent): void {
    if (event.button !== 0 || this.down.size >= 2) return;
    this.element.setPointerCapture(event.pointerId);
    const { x, y } = this.place(event);
    this.down.set(event.pointerId, x);
    this.host.hover(undefined);
    if (this.down.size === 2) {
      if (this.mode === 'scrub') this.host.scrubEnd();
      this.mode = 'pinch';
    } else {
      this.mode = this.modeAt(x, y, event.pointerType === 'touch' ? touchPixels : handlePixels);
      if (this.mode === 'scrub') this.host.scrub(this.msAt(x));
    }
    this.begin();
  }

  move(event: PointerEvent): void {
    const { x } = this.place(event);
    if (!this.down.has(event.pointerId)) {
      if (event.pointerType === 'mouse') this.host.hover(this.msAt(x));
      return;
    }
    this.down.set(event.pointerId, x);
    const by = x - this.start.x;
    if (this.mode === 'press' && Math.abs(by) > dragPixels) this.mode = 'pan';
    switch (this.mode) {
      case 'pan':
        this.host.setWindow(panned(this.start.window, -by * this.msPerPixel(this.start.window)));
        break;
      case 'scrub':
        this.keepIn(x);
        this.host.scrub(this.msAt(x));
        break;
      case 'pinch':
        this.pinch();
        break;
      case 'fromMs':
      case 'toMs':
        this.keepIn(x);
        this.host.choose(this.mode, this.msAt(x));
        break;
      case 'none':
      case 'press':
        break;
    }
  }

  lift(event: PointerEvent, meant: boolean): void {
    if (!this.down.delete(event.pointerId)) return;
    if (this.mode === 'scrub') this.host.scrubEnd();
    if (this.mode === 'press' && meant) this.host.goTo(this.msAt(this.place(event).x));
    // the finger that is left goes on moving the timeline
    this.mode = this.mode === 'pinch' && this.down.size === 1 ? 'pan' : 'none';
    this.begin();
  }

  wheel(event: WheelEvent): void {
    event.preventDefault();
    const window = this.host.window();
    const line = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const [across, along] = [event.deltaX * line, event.deltaY * line];
    if (event.shiftKey || Math.abs(across) > Math.abs(along)) {
      this.host.setWindow(panned(window, (across || along) * this.msPerPixel(window)));
      return;
    }
    const factor = Math.exp(Math.max(-1, Math.min(1, along * 0.0025)));
    this.host.setWindow(zoomed(window, factor, this.msAt(this.place(event).x)));
  }

  private begin(): void {
    const [one = 0, other] = this.down.values();
    const x = other === undefined ? one : (one + other) / 2;
    this.start = { x, window: this.host.window(), gap: Math.max(8, Math.abs((other ?? one) - one)) };
  }

  private pinch(): void {
    const [one = 0, other = one] = this.down.values();
    const { window, gap, x } = this.start;
    const anchor = window.fromMs + x * this.msPerPixel(window);
    const wider = zoomed(window, gap / Math.max(8, Math.abs(other - one)), anchor);
    this.host.setWindow(panned(wider, (x - (one + other) / 2) * this.msPerPixel(wider)));
  }

  /** What is dragged out of the timeline takes it along. */
  private keepIn(x: number): void {
    const beyond = x < 0 ? x : Math.max(0, x - this.element.clientWidth);
    const window = this.host.window();
    if (beyond !== 0) this.host.setWindow(panned(window, (beyond / 4) * this.msPerPixel(window)));
  }

  private modeAt(x: number, y: number, reach: number): Mode {
    const chosen = this.host.chosen();
    if (chosen !== undefined) {
      const left = Math.abs(this.xOf(chosen.fromMs) - x);
      const right = Math.abs(this.xOf(chosen.toMs) - x);
      if (Math.min(left, right) <= reach) return left < right ? 'fromMs' : 'toMs';
    }
    const head = this.host.headMs();
    const onHead = head !== undefined && Math.abs(this.xOf(head) - x) <= reach;
    return onHead || y < rulerHeight ? 'scrub' : 'press';
  }

  private place({ clientX, clientY }: MouseEvent): { x: number; y: number } {
    const { left, top } = this.element.getBoundingClientRect();
    return { x: clientX - left - this.element.clientLeft, y: clientY - top - this.element.clientTop };
  }

  private msPerPixel(window: TimeRange): number {
    return spanOf(window) / Math.max(1, this.element.clientWidth);
  }

  private msAt(x: number): number {
    const window = this.host.window();
    return Math.round(window.fromMs + x * this.msPerPixel(window));
  }

  private xOf(ms: number): number {
    const window = this.host.window();
    return (ms - window.fromMs) / this.msPerPixel(window);
  }
}
