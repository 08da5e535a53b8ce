/** Whether an element is on the screen, or soon will be: what nobody sees need not be sent. */
import { type Signal, useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

/** So far outside the screen a picture is already fetched, as a share of the screen's height. */
const margin = '50%';

/** True until it is known to be elsewhere. */
export function useOnScreen(element: RefObject<Element | null>): Signal<boolean> {
  const seen = useSignal(true);
  useEffect(() => {
    if (element.current === null) return;
    const observer = new IntersectionObserver(
      (entries) => {
        seen.value = entries.at(-1)?.isIntersecting ?? true;
      },
      { rootMargin: margin },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return seen;
}
