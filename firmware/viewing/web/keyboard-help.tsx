/** The list of keys behind `?`. */
import { signal } from '@preact/signals';
import { Dialog } from './parts-dialog.tsx';
import { shortcutGroups } from './shortcuts.ts';

const open = signal(false);
const names: Readonly<Record<string, string>> = {
  ' ': 'Space',
  ArrowLeft: '←',
  ArrowRight: '→',
  ArrowUp: '↑',
  ArrowDown: '↓',
  Escape: 'Esc',
};

export function openKeyboardHelp(): void {
  open.value = true;
}

/** Shown once it has been opened. */
export function KeyboardHelp() {
  if (!open.value) return null;
  const close = () => {
    open.value = false;
  };
  return (
    <Dialog title="Keyboard" onClose={close}>
      {shortcutGroups.value
        .filter(({ shortcuts }) => shortcuts.length > 0)
        .map(({ title, shortcuts }) => (
          <section key={title} class="keys">
            <h3>{title}</h3>
            <dl>
              {shortcuts.map(({ keys, shown, what }) => (
                <div key={what}>
                  <dt>
                    {(shown?.split(' ') ?? keys).map((key) => (
                      <kbd key={key}>{names[key] ?? key.toUpperCase()}</kbd>
                    ))}
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      <p class="quiet">Tab and Shift Tab reach everything else. Enter opens what has the focus.</p>
    </Dialog>
  );
}
