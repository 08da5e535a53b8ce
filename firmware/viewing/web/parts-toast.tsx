/** Short notices at the foot of the page, read out by screen readers; some can be undone for a while. Bounded. */
import { signal } from '@preact/signals';
import { ApiFailure } from './api-client.ts';
import { IconButton } from './parts-icons.tsx';

const shownMax = 4;
const shownMs = 5_000;
/** With an undo there must be time to read and to reach it. */
const undoShownMs = 12_000;

interface Toast {
  readonly number: number;
  readonly text: string;
  readonly bad: boolean;
  readonly undo: (() => void) | undefined;
}

const toasts = signal<readonly Toast[]>([]);
let newest = 0;

/** Shows a notice; `undo` puts back what it tells of. */
export function showToast(text: string, options: { undo?: () => void; bad?: boolean } = {}): void {
  newest += 1;
  const toast = { number: newest, text, bad: options.bad === true, undo: options.undo };
  toasts.value = [...toasts.value, toast].slice(-shownMax);
  const lastsMs = toast.bad || toast.undo !== undefined ? undoShownMs : shownMs;
  setTimeout(() => dismiss(toast.number), lastsMs);
}

/** Does something that the server may refuse, and tells when it did. */
export async function attempt(what: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (problem) {
    if (!(problem instanceof ApiFailure)) throw problem;
    if (problem.code !== 'ABORTED') {
      showToast(`${what}: ${problem.message} ${problem.advice}`.trim(), { bad: true });
    }
    return false;
  }
}

function dismiss(number: number): void {
  toasts.value = toasts.value.filter((toast) => toast.number !== number);
}

/** All notices there are. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ number, text, bad, undo }) => (
        <div key={number} class={`toast ${bad ? 'toast-bad' : ''}`}>
          <p>{text}</p>
          {undo !== undefined && (
            <button
              type="button"
              class="link"
              onClick={() => {
                dismiss(number);
                undo();
              }}
            >
              Undo
            </button>
          )}
          <IconButton icon="close" label="Dismiss" class="quiet-button" onClick={() => dismiss(number)} />
        </div>
      ))}
    </div>
  );
}
