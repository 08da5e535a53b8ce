/**
 * Keys that do something wherever the focus is, but for places where one types or a control uses the key itself. What is
 * registered is what the list behind `?` shows, so that the list is always true.
 */
import { type ReadonlySignal, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

export interface Shortcut {
  /** as `KeyboardEvent.key`, letters in lower case; none: only told, for what a focused control does by itself */
  readonly keys: readonly string[];
  /** how the list writes the keys, where the keys themselves would not say it */
  readonly shown?: string;
  readonly what: string;
  readonly run?: (key: string) => void;
}

interface ShortcutGroup {
  readonly title: string;
  readonly shortcuts: readonly Shortcut[];
}

const groups = signal<readonly ShortcutGroup[]>([]);

/** What can be typed here and now. */
export const shortcutGroups: ReadonlySignal<readonly ShortcutGroup[]> = groups;

/** Registers keys for as long as the component is mounted; of two for the same key the later one runs. */
export function useShortcuts(title: string, shortcuts: readonly Shortcut[]): void {
  const newest = useRef(shortcuts);
  newest.current = shortcuts;
  const listed = shortcuts.map(({ keys, what }) => `${keys.join()} ${what}`).join();
  useEffect(() => {
    const group: ShortcutGroup = {
      title,
      get shortcuts() {
        return newest.current;
      },
    };
    groups.value = [...groups.value, group];
    return () => {
      groups.value = groups.value.filter((other) => other !== group);
    };
  }, [title, listed]);
}

/** Listens for as long as the page lives. */
export function followShortcuts(stop: AbortSignal): void {
  addEventListener('keydown', handle, { signal: stop });
}

function handle(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector('dialog[open]') !== null) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (usesKey(event.target, key)) return;
  const found = groups.value
    .toReversed()
    .flatMap(({ shortcuts }) => shortcuts)
    .find(({ keys, run }) => run !== undefined && keys.includes(key));
  if (found === undefined) return;
  event.preventDefault();
  found.run?.(key);
}

/** Whether the focused control wants the key for itself. */
function usesKey(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches('input, select, textarea, [role="slider"], [contenteditable]')) return true;
  return (key === ' ' || key === 'Enter') && target.matches('button, a, summary');
}
