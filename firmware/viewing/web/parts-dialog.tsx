/**
 * Dialogs on the browser's own `<dialog>`: it keeps the focus inside, closes with Escape and gives the focus back. One
 * with unsaved changes closes only after a second request, and says so.
 */
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { IconButton } from './parts-icons.tsx';

export interface DialogProps {
  readonly title: string;
  /** Asks for the dialog to go away; the owner stops rendering it. */
  readonly onClose: () => void;
  /** something is typed and not saved */
  readonly dirty?: boolean;
  /** cannot be closed by the person */
  readonly firm?: boolean;
  readonly class?: string;
  readonly children: ComponentChildren;
}

/** Open while it is mounted. */
export function Dialog({ title, onClose, dirty = false, firm = false, children, ...rest }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const warned = useSignal(false);
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const leave = () => {
    if (firm) return;
    if (dirty && !warned.value) warned.value = true;
    else onClose();
  };
  return (
    <dialog
      ref={dialog}
      class={`dialog ${rest.class ?? ''}`}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        leave();
      }}
      onKeyDown={(event) => {
        // browsers close a dialog at the second Escape, whatever its owner says
        if (event.key !== 'Escape') return;
        event.preventDefault();
        leave();
      }}
      onPointerDown={(event) => {
        if (isOutside(event, event.currentTarget)) leave();
      }}
    >
      <div class="dialog-inside">
        <div class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          {!firm && <IconButton icon="close" label="Close" class="quiet-button" onClick={leave} />}
        </div>
        {warned.value && dirty && (
          <div class="notice notice-bad" role="alert">
            <p>There are changes that are not saved.</p>
            <button type="button" onClick={onClose}>
              Discard them
            </button>
          </div>
        )}
        {children}
      </div>
    </dialog>
  );
}

/** A press beside the dialog; its own scroll bar is not beside it. */
function isOutside({ clientX, clientY }: PointerEvent, dialog: Element): boolean {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}

export interface ConfirmDialogProps {
  readonly title: string;
  /** what will happen */
  readonly children: ComponentChildren;
  /** on the button that does it */
  readonly action: string;
  readonly onClose: () => void;
  readonly onConfirm: () => void;
}

/** Asks before something that cannot be undone. */
export function ConfirmDialog({ title, children, action, onClose, onConfirm }: ConfirmDialogProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{children}</p>
      <div class="dialog-actions">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            onConfirm();
            onClose();
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}
