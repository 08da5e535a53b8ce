/** How rights are shown and chosen, for users and tokens alike: a role, and the cameras it holds for. */
import type { SessionAnswer } from '../api.ts';
import type { Form } from './parts-form.tsx';
import { SelectField } from './parts-form.tsx';
import { cameraName, cameras, inOrder } from './site-state.ts';

type Role = SessionAnswer['role'];
type CameraList = SessionAnswer['cameras'];

export type Rights = Pick<SessionAnswer, 'role' | 'cameras'>;

const roleTexts: Readonly<Record<Role, string>> = {
  viewer: 'Viewer: watches',
  operator: 'Operator: also steers, keeps recordings, sets streams',
  admin: 'Admin: everything, on all cameras',
};

/** The cameras of a list, for a table. */
export function camerasText(list: CameraList): string {
  if (list === 'all') return 'all cameras';
  if (list.length === 0) return 'none';
  return list.map(cameraName).join(', ');
}

/** Rights as the server takes them: an admin sees all cameras. */
export function rightsOf({ role, cameras: list }: Rights): Rights {
  return { role, cameras: role === 'admin' ? 'all' : list };
}

/** The fields of a form that choose rights. */
export function RightsFields<T extends Rights>({ form }: { form: Form<T> }) {
  const list = form.values.cameras;
  const set = (next: CameraList) => form.set('cameras', next);
  // also those of the list that are not on the network now
  const known = cameras.value?.cameras.map(({ id }) => id) ?? [];
  const offered = [...new Set([...known, ...(list === 'all' ? [] : list)])].sort(inOrder);
  const choice = <SelectField form={form} name="role" label="Role" options={Object.entries(roleTexts)} />;
  if (form.values.role === 'admin') return choice;
  return (
    <>
      {choice}
      <fieldset class="choice">
        <legend>Cameras</legend>
        <label class="check">
          <input type="radio" name="which" checked={list === 'all'} onChange={() => set('all')} />
          All, also those to come
        </label>
        <label class="check">
          <input
            type="radio"
            name="which"
            checked={list !== 'all'}
            onChange={() => set(list === 'all' ? [] : list)}
          />
          Only these
        </label>
        {list !== 'all' && (
          <div class="choice-list">
            {offered.map((id) => (
              <label key={id} class="check">
                <input
                  type="checkbox"
                  checked={list.includes(id)}
                  onChange={(event) =>
                    set(event.currentTarget.checked ? [...list, id] : list.filter((other) => other !== id))
                  }
                />
                {cameraName(id)}
              </label>
            ))}
            {offered.length === 0 && <p class="quiet">No camera is known yet.</p>}
          </div>
        )}
        {form.errors.cameras !== undefined && <p class="field-error">{form.errors.cameras}</p>}
      </fieldset>
    </>
  );
}
