/**
 * The timeline: one focusable slider whose value is the head's time, spoken with what stands there. Zoom by wheel,
 * pinch, keys and buttons; drag to move; drag the head to scrub. What a scrub means is the owner's business.
 * Times in ms UTC.
 */
import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { IconButton } from './parts-icons.tsx';
import { serverName } from './site-state.ts';
import { theme } from './theme.ts';
import type { TimeRange } from './time-range.ts';
import { bounded, keyStepMs, panned, spanOf, spanText, zoomed } from './time-scale.ts';
import { momentText } from './time-text.ts';
import { drawTimeline, TimelineColours, type TimelineScene, timelineHeight } from './timeline-canvas.ts';
import { followTimelineGestures, type GestureHost, type Handle } from './timeline-gestures.ts';
import { headText, placeText, recordedSpan } from './timeline-lanes.ts';

export interface TimelineProps {
  readonly label: string;
  readonly window: Signal<TimeRange>;
  readonly scene: Omit<TimelineScene, 'window' | 'hoverMs'>;
  /** The head is dragged, or moved by keys. */
  readonly onScrub: (ms: number) => void;
  /** It was let go. */
  readonly onScrubEnd: () => void;
  readonly onGoTo: (ms: number) => void;
  readonly onLive: (() => void) | undefined;
  readonly onChoose: (handle: Handle, ms: number) => void;
  /** Somebody moved or zoomed the timeline. */
  readonly onWindow: () => void;
  /** A key that the timeline itself has no use for; true when it was of use. */
  readonly onKey: (key: string) => boolean;
}

const zoomStep = 1.6;

export function Timeline(props: TimelineProps) {
  const { label, window, scene } = props;
  const slider = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const newest = useRef(props);
  newest.current = props;
  const hover = useSignal<number | undefined>(undefined);
  const width = useSignal(0);
  const setWindow = (range: TimeRange) => {
    window.value = bounded(range, newest.current.scene.nowMs);
    newest.current.onWindow();
  };
  useEffect(() => {
    if (slider.current === null) return;
    const stop = new AbortController();
    const host: GestureHost = {
      window: () => window.peek(),
      setWindow,
      headMs: () => newest.current.scene.headMs,
      chosen: () => newest.current.scene.chosen,
      choose: (handle, ms) => newest.current.onChoose(handle, ms),
      scrub: (ms) => newest.current.onScrub(Math.min(ms, newest.current.scene.nowMs)),
      scrubEnd: () => newest.current.onScrubEnd(),
      goTo: (ms) => newest.current.onGoTo(Math.min(ms, newest.current.scene.nowMs)),
      hover: (ms) => {
        hover.value = ms;
      },
    };
    followTimelineGestures(slider.current, host, stop.signal);
    return () => stop.abort();
  }, []);
  useDrawing(canvas, { width, hover, props });
  const zoomBy = (factor: number) => {
    const { fromMs, toMs } = window.value;
    const head = scene.headMs ?? toMs;
    setWindow(zoomed(window.value, factor, head > fromMs && head < toMs ? head : (fromMs + toMs) / 2));
  };
  const [first] = scene.lanes;
  const spoken =
    first === undefined || scene.headMs === undefined
      ? ''
      : placeText(first, scene.headMs, { nowMs: scene.nowMs, serverName });
  return (
    <div class="timeline">
      {/* biome-ignore lint/a11y/useSemanticElements: a range input knows neither zoom nor gaps */}
      <div
        ref={slider}
        class="timeline-slider"
        role="slider"
        tabIndex={0}
        data-from={window.value.fromMs}
        data-to={window.value.toMs}
        aria-label={label}
        aria-valuemin={Math.round(window.value.fromMs / 1000)}
        aria-valuemax={Math.round(Math.max(scene.nowMs, window.value.fromMs) / 1000)}
        aria-valuenow={Math.round((scene.headMs ?? scene.nowMs) / 1000)}
        aria-valuetext={headText(scene.headMs ?? scene.nowMs, scene.live, spoken)}
        style={{ height: `${timelineHeight(scene.lanes.length)}px` }}
        onKeyDown={(event) => {
          if (event.ctrlKey || event.metaKey || event.altKey) return;
          if (pressed(event, newest.current, { setWindow, zoomBy })) event.preventDefault();
        }}
        onKeyUp={(event) => {
          if (/^Arrow|^Page/.test(event.key)) newest.current.onScrubEnd();
        }}
        onBlur={() => newest.current.onScrubEnd()}
      >
        <canvas ref={canvas} aria-hidden="true" />
        <Tip ms={hover.value} window={window.value} width={width.value} scene={scene} />
      </div>
      <div class="timeline-zoom" role="group" aria-label="Zoom of the timeline">
        <IconButton icon="minus" label="Show more time" onClick={() => zoomBy(zoomStep)} />
        <span class="timeline-span">{spanText(window.value)}</span>
        <IconButton icon="plus" label="Show less time" onClick={() => zoomBy(1 / zoomStep)} />
      </div>
    </div>
  );
}

