/** Keeps a stretch of a camera on every server, whatever retention says. */
import { Dialog } from './parts-dialog.tsx';
import { FormActions, TextField, useForm } from './parts-form.tsx';
import { showToast } from './parts-toast.tsx';
import { recordedOf } from './recorded.ts';
import type { TimeRange } from './time-range.ts';
import { clockText, durationText, momentText } from './time-text.ts';

export interface KeepDialogProps {
  readonly camera: string;
  /** what people call it */
  readonly name: string;
  readonly range: TimeRange;
  readonly onClose: () => void;
}

export function KeepDialog({ camera, name, range, onClose }: KeepDialogProps) {
  const form = useForm({
    initial: { note: '' },
    async save({ note }) {
      await recordedOf(camera).kept.keep(range, note.trim());
      showToast(
        `${durationText(range.toMs - range.fromMs)} of ${name} are kept until somebody releases them.`,
      );
      onClose();
    },
  });
  return (
    <Dialog title="Keep this" onClose={onClose}>
      <form class="form" onSubmit={form.submit} noValidate>
        <p>
          {`${name}, ${momentText(range.fromMs)} – ${clockText(range.toMs)} (${durationText(range.toMs - range.fromMs)}). `}
          No server deletes it to make room for new recordings.
        </p>
        <TextField
          form={form}
          name="note"
          label="Note"
          hint="Why it is kept; everybody sees it."
          input={{ maxlength: 200 }}
        />
        <FormActions form={form} action="Keep" onCancel={onClose} />
      </form>
    </Dialog>
  );
}
