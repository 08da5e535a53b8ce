/** What is kept of a camera whatever retention says: play it, or release it. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { cameraHref } from './location-state.ts';
import { ConfirmDialog } from './parts-dialog.tsx';
import { Icon, IconButton } from './parts-icons.tsx';
import { attempt } from './parts-toast.tsx';
import { recordedOf } from './recorded.ts';
import { may } from './session-state.ts';
import { durationText, momentText } from './time-text.ts';

const everyMs = 30_000;

export function KeptList({ camera }: { camera: string }) {
  const { kept } = recordedOf(camera);
  const releasing = useSignal<string | undefined>(undefined);
  useEffect(() => {
    void kept.load();
    const timer = setInterval(() => {
      if (!document.hidden) void kept.load();
    }, everyMs);
    return () => clearInterval(timer);
  }, [camera]);
  const ranges = kept.ranges.value ?? [];
  if (ranges.length === 0) return null;
  return (
    <section class="kept" aria-labelledby="kept-title">
      <h3 id="kept-title">
        <Icon name="keep" /> Kept
      </h3>
      <ul>
        {ranges.map(({ id, from, to, note, by }) => {
          const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
          return (
            <li key={id}>
              <a href={cameraHref(camera, fromMs)}>
                <span class="row-time">{`${momentText(fromMs)}, ${durationText(toMs - fromMs)}`}</span>
                <span class="row-detail">
                  {[note, by === '' ? '' : `by ${by}`].filter((part) => part !== '').join(' · ')}
                </span>
              </a>
              {may('operator') && (
                <IconButton
                  icon="trash"
                  label={`Keep ${momentText(fromMs)} no longer`}
                  class="quiet-button"
                  onClick={() => {
                    releasing.value = id;
                  }}
                />
              )}
            </li>
          );
        })}
      </ul>
      {releasing.value !== undefined && (
        <ConfirmDialog
          title="Keep it no longer?"
          action="Release"
          onClose={() => {
            releasing.value = undefined;
          }}
          onConfirm={() => {
            const id = releasing.peek() ?? '';
            void attempt('It is still kept', () => kept.release(id));
          }}
        >
          From now on servers may delete this recording when they need room.
        </ConfirmDialog>
      )}
    </section>
  );
}
