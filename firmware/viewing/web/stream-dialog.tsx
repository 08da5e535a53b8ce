/** How a camera streams: frame rate, bit rate, time between keyframes. Changes hold until somebody changes them again. */

import { useSignal } from '@preact/signals';
import { type StreamSettings, streamBounds, streamFault } from '../../media/stream-settings.ts';
import type { StreamAnswer } from '../api.ts';
import { ApiFailure, cameraPath, sendJson } from './api-client.ts';
import { LoadedDialog } from './loaded.tsx';
import { Dialog } from './parts-dialog.tsx';
import { FormActions, TextField, useForm } from './parts-form.tsx';
import { showToast } from './parts-toast.tsx';
import { settingsChange } from './settings-change.ts';
import { cameraName } from './site-state.ts';

export interface StreamDialogProps {
  readonly camera: string;
  readonly onClose: () => void;
}

export function StreamDialog({ camera, onClose }: StreamDialogProps) {
  return (
    <LoadedDialog<StreamAnswer>
      title={`Stream of ${cameraName(camera)}`}
      path={streamPath(camera)}
      what="its settings"
      onClose={onClose}
    >
      {(inForce) => <StreamForm camera={camera} inForce={inForce} onClose={onClose} />}
    </LoadedDialog>
  );
}

type Typed = { [K in keyof StreamSettings]: string };
interface Change extends Partial<StreamSettings> {
  reset?: true;
}

function StreamForm({ camera, inForce, onClose }: StreamDialogProps & { inForce: StreamAnswer }) {
  const change = async (body: Change) => {
    const now = await sendJson<StreamAnswer>('PATCH', streamPath(camera), body);
    const missing = now.restarted ? ' The camera began anew for it: a moment is missing.' : '';
    showToast(
      `${cameraName(camera)} streams ${now.frameRate} frames/s at ${now.bitrateKbps} kbit/s.${missing}`,
    );
    onClose();
  };
  const form = useForm<Typed>({
    initial: typed(inForce),
    check: faults,
    save: async (values) => {
      const changed = settingsChange<StreamSettings>(inForce, wish(values));
      if (changed === undefined) onClose();
      else await change(changed.change);
    },
  });
  const bounds = (name: keyof StreamSettings, unit: string) => `${streamBounds[name].join(' to ')} ${unit}`;
  const number = { inputmode: 'numeric' };
  return (
    <Dialog title={`Stream of ${cameraName(camera)}`} onClose={onClose} dirty={form.dirty}>
      <form class="form" onSubmit={form.submit}>
        <TextField
          form={form}
          name="frameRate"
          label="Frame rate"
          hint={bounds('frameRate', 'frames a second')}
          input={number}
        />
        <TextField
          form={form}
          name="bitrateKbps"
          label="Bit rate"
          hint={bounds('bitrateKbps', 'kbit/s')}
          input={number}
        />
        <TextField
          form={form}
          name="keyframeIntervalMs"
          label="Time between keyframes"
          hint={`${bounds('keyframeIntervalMs', 'ms')}; recordings begin and scrub at keyframes`}
          input={number}
        />
        <FormActions form={form} action="Save" onCancel={onClose}>
          <ResetButton onReset={() => change({ reset: true })} />
        </FormActions>
      </form>
    </Dialog>
  );
}

function ResetButton({ onReset }: { onReset: () => Promise<void> }) {
  const problem = useSignal('');
  return (
    <>
      {problem.value !== '' && <p class="form-problem">{problem.value}</p>}
      <button
        type="button"
        class="actions-start"
        onClick={() => {
          onReset().catch((failed: unknown) => {
            if (!(failed instanceof ApiFailure)) throw failed;
            problem.value = failed.message;
          });
        }}
      >
        As the unit is set
      </button>
    </>
  );
}

function typed({ frameRate, bitrateKbps, keyframeIntervalMs }: StreamSettings): Typed {
  return {
    frameRate: String(frameRate),
    bitrateKbps: String(bitrateKbps),
    keyframeIntervalMs: String(keyframeIntervalMs),
  };
}

function wish(values: Typed): StreamSettings {
  return {
    frameRate: Number(values.frameRate),
    bitrateKbps: Number(values.bitrateKbps),
    keyframeIntervalMs: Number(values.keyframeIntervalMs),
  };
}

function faults(values: Typed): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(wish(values))) {
    const [min, max] = streamBounds[name as keyof StreamSettings];
    if (streamFault({ [name]: value }) !== undefined) found[name] = `A whole number from ${min} to ${max}.`;
  }
  return found;
}

function streamPath(camera: string): string {
  return `${cameraPath(camera)}/stream`;
}
