/**
 * The pad that steers a camera: buttons that turn it for as long as they are held, speed, and its presets. A press
 * without a pointer (a screen reader's) is a short step.
 */

import { useSignal } from '@preact/signals';
import type { PtzAnswer } from '../api.ts';
import { ConfirmDialog } from './parts-dialog.tsx';
import { TextField, useForm } from './parts-form.tsx';
import { Icon, IconButton, type IconName } from './parts-icons.tsx';
import { attempt, showToast } from './parts-toast.tsx';
import type { PtzControl, Velocity } from './ptz-control.ts';

const stepMs = 250;
const presetNameMax = 32;

export interface PtzPadProps {
  readonly control: PtzControl;
  /** share of full speed */
  readonly speed: number;
  readonly onSpeed: (speed: number) => void;
  /** whether gestures on the picture steer the camera */
  readonly byPicture: boolean;
  readonly onByPicture: (on: boolean) => void;
}

export function PtzPanel(props: PtzPadProps) {
  const { answer, problem } = props.control;
  return (
    <section class="panel" aria-labelledby="ptz-title">
      <div class="panel-head">
        <h2 id="ptz-title">Steer</h2>
        {answer.value !== undefined && <PositionText ptz={answer.value} />}
      </div>
      {answer.value === undefined ? (
        <p class="quiet">{problem.value ?? 'Asking the camera …'}</p>
      ) : (
        <PtzPad {...props} ptz={answer.value} />
      )}
    </section>
  );
}

function PtzPad({ control, ptz, speed, onSpeed, byPicture, onByPicture }: PtzPadProps & { ptz: PtzAnswer }) {
  const { pan, tilt, zoom } = ptz.limits;
  const button = (icon: IconName, label: string, velocity: Velocity) => (
    <HoldButton icon={icon} label={label} velocity={velocity} control={control} />
  );
  return (
    <div class="ptz">
      <div class="ptz-controls">
        <div class="ptz-pad" role="group" aria-label="Turn the camera">
          {tilt !== null && button('up', 'Tilt up', { tilt: speed })}
          {pan !== null && button('left', 'Pan left', { pan: -speed })}
          <IconButton icon="home" label="Look straight ahead" onClick={() => control.goToPreset('home')} />
          {pan !== null && button('right', 'Pan right', { pan: speed })}
          {tilt !== null && button('down', 'Tilt down', { tilt: -speed })}
        </div>
        {zoom !== null && (
          <div class="ptz-zoom" role="group" aria-label="Zoom of the lens">
            {button('plus', 'Zoom in', { zoom: speed })}
            {button('minus', 'Zoom out', { zoom: -speed })}
          </div>
        )}
        <div class="ptz-manner">
          <label class="ptz-speed">
            Speed
            <input
              type="range"
              min="10"
              max="100"
              step="10"
              value={Math.round(speed * 100)}
              aria-valuetext={`${Math.round(speed * 100)} %`}
              onInput={(event) => onSpeed(Number(event.currentTarget.value) / 100)}
            />
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={byPicture}
              onChange={(event) => onByPicture(event.currentTarget.checked)}
            />
            Drag to steer
          </label>
        </div>
      </div>
      <div role="alert">
        {control.problem.value !== undefined && <p class="form-problem">{control.problem.value}</p>}
      </div>
      <Presets control={control} ptz={ptz} />
    </div>
  );
}

interface HoldButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly velocity: Velocity;
  readonly control: PtzControl;
}

function HoldButton({ icon, label, velocity, control }: HoldButtonProps) {
  const press = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    // else the browser makes a click of it
    event.preventDefault();
    if (event.type === 'keyup') control.release();
    else if (!event.repeat) control.hold(velocity);
  };
  return (
    <button
      type="button"
      class={`icon-button ptz-${icon}`}
      aria-label={label}
      title={`${label}, for as long as it is held`}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        control.hold(velocity);
      }}
      onLostPointerCapture={() => control.release()}
      onKeyDown={press}
      onKeyUp={press}
      onBlur={() => control.release()}
      onClick={(event) => {
        if (event.detail !== 0) return;
        control.hold(velocity);
        setTimeout(() => control.release(), stepMs);
      }}
      onContextMenu={(event) => event.preventDefault()}
    >
      <Icon name={icon} />
    </button>
  );
}

function PositionText({ ptz }: { ptz: PtzAnswer }) {
  const { position, limits, moving } = ptz;
  if (position === null) return <p class="ptz-position">position not known</p>;
  const parts = [
    limits.pan === null ? '' : `pan ${degrees(position.pan)}`,
    limits.tilt === null ? '' : `tilt ${degrees(position.tilt)}`,
    limits.zoom === null ? '' : `zoom ${position.zoom.toFixed(1)}×`,
  ];
  return (
    <p class={`ptz-position ${moving ? 'ptz-moving' : ''}`}>
      {parts.filter((part) => part !== '').join(' · ')}
    </p>
  );
}

/** `−12°`, with a sign that is as wide as a digit */
function degrees(value: number): string {
  return `${Math.round(value) + 0}°`.replace('-', '−');
}

function Presets({ control, ptz }: { control: PtzControl; ptz: PtzAnswer }) {
  const forgotten = useSignal<string | undefined>(undefined);
  const saved = ptz.presets.filter(({ name }) => name !== 'home');
  return (
    <section class="presets" aria-label="Presets">
      {saved.length > 0 && (
        <ul>
          {saved.map(({ name }) => (
            <li key={name}>
              <button type="button" onClick={() => control.goToPreset(name)}>
                {name}
              </button>
              <IconButton
                icon="close"
                label={`Delete the preset ${name}`}
                onClick={() => {
                  forgotten.value = name;
                }}
              />
            </li>
          ))}
        </ul>
      )}
      <SavePreset control={control} taken={saved.map(({ name }) => name)} />
      {forgotten.value !== undefined && (
        <ConfirmDialog
          title={`Delete the preset ${forgotten.value}?`}
          action="Delete"
          onClose={() => {
            forgotten.value = undefined;
          }}
          onConfirm={() => {
            const name = forgotten.value ?? '';
            void attempt('The preset is still there', () => control.forget(name));
          }}
        >
          The camera stays where it is.
        </ConfirmDialog>
      )}
    </section>
  );
}

function SavePreset({ control, taken }: { control: PtzControl; taken: readonly string[] }) {
  const form = useForm({
    initial: { preset: '' },
    check: ({ preset }) => (preset.trim() === '' ? { preset: 'Give it a name.' } : {}),
    save: async ({ preset }) => {
      await control.save(preset.trim());
      showToast(`This view is kept as ${preset.trim()}.`);
      form.reset({ preset: '' });
    },
  });
  const exists = taken.includes(form.values.preset.trim());
  return (
    <form class="preset-form" onSubmit={form.submit}>
      <TextField form={form} name="preset" label="Keep this view as" input={{ maxlength: presetNameMax }} />
      <button type="submit" disabled={form.saving}>
        {exists ? 'Replace' : 'Keep'}
      </button>
      {form.problem !== undefined && <p class="form-problem">{form.problem}</p>}
    </form>
  );
}
