/**
 * How this device shows the grid: columns, the order of cameras, and those that are left out. Cameras that the layout
 * does not know come after those it knows, so that a new one is never hidden. Pure but for what the device remembers.
 */

import { type ReadonlySignal, signal } from '@preact/signals';
import type { CameraAnswer } from '../api.ts';
import { recall, remember } from './device-memory.ts';

const idsMax = 1_000;
export const columnsMax = 6;

export interface GridLayout {
  /** undefined: as many as fit */
  readonly columns: number | undefined;
  /** ids, first to last */
  readonly order: readonly string[];
  /** ids */
  readonly hidden: readonly string[];
}

const current = signal<GridLayout>(readLayout(recall('grid')));

/** This device's layout. */
export const gridLayout: ReadonlySignal<GridLayout> = current;

/** Changes a part of the layout, and remembers it. */
export function changeLayout(change: Partial<GridLayout>): void {
  current.value = { ...current.value, ...change };
  remember('grid', current.value);
}

/** What is kept, as far as it makes sense. @public */
export function readLayout(kept: unknown): GridLayout {
  const { columns, order, hidden } = (typeof kept === 'object' && kept !== null ? kept : {}) as Record<
    string,
    unknown
  >;
  const usable = Number.isInteger(columns) && Number(columns) >= 1 && Number(columns) <= columnsMax;
  return { columns: usable ? Number(columns) : undefined, order: ids(order), hidden: ids(hidden) };
}

/** The cameras to show, in order. */
export function arranged(all: readonly CameraAnswer[], { order, hidden }: GridLayout): CameraAnswer[] {
  const place = new Map(order.map((id, index) => [id, index]));
  const shown = all.filter(({ id }) => !hidden.includes(id));
  return shown.toSorted((one, other) => (place.get(one.id) ?? idsMax) - (place.get(other.id) ?? idsMax));
}

/**
 * The order of all cameras after one has moved to the place `index` among those shown; the others stay where they are,
 * also those that a group leaves out.
 */
export function movedTo(
  all: readonly string[],
  shown: readonly string[],
  camera: string,
  index: number,
): string[] {
  const rest = shown.filter((id) => id !== camera);
  rest.splice(Math.max(0, Math.min(rest.length, index)), 0, camera);
  const next = rest.values();
  return all.map((id) => (shown.includes(id) ? (next.next().value ?? id) : id));
}

/** As many columns as make the pictures (16:9) largest on a screen. */
export function bestColumns(count: number, width: number, height: number): number {
  const widths = Array.from({ length: count }, (_, place) => {
    const columns = place + 1;
    return Math.min(width / columns, (height / Math.ceil(count / columns)) * (16 / 9));
  });
  return Math.max(1, widths.indexOf(Math.max(...widths)) + 1);
}

function ids(kept: unknown): string[] {
  if (!Array.isArray(kept)) return [];
  return kept.filter((id): id is string => typeof id === 'string' && id.length <= 100).slice(0, idsMax);
}
