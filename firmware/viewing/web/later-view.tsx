/**
 * Views and dialogs that few people open: their code is a file of its own, fetched when one of them is opened first, so
 * that the first picture does not wait for it. A server that was renewed meanwhile no longer has that file: then the
 * page has to be loaded anew, and says so.
 */
import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { Dialog } from './parts-dialog.tsx';

const failedTitle = 'This part of the page could not be fetched';

/** A view that becomes the one that `load` gives. */
export function laterView<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  const useLater = later(load);
  return function LaterView(props: P) {
    const { Loaded, failed } = useLater();
    useEffect(() => {
      // the focus was at the top of what stood here meanwhile
      const { activeElement } = document;
      if (Loaded === undefined || (activeElement !== null && activeElement !== document.body)) return;
      document.querySelector<HTMLElement>('#content')?.focus({ preventScroll: true });
    }, [Loaded]);
    if (Loaded !== undefined) return <Loaded {...props} />;
    return (
      <main class="message" id="content" tabIndex={-1} aria-busy={!failed} aria-live="polite">
        {failed && (
          <>
            <h1>{failedTitle}</h1>
            <Reload />
          </>
        )}
      </main>
    );
  };
}

/** A dialog that becomes the one that `load` gives; until then there is none. */
export function laterDialog<P extends { readonly onClose: () => void }>(
  load: () => Promise<ComponentType<P>>,
): ComponentType<P> {
  const useLater = later(load);
  return function LaterDialog(props: P) {
    const { Loaded, failed } = useLater();
    if (Loaded !== undefined) return <Loaded {...props} />;
    if (!failed) return null;
    return (
      <Dialog title={failedTitle} onClose={props.onClose}>
        <Reload />
      </Dialog>
    );
  };
}

/** A hook that fetches a component once, for all who use it. */
function later<P>(
  load: () => Promise<ComponentType<P>>,
): () => { Loaded: ComponentType<P> | undefined; failed: boolean } {
  const loaded = signal<ComponentType<P> | undefined>(undefined);
  const failed = signal(false);
  const fetch = async (): Promise<void> => {
    failed.value = false;
    try {
      loaded.value = await load();
    } catch {
      failed.value = true;
    }
  };
  return () => {
    const Loaded = loaded.value;
    useEffect(() => {
      if (Loaded === undefined) void fetch();
    }, []);
    return { Loaded, failed: failed.value };
  };
}

function Reload() {
  return (
    <>
      <p>The server does not answer, or runs another version than when this page was opened.</p>
      <p>
        <button type="button" class="primary" onClick={() => location.reload()}>
          Load the page anew
        </button>
      </p>
    </>
  );
}
