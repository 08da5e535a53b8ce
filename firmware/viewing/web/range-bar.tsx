/** A range that somebody chose on the timeline: its ends as times, and what can be done with it. */
import type { Signal } from '@preact/signals';
import { useSignal } from '@preact/signals';
import { KeepDialog } from './keep-dialog.tsx';
import { laterDialog } from './later-view.tsx';
import { Icon, IconButton } from './parts-icons.tsx';
import { may } from './session-state.ts';
import type { TimeRange } from './time-range.ts';
import { durationText, inputMs, inputText } from './time-text.ts';

const ExportDialog = laterDialog(() => import('./export-dialog.tsx').then((file) => file.ExportDialog));

export interface RangeBarProps {
  readonly camera: string;
  readonly name: string;
  readonly chosen: Signal<TimeRange | undefined>;
}

export function RangeBar({ camera, name, chosen }: RangeBarProps) {
  const dialog = useSignal<'save' | 'keep' | undefined>(undefined);
  const range = chosen.value;
  if (range === undefined) return null;
  const set = (end: keyof TimeRange, text: string) => {
    const ms = inputMs(text);
    const next = { ...range, ...(ms === undefined ? {} : { [end]: ms }) };
    if (next.toMs > next.fromMs) chosen.value = next;
  };
  const close = () => {
    dialog.value = undefined;
  };
  return (
    <section class="range-bar" aria-label="Chosen range">
      {(['fromMs', 'toMs'] as const).map((end) => (
        <label key={end}>
          <span>{end === 'fromMs' ? 'From' : 'To'}</span>
          <input
            type="datetime-local"
            step="1"
            value={inputText(range[end])}
            onChange={(event) => set(end, event.currentTarget.value)}
          />
        </label>
      ))}
      <output class="range-length">{durationText(range.toMs - range.fromMs)}</output>
      <span class="range-actions">
        <button
          type="button"
          class="primary"
          onClick={() => {
            dialog.value = 'save';
          }}
        >
          <Icon name="save" /> Save as a file …
        </button>
        {may('operator') && (
          <button
            type="button"
            onClick={() => {
              dialog.value = 'keep';
            }}
          >
            <Icon name="keep" /> Keep this …
          </button>
        )}
        <IconButton
          icon="close"
          label="Choose no range"
          class="quiet-button"
          onClick={() => {
            chosen.value = undefined;
          }}
        />
      </span>
      {dialog.value === 'save' && <ExportDialog camera={camera} name={name} range={range} onClose={close} />}
      {dialog.value === 'keep' && <KeepDialog camera={camera} name={name} range={range} onClose={close} />}
    </section>
  );
}
