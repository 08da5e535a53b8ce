/** What a page asks the server for when it opens: the answer, or why there is none, and a way to ask again. */
import { type ReadonlySignal, useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { ApiFailure, getJson } from './api-client.ts';
import { Dialog } from './parts-dialog.tsx';

export interface Loaded<T> {
  /** the newest answer; undefined before the first */
  readonly answer: ReadonlySignal<T | undefined>;
  /** why the newest question failed */
  readonly problem: ReadonlySignal<ApiFailure | undefined>;
  /** Asks again; the old answer stays meanwhile. */
  readonly again: () => void;
}

/** Asks for a path, again whenever it changes, and every `everyMs` if that is given. */
export function useLoaded<T>(path: string, everyMs?: number): Loaded<T> {
  const answer = useSignal<T | undefined>(undefined);
  const problem = useSignal<ApiFailure | undefined>(undefined);
  const attempt = useSignal(0);
  useEffect(() => {
    const stop = new AbortController();
    const load = async () => {
      try {
        answer.value = await getJson<T>(path, stop.signal);
        problem.value = undefined;
      } catch (failed) {
        if (!(failed instanceof ApiFailure)) throw failed;
        if (failed.code !== 'ABORTED') problem.value = failed;
      }
    };
    void load();
    const timer =
      everyMs === undefined
        ? undefined
        : setInterval(() => {
            if (!document.hidden) void load();
          }, everyMs);
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, [path, everyMs, attempt.value]);
  const again = () => {
    attempt.value += 1;
  };
  return { answer, problem, again };
}

/** Why something could not be loaded, with a button; or that it is on its way; nothing once it is there. */
export function LoadState({ loaded, what }: { loaded: Loaded<unknown>; what: string }) {
  const problem = loaded.problem.value;
  if (problem !== undefined) {
    return (
      <div class="notice notice-bad" role="alert">
        <p>
          <strong>{problem.message}</strong> {problem.advice}
        </p>
        <button type="button" onClick={loaded.again}>
          Try again
        </button>
      </div>
    );
  }
  return loaded.answer.value === undefined ? <p class="quiet">{`Asking for ${what} …`}</p> : null;
}

export interface LoadedDialogProps<T> {
  readonly title: string;
  readonly path: string;
  /** what is asked for, in words */
  readonly what: string;
  readonly onClose: () => void;
  /** The dialog itself, once the answer is there. */
  readonly children: (answer: T) => ComponentChildren;
}

/** A dialog about something that is asked for when it opens, so that nobody changes what they saw long ago. */
export function LoadedDialog<T>({ title, path, what, onClose, children }: LoadedDialogProps<T>) {
  const loaded = useLoaded<T>(path);
  const answer = loaded.answer.value;
  if (answer !== undefined) return <>{children(answer)}</>;
  return (
    <Dialog title={title} onClose={onClose}>
      <div role="status" aria-busy={loaded.problem.value === undefined}>
        <LoadState loaded={loaded} what={what} />
      </div>
    </Dialog>
  );
}
