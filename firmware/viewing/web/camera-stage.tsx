/**
 * The big picture of a camera, live or recorded, and what somebody can do on it: look closer (digital zoom, on every
 * camera), or steer a camera that can be steered.
 */
import { type Signal, useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { IconButton } from './parts-icons.tsx';
import { type PictureGestures, usePictureGestures } from './picture-gestures.ts';
import { movedBy, type Point, wholePicture, type Zoom, zoomedBy } from './picture-zoom.ts';
import type { PtzControl, Velocity } from './ptz-control.ts';
import { centredOn, draggedBy, zoomedTo } from './ptz-steering.ts';

const keyZoom = 1.25;

export interface CameraStageProps {
  /** what people call the camera */
  readonly name: string;
  readonly zoom: Signal<Zoom>;
  /** undefined: the picture steers nothing */
  readonly control: PtzControl | undefined;
  /** share of full speed */
  readonly speed: number;
  readonly children: ComponentChildren;
}

export function CameraStage({ name, zoom, control, speed, children }: CameraStageProps) {
  const frame = useRef<HTMLDivElement>(null);
  const steering = useSteering(control);
  const looking = useLooking(zoom);
  usePictureGestures(frame, control === undefined ? looking : steering);
  const { scale, x, y } = zoom.value;
  const does =
    control === undefined ? 'plus and minus zoom, arrow keys move' : 'arrow keys steer, plus and minus zoom';
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the picture takes keys
    <div
      ref={frame}
      class={`stage-picture ${scale > 1 || control !== undefined ? 'stage-held' : ''} ${control === undefined ? '' : 'stage-steers'}`}
      style={{ '--zoom': scale, '--zoom-x': `${x * 100}%`, '--zoom-y': `${y * 100}%` }}
      role="group"
      tabIndex={0}
      aria-label={`Picture of ${name}: ${does}`}
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
        const used = control === undefined ? lookByKey(zoom, event.key) : steerByKey(control, event, speed);
        if (used) event.preventDefault();
      }}
      onKeyUp={() => control?.release()}
      onBlur={() => control?.release()}
    >
      {children}
      {scale > 1 && (
        <div class="zoom-sign">
          <span>{`${scale.toFixed(1)}×`}</span>
          <IconButton
            icon="close"
            label="Show the whole picture"
            class="quiet-button"
            onClick={() => {
              zoom.value = wholePicture;
            }}
          />
        </div>
      )}
    </div>
  );
}

/** Gestures that look closer. */
function useLooking(zoom: Signal<Zoom>): PictureGestures {
  const before = useRef(wholePicture);
  return {
    onDragStart: () => {
      before.current = zoom.value;
    },
    onDrag: (by) => {
      if (before.current.scale > 1) zoom.value = movedBy(before.current, by);
    },
    onDoubleTap: (at) => {
      zoom.value = zoom.value.scale > 1 ? wholePicture : zoomedBy(zoom.value, 2, at);
    },
    onScale: (factor, around) => {
      const next = zoomedBy(zoom.value, factor, around);
      const changes = next.scale !== zoom.value.scale;
      zoom.value = next;
      return changes;
    },
  };
}

/** Gestures that steer the camera. */
function useSteering(control: PtzControl | undefined): PictureGestures {
  const from = useSignal<{ pan: number; tilt: number; zoom: number } | null>(null);
  const zoomWanted = useRef({ zoom: 1, atMs: 0 });
  const ptz = control?.answer.value;
  if (control === undefined || ptz === undefined) return {};
  return {
    onDragStart: () => {
      from.value = ptz.position;
    },
    onDrag: (by: Point) => {
      if (from.value !== null) control.goTo(draggedBy(ptz, from.value, by));
    },
    onTap: (at) => {
      if (ptz.position !== null) control.goTo(centredOn(ptz, ptz.position, at));
    },
    onScale: (factor) => {
      if (ptz.limits.zoom === null || ptz.position === null) return false;
      // a wheel turns faster than the lens: what is wanted grows from what was wanted a moment ago
      const fresh = performance.now() - zoomWanted.current.atMs < 600;
      const { zoom = 1 } = zoomedTo(ptz, fresh ? zoomWanted.current.zoom : ptz.position.zoom, factor);
      zoomWanted.current = { zoom, atMs: performance.now() };
      control.goTo({ zoom });
      return true;
    },
  };
}

const steps: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

function lookByKey(zoom: Signal<Zoom>, key: string): boolean {
  const step = steps[key];
  if (step !== undefined && zoom.value.scale > 1) {
    zoom.value = movedBy(zoom.value, { x: step.x * -0.15, y: step.y * -0.15 });
  } else if (key === '+' || key === '=') zoom.value = zoomedBy(zoom.value, keyZoom);
  else if (key === '-') zoom.value = zoomedBy(zoom.value, 1 / keyZoom);
  else if (key === '0') zoom.value = wholePicture;
  else return false;
  return true;
}

function steerByKey(control: PtzControl, event: KeyboardEvent, speed: number): boolean {
  const step = steps[event.key];
  const zoom = { '+': 1, '=': 1, '-': -1 }[event.key];
  let velocity: Velocity | undefined;
  if (step !== undefined) velocity = { pan: step.x * speed, tilt: -step.y * speed };
  else if (zoom !== undefined) velocity = { zoom: zoom * speed };
  if (velocity !== undefined && !event.repeat) control.hold(velocity);
  if (event.key === 'Home') control.goToPreset('home');
  return velocity !== undefined || event.key === 'Home';
}
