/**
 * Views that few people open: their code is a file of its own, fetched when one of them is opened first, so that the
 * first picture does not wait for it. A server that was renewed meanwhile no longer has that file: then the page has to
 * be loaded anew, and says so.
 */
import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';

/** A component that becomes the one that `load` gives. */
export function laterView<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  const loaded = signal<ComponentType<P> | undefined>(undefined);
  const failed = signal(false);
  const fetch = () => {
    failed.value = false;
    load().then(
      (view) => {
        loaded.value = view;
      },
      () => {
        failed.value = true;
      },
    );
  };
  return function LaterView(props: P) {
    const View = loaded.value;
    useEffect(() => {
      if (View === undefined) fetch();
    }, []);
    useEffect(() => {
      // the focus was at the top of what stood here meanwhile
      const { activeElement } = document;
      if (View === undefined || (activeElement !== null && activeElement !== document.body)) return;
      document.querySelector<HTMLElement>('#content')?.focus({ preventScroll: true });
    }, [View]);
    if (View !== undefined) return <View {...props} />;
    return (
      <main class="message" id="content" tabIndex={-1} aria-busy={!failed.value} aria-live="polite">
        {failed.value && (
          <>
            <h1>This part of the page could not be fetched</h1>
            <p>The server does not answer, or runs another version than when this page was opened.</p>
            <p>
              <button type="button" class="primary" onClick={() => location.reload()}>
                Load the page anew
              </button>
            </p>
          </>
        )}
      </main>
    );
  };
}
