/** Showing one element on the whole screen, where the browser can. */
import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** Phones of one maker can do it with videos only. */
export const fullScreenPossible = typeof document.documentElement.requestFullscreen === 'function';

/** Whether something is on the whole screen. */
export function useFullScreen(): Signal<boolean> {
  const full = useSignal(document.fullscreenElement !== null);
  useEffect(() => {
    const read = () => {
      full.value = document.fullscreenElement !== null;
    };
    document.addEventListener('fullscreenchange', read);
    return () => document.removeEventListener('fullscreenchange', read);
  }, []);
  return full;
}

/** Onto the whole screen, or back. */
export function toggleFullScreen(element: Element | null): void {
  if (document.fullscreenElement !== null) void document.exitFullscreen();
  else if (fullScreenPossible) void element?.requestFullscreen().catch(() => {});
}
