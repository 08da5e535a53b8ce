/** Moving the grid's tiles, by pointer or by keyboard. The focus stays on what is moved, and its new place is said. */
import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { changeLayout, movedTo } from './grid-layout.ts';
import { cameraName } from './site-state.ts';

export interface TileMoves {
  /** the camera that a pointer holds */
  readonly dragged: Signal<string | undefined>;
  /** for screen readers */
  readonly said: Signal<string>;
  readonly by: (camera: string, places: number) => void;
  readonly grab: (camera: string, event: PointerEvent) => void;
}

/** Ids in their order: of all cameras, and of those shown. */
export interface TileOrder {
  readonly all: readonly string[];
  readonly shown: readonly string[];
}

/** See the top of this file. */
export function useArranging(order: TileOrder): TileMoves {
  const newest = useRef(order);
  newest.current = order;
  const dragged = useSignal<string | undefined>(undefined);
  const said = useSignal('');
  const stop = useRef<AbortController>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const to = (camera: string, index: number) => {
    const { all, shown } = newest.current;
    if (Number.isNaN(index)) return;
    const place = Math.max(0, Math.min(shown.length - 1, index));
    if (place === shown.indexOf(camera)) return;
    changeLayout({ order: movedTo(all, shown, camera, place) });
    said.value = `${cameraName(camera)}: place ${place + 1} of ${shown.length}`;
  };
  return {
    dragged,
    said,
    by: (camera, places) => {
      const focused = document.activeElement;
      to(camera, newest.current.shown.indexOf(camera) + places);
      // an element that moves in the document loses the focus
      requestAnimationFrame(() => {
        if (focused instanceof HTMLElement) focused.focus();
      });
    },
    grab: (camera, event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      stop.current?.abort();
      const held = new AbortController();
      stop.current = held;
      dragged.value = camera;
      const { signal } = held;
      const release = () => held.abort();
      signal.addEventListener('abort', () => {
        dragged.value = undefined;
      });
      addEventListener('pointermove', (moved) => to(camera, placeUnder(moved, newest.current)), { signal });
      addEventListener('pointerup', release, { signal });
      addEventListener('pointercancel', release, { signal });
      addEventListener('keydown', (key) => key.key === 'Escape' && release(), { signal });
    },
  };
}

/** The place of the tile under the pointer; NaN when there is none. */
function placeUnder(event: PointerEvent, { shown }: TileOrder): number {
  const tile = document.elementFromPoint(event.clientX, event.clientY)?.closest<HTMLElement>('[data-tile]');
  const place = shown.indexOf(tile?.dataset.tile ?? '');
  return place === -1 ? Number.NaN : place;
}
