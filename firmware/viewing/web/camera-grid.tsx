/** All cameras of the site or of a group, live, as this device likes them arranged. */

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { CameraAnswer } from '../api.ts';
import { CameraTile } from './camera-tile.tsx';
import { fullScreenPossible, toggleFullScreen, useFullScreen } from './full-screen.ts';
import { arranged, bestColumns, changeLayout, columnsMax, gridLayout } from './grid-layout.ts';
import { LoadingGrid, NoAnswer, NoCameras } from './grid-messages.tsx';
import { cameraHref, type GridRoute, goTo, gridHref, replaceWith } from './location-state.ts';
import { IconButton } from './parts-icons.tsx';
import { showToast } from './parts-toast.tsx';
import { useShortcuts } from './shortcuts.ts';
import { cameraName, cameras, failure, groupsOf } from './site-state.ts';
import { useArranging } from './tile-arranging.ts';

/** The grid, or why there is none. */
export function CameraGrid({ route }: { route: GridRoute }) {
  const known = cameras.value?.cameras;
  if (known === undefined) return failure.value === undefined ? <LoadingGrid /> : <NoAnswer />;
  if (known.length === 0) return <NoCameras />;
  return <Grid all={known} route={route} />;
}

function Grid({ all, route }: { all: readonly CameraAnswer[]; route: GridRoute }) {
  const page = useRef<HTMLElement>(null);
  const arranging = useSignal(false);
  const full = useFullScreen();
  const layout = gridLayout.value;
  const groups = groupsOf(all);
  const group = route.group !== undefined && groups.includes(route.group) ? route.group : undefined;
  const ordered = arranged(all, { ...layout, hidden: [] });
  const inGroup = ordered.filter((camera) => group === undefined || camera.group === group);
  const shown = inGroup.filter(({ id }) => !layout.hidden.includes(id));
  const hidden = inGroup.filter(({ id }) => layout.hidden.includes(id));
  const columns = route.columns ?? layout.columns;
  const move = useArranging({ all: ordered.map(({ id }) => id), shown: shown.map(({ id }) => id) });
  useShortcuts('Grid', [
    {
      keys: ['1', '2', '3', '4', '5', '6', '7', '8', '9'],
      shown: '1 … 9',
      what: 'Open the first, second … camera',
      run: (key) => {
        const camera = shown[Number(key) - 1];
        if (camera !== undefined) goTo(cameraHref(camera.id));
      },
    },
    { keys: ['f'], what: 'Full screen', run: () => toggleFullScreen(page.current) },
    {
      keys: ['a'],
      what: 'Arrange the cameras',
      run: () => {
        arranging.value = !arranging.value;
      },
    },
  ]);
  return (
    <main class="grid-page" id="content" tabIndex={-1} ref={page}>
      <h1 class="visually-hidden">{group ?? 'All cameras'}</h1>
      <div class="grid-bar">
        <Groups all={all} groups={groups} group={group} />
        <div class="grid-tools">
          <ColumnsChoice group={group} columns={columns} />
          <IconButton
            icon="layout"
            label="Arrange the cameras on this device"
            text="Arrange"
            pressed={arranging.value}
            onClick={() => {
              arranging.value = !arranging.value;
            }}
          />
          {fullScreenPossible && (
            <IconButton
              icon="full"
              label={full.value ? 'Leave full screen' : 'Full screen'}
              pressed={full.value}
              onClick={() => toggleFullScreen(page.current)}
            />
          )}
        </div>
      </div>
      {arranging.value && (
        <p class="grid-hint">
          Drag a camera by its grip, or focus the grip and use the arrow keys. This device remembers it.
        </p>
      )}
      <Tiles shown={shown} columns={columns} full={full.value}>
        {(camera, place) => (
          <CameraTile
            camera={camera}
            arranging={
              arranging.value
                ? {
                    place: place + 1,
                    count: shown.length,
                    dragged: move.dragged.value === camera.id,
                    onMove: (by) => move.by(camera.id, by),
                    onGrab: (event) => move.grab(camera.id, event),
                    onHide: () => hide(camera.id),
                  }
                : undefined
            }
          />
        )}
      </Tiles>
      {shown.length === 0 && <p class="grid-hint">All cameras here are hidden on this device.</p>}
      {(arranging.value || shown.length === 0) && hidden.length > 0 && <Hidden hidden={hidden} />}
      <p class="visually-hidden" role="status" aria-live="polite">
        {move.said.value}
      </p>
    </main>
  );
}