function useDrawing(
  canvas: { current: HTMLCanvasElement | null },
  { width, hover, props }: { width: Signal<number>; hover: Signal<number | undefined>; props: TimelineProps },
): void {
  const { window, scene } = props;
  const colours = useRef<{ of: string; read: TimelineColours } | undefined>(undefined);
  const newest = useRef(scene);
  newest.current = scene;
  const height = timelineHeight(scene.lanes.length);
  const draw = () => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (element === null || context === null || context === undefined || width.value === 0) return;
    if (colours.current?.of !== theme.value)
      colours.current = { of: theme.value, read: new TimelineColours(element) };
    const scale = devicePixelRatio;
    const size = { width: width.value, height: timelineHeight(newest.current.lanes.length) };
    const [w, h] = [Math.round(size.width * scale), Math.round(size.height * scale)];
    if (element.width !== w || element.height !== h) [element.width, element.height] = [w, h];
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const drawn = { ...newest.current, window: window.value, hoverMs: hover.value };
    drawTimeline(context, size, drawn, colours.current.read);
  };
  useEffect(() => {
    const element = canvas.current?.parentElement;
    if (element === null || element === undefined) return;
    const sizes = new ResizeObserver(() => {
      width.value = element.clientWidth;
    });
    sizes.observe(element);
    return () => sizes.disconnect();
  }, []);
  useSignalEffect(draw);
  useLayoutEffect(draw, [scene, height]);
}

/** What is under the mouse. */
function Tip({
  ms,
  window,
  width,
  scene,
}: {
  ms: number | undefined;
  window: TimeRange;
  width: number;
  scene: TimelineProps['scene'];
}) {
  if (ms === undefined) return null;
  const share = (ms - window.fromMs) / spanOf(window);
  const fine = spanOf(window) < 60_000;
  const told = { nowMs: scene.nowMs, serverName, reachMs: (spanOf(window) / Math.max(1, width)) * 5 };
  const left = Math.min(width - 8, Math.max(8, share * width));
  const edge = share < 0.25 ? 'start' : share > 0.75 ? 'end' : 'middle';
  return (
    <div class={`timeline-tip timeline-tip-${edge}`} style={{ left: `${left}px` }} aria-hidden="true">
      <strong>{`${momentText(ms)}${fine ? `.${String(Math.floor(ms % 1000)).padStart(3, '0')}` : ''}`}</strong>
      {scene.lanes.map((lane) => (
        <span key={lane.camera}>
          {`${scene.lanes.length > 1 ? `${lane.name}: ` : ''}${placeText(lane, ms, told)}`}
        </span>
      ))}
    </div>
  );
}

interface KeyActions {
  readonly setWindow: (range: TimeRange) => void;
  readonly zoomBy: (factor: number) => void;
}

/** What a key does while the timeline has the focus; false: nothing. */
function pressed(event: KeyboardEvent, props: TimelineProps, { setWindow, zoomBy }: KeyActions): boolean {
  const { scene, window } = props;
  const range = window.peek();
  const head = scene.headMs ?? scene.nowMs;
  const step = keyStepMs(range) * (event.shiftKey ? 10 : 1);
  const moves: Record<string, number> = {
    ArrowLeft: -step,
    ArrowDown: -step,
    ArrowRight: step,
    ArrowUp: step,
    PageDown: -spanOf(range) / 2,
    PageUp: spanOf(range) / 2,
  };
  const by = moves[event.key];
  if (by !== undefined) {
    const ms = Math.min(scene.nowMs, head + by);
    if (ms < range.fromMs || ms > range.toMs) setWindow(panned(range, ms - (range.fromMs + range.toMs) / 2));
    props.onScrub(ms);
    return true;
  }
  const span = recordedSpan(scene.lanes[0]?.rows ?? []);
  if (event.key === 'Home' && span !== undefined) props.onGoTo(span.fromMs);
  else if (event.key === 'End' && props.onLive !== undefined) props.onLive();
  else if (event.key === '+' || event.key === '=') zoomBy(1 / zoomStep);
  else if (event.key === '-') zoomBy(zoomStep);
  else return props.onKey(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  return true;
}
