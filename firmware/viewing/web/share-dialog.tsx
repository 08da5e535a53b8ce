/**
 * Links to what a camera shows: the address of this page, for people who may sign in, and signed links that end by
 * themselves, for players and for people who may not.
 */

import { useSignal } from '@preact/signals';
import type { LinkAnswer } from '../api.ts';
import { cameraPath, sendJson } from './api-client.ts';
import { cameraHref } from './location-state.ts';
import { Dialog } from './parts-dialog.tsx';
import { Field, FormActions, SelectField, useForm } from './parts-form.tsx';
import { IconButton } from './parts-icons.tsx';
import { showToast } from './parts-toast.tsx';
import { cameraName } from './site-state.ts';
import { momentText } from './time-text.ts';

const minuteMs = 60_000;
const kinds: readonly (readonly [value: string, text: string])[] = [
  ['video', 'A video file (MP4)'],
  ['playlist', 'The recording, for players such as VLC (HLS)'],
  ['frame', 'A still picture (JPEG)'],
];

export interface ShareDialogProps {
  readonly camera: string;
  /** ms UTC of the recording that plays; undefined while live */
  readonly atMs: number | undefined;
  readonly onClose: () => void;
}

export function ShareDialog({ camera, atMs, onClose }: ShareDialogProps) {
  const page = new URL(
    cameraHref(camera, atMs === undefined ? undefined : Math.floor(atMs / 1_000) * 1_000),
    location.href,
  );
  const link = useSignal<LinkAnswer | undefined>(undefined);
  const form = useForm({
    initial: { what: 'video', minutes: '5', seconds: '3600' },
    save: async (values) => {
      link.value = await sendJson<LinkAnswer>('POST', `${cameraPath(camera)}/links`, wishOf(values, atMs));
    },
  });
  const made = link.value;
  const timed = form.values.what === 'video' || form.values.what === 'playlist';
  return (
    <Dialog title={`Share ${cameraName(camera)}`} onClose={onClose}>
      <CopyField label="This page" hint="For people who can sign in here" text={page.href} />
      <form class="form" onSubmit={form.submit}>
        <h3>A link for anybody</h3>
        <p class="quiet">
          Whoever has it sees just this, without signing in, until it ends. The audit log says that you made
          it.
        </p>
        <SelectField
          form={form}
          name="what"
          label="What it shows"
          options={atMs === undefined ? [...kinds, ['live', 'Live, for players such as VLC (HLS)']] : kinds}
        />
        <div class="field-row">
          {timed && (
            <SelectField
              form={form}
              name="minutes"
              label={atMs === undefined ? 'The last' : `From ${momentText(atMs)}, for`}
              options={[
                ['1', '1 minute'],
                ['5', '5 minutes'],
                ['30', '30 minutes'],
                ['120', '2 hours'],
              ]}
            />
          )}
          <SelectField
            form={form}
            name="seconds"
            label="Ends after"
            options={[
              ['3600', 'an hour'],
              ['86400', 'a day'],
              ['604800', 'a week'],
            ]}
          />
        </div>
        {made !== undefined && (
          <CopyField
            label="The link"
            hint={`Ends ${momentText(Date.parse(made.expiresAt))}`}
            text={new URL(made.url, location.origin).href}
          />
        )}
        <FormActions
          form={form}
          action={made === undefined ? 'Make the link' : 'Make another'}
          onCancel={onClose}
        />
      </form>
    </Dialog>
  );
}

function wishOf(
  values: { what: string; minutes: string; seconds: string },
  atMs: number | undefined,
): object {
  const { what } = values;
  const seconds = Number(values.seconds);
  const iso = (ms: number) => new Date(ms).toISOString();
  if (what === 'live') return { what, seconds };
  if (what === 'frame') return { what, seconds, ...(atMs === undefined ? {} : { from: iso(atMs) }) };
  const lengthMs = Number(values.minutes) * minuteMs;
  const fromMs = atMs ?? Date.now() - lengthMs;
  return { what, from: iso(fromMs), to: iso(fromMs + lengthMs), seconds };
}

/** A text that is there to be copied. */
export function CopyField({ label, hint, text }: { label: string; hint: string; text: string }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      showToast('Copied.');
    } catch {
      // not over plain http: then the selection is one key away
      showToast('This browser does not let the page copy: select the text and copy it.', { bad: true });
    }
  };
  return (
    <Field label={label} hint={hint}>
      {(control) => (
        <span class="copy">
          <input {...control} readOnly value={text} onFocus={(event) => event.currentTarget.select()} />
          <IconButton icon="copy" label={`Copy: ${label}`} onClick={() => void copy()} />
        </span>
      )}
    </Field>
  );
}