interface TilesProps {
  readonly shown: readonly CameraAnswer[];
  readonly columns: number | undefined;
  readonly full: boolean;
  readonly children: (camera: CameraAnswer, place: number) => ComponentChildren;
}

function Tiles({ shown, columns, full, children }: TilesProps) {
  const fitting = useSignal(1);
  useEffect(() => {
    if (!full) return;
    const fit = () => {
      fitting.value = bestColumns(shown.length, innerWidth, innerHeight);
    };
    fit();
    addEventListener('resize', fit);
    return () => removeEventListener('resize', fit);
  }, [full, shown.length]);
  const chosen = columns ?? (full ? fitting.value : undefined);
  const look = chosen === undefined ? `grid-of-${Math.min(shown.length, 5)}` : 'grid-of-columns';
  return (
    <ul class={`grid ${look}`} style={{ '--columns': chosen ?? 1, '--rows': rowsOf(shown.length, chosen) }}>
      {shown.map((camera, place) => (
        <li key={camera.id}>{children(camera, place)}</li>
      ))}
    </ul>
  );
}

function rowsOf(count: number, columns: number | undefined): number {
  return Math.max(1, Math.ceil(count / (columns ?? 1)));
}

interface GroupsProps {
  readonly all: readonly CameraAnswer[];
  readonly groups: readonly string[];
  readonly group: string | undefined;
}

function Groups({ all, groups, group }: GroupsProps) {
  if (groups.length === 0) return <span />;
  const count = (name: string) => all.filter((camera) => camera.group === name).length;
  return (
    <nav class="groups" aria-label="Groups of cameras">
      <a href={gridHref()} aria-current={group === undefined ? 'page' : undefined}>
        All <span class="count">{all.length}</span>
      </a>
      {groups.map((name) => (
        <a key={name} href={gridHref(name)} aria-current={group === name ? 'page' : undefined}>
          {name} <span class="count">{count(name)}</span>
        </a>
      ))}
    </nav>
  );
}

function ColumnsChoice({ group, columns }: { group: string | undefined; columns: number | undefined }) {
  return (
    <label class="columns-choice">
      <span>Columns</span>
      <select
        value={String(columns ?? '')}
        onChange={(event) => {
          const text = event.currentTarget.value;
          const chosen = text === '' ? undefined : Number(text);
          changeLayout({ columns: chosen });
          replaceWith(gridHref(group, chosen));
        }}
      >
        <option value="">Auto</option>
        {Array.from({ length: columnsMax }, (_, place) => (
          <option key={place} value={place + 1}>
            {place + 1}
          </option>
        ))}
      </select>
    </label>
  );
}

function hide(camera: string): void {
  const { hidden } = gridLayout.value;
  changeLayout({ hidden: [...hidden, camera] });
  showToast(`${cameraName(camera)} is hidden on this device.`, { undo: () => show(camera) });
}

function show(camera: string): void {
  changeLayout({ hidden: gridLayout.value.hidden.filter((id) => id !== camera) });
}

function Hidden({ hidden }: { hidden: readonly CameraAnswer[] }) {
  return (
    <section class="hidden-cameras" aria-labelledby="hidden-title">
      <h2 id="hidden-title">Hidden on this device</h2>
      <ul>
        {hidden.map(({ id }) => (
          <li key={id}>
            <button type="button" onClick={() => show(id)}>
              {`Show ${cameraName(id)}`}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
