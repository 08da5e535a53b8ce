/** The cameras' settings: a table of what they are called and where they belong, a dialog for the rest. */

import { useSignal } from '@preact/signals';
import type { CameraAnswer, CameraSettingsAnswer, CameraSettingsChange } from '../api.ts';
import { cameraPath, sendJson } from './api-client.ts';
import { CameraState } from './camera-signs.tsx';
import { LoadedDialog } from './loaded.tsx';
import { cameraHref } from './location-state.ts';
import { ConfirmDialog, Dialog } from './parts-dialog.tsx';
import { FormActions, TextField, useForm } from './parts-form.tsx';
import { IconButton } from './parts-icons.tsx';
import { attempt, showToast } from './parts-toast.tsx';
import { may } from './session-state.ts';
import { isWholeOrEmpty, numberOf, settingsChange, textOf } from './settings-change.ts';
import { askAgain, cameraName, cameras, failure, groupsOf, serverName } from './site-state.ts';
import { StreamDialog } from './stream-dialog.tsx';

interface Opened {
  readonly camera: CameraAnswer;
  readonly what: 'settings' | 'stream' | 'remove';
}

export function CameraSettingsPage() {
  const opened = useSignal<Opened | undefined>(undefined);
  const all = cameras.value?.cameras;
  const close = () => {
    opened.value = undefined;
  };
  if (all === undefined) return <p class="quiet">{failure.value?.message ?? 'Asking for the cameras …'}</p>;
  const shown = opened.value;
  return (
    <>
      {!may('admin') && <p class="quiet">Only an admin can change names, groups and retention.</p>}
      {all.length === 0 ? (
        <p class="quiet">No camera has joined yet.</p>
      ) : (
        <CameraTable
          all={all}
          onOpen={(camera, what) => {
            opened.value = { camera, what };
          }}
        />
      )}
      {shown?.what === 'settings' && <CameraDialog camera={shown.camera} onClose={close} />}
      {shown?.what === 'stream' && <StreamDialog camera={shown.camera.id} onClose={close} />}
      {shown?.what === 'remove' && (
        <ConfirmDialog
          title={`Take ${cameraName(shown.camera.id)} off the lists?`}
          action="Take it off"
          onClose={close}
          onConfirm={() => void remove(shown.camera.id)}
        >
          Its recordings are kept until retention deletes them. If the camera is switched on again, it is
          back.
        </ConfirmDialog>
      )}
    </>
  );
}

async function remove(camera: string): Promise<void> {
  const name = cameraName(camera);
  if (!(await attempt(`${name} is still listed`, () => sendJson('DELETE', cameraPath(camera), undefined))))
    return;
  showToast(`${name} is off the lists.`);
  askAgain();
}

interface CameraTableProps {
  readonly all: readonly CameraAnswer[];
  readonly onOpen: (camera: CameraAnswer, what: Opened['what']) => void;
}

function CameraTable({ all, onOpen }: CameraTableProps) {
  return (
    <div class="table-frame" role="region" aria-label="Cameras" tabIndex={0}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Camera</th>
            <th scope="col">Group</th>
            <th scope="col">State</th>
            <th scope="col">Managed by</th>
            <th scope="col">Picture</th>
            <th scope="col">
              <span class="visually-hidden">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {all.map((camera) => {
            const name = cameraName(camera.id);
            return (
              <tr key={camera.id}>
                <th scope="row">
                  <a href={cameraHref(camera.id)}>{name}</a>
                  {name !== camera.id && <span class="quiet">{` ${camera.id}`}</span>}
                </th>
                <td>{camera.group}</td>
                <td>
                  <CameraState camera={camera} />
                </td>
                <td>{serverName(camera.manager)}</td>
                <td class="number">{pictureSize(camera)}</td>
                <td class="row-actions">
                  {may('operator') && camera.state === 'online' && (
                    <IconButton
                      icon="stream"
                      class="row-stream"
                      label={`Stream of ${name}`}
                      onClick={() => onOpen(camera, 'stream')}
                    />
                  )}
                  {may('admin') && (
                    <IconButton
                      icon="edit"
                      label={`Change ${name}`}
                      onClick={() => onOpen(camera, 'settings')}
                    />
                  )}
                  {may('admin') && camera.state === 'offline' && (
                    <IconButton
                      icon="trash"
                      label={`Take ${name} off the lists`}
                      onClick={() => onOpen(camera, 'remove')}
                    />
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function pictureSize({ width, height, frameRate }: CameraAnswer): string {
  if (width === null || height === null) return '';
  return `${width} × ${height}${typeof frameRate === 'number' ? `, ${frameRate}/s` : ''}`;
}

interface CameraDialogProps {
  readonly camera: CameraAnswer;
  readonly onClose: () => void;
}

function CameraDialog({ camera, onClose }: CameraDialogProps) {
  const { id } = camera;
  return (
    <LoadedDialog<CameraSettingsAnswer>
      title={cameraName(id)}
      path={settingsPath(id)}
      what="its settings"
      onClose={onClose}
    >
      {(before) => <CameraForm camera={camera} before={before} onClose={onClose} />}
    </LoadedDialog>
  );
}

type CameraSettings = Omit<CameraSettingsAnswer, 'camera'>;

function CameraForm({ camera, before, onClose }: CameraDialogProps & { before: CameraSettings }) {
  const write = async (settings: CameraSettingsChange) => {
    await sendJson('PATCH', settingsPath(camera.id), settings);
    askAgain();
  };
  const form = useForm({
    initial: {
      name: before.name,
      group: before.group,
      days: textOf(before.days),
      maxMb: textOf(before.maxMb),
    },
    check: ({ days, maxMb }) => ({
      ...(isWholeOrEmpty(days) ? {} : { days: 'A whole number of days, or empty.' }),
      ...(isWholeOrEmpty(maxMb) ? {} : { maxMb: 'A whole number of MB, or empty.' }),
    }),
    save: async ({ name, group, days, maxMb }) => {
      const after = {
        name: name.trim(),
        group: group.trim(),
        days: numberOf(days),
        maxMb: numberOf(maxMb),
      };
      const changed = settingsChange<CameraSettings>(before, after);
      if (changed !== undefined) {
        await write(changed.change);
        showToast(`${after.name || camera.id} is changed.`, {
          undo: () => void attempt('It stays changed', () => write(changed.undo)),
        });
      }
      onClose();
    },
  });
  const number = { inputmode: 'numeric' };
  return (
    <Dialog title={cameraName(camera.id)} onClose={onClose} dirty={form.dirty}>
      <form class="form" onSubmit={form.submit}>
        <TextField
          form={form}
          name="name"
          label="Name"
          hint={`Empty: ${camera.id}`}
          input={{ maxlength: 60 }}
        />
        <TextField
          form={form}
          name="group"
          label="Group"
          hint="Cameras of a group are shown together"
          input={{ maxlength: 60, list: 'known-groups' }}
        />
        <datalist id="known-groups">
          {groupsOf(cameras.value?.cameras ?? []).map((group) => (
            <option key={group} value={group} />
          ))}
        </datalist>
        <TextField
          form={form}
          name="days"
          label="Keep recordings for (days)"
          hint="Older ones are deleted, on every server. Empty: as the servers are set"
          input={number}
        />
        <TextField
          form={form}
          name="maxMb"
          label="Keep at most (MB)"
          hint="On each server. Empty: as the servers are set"
          input={number}
        />
        <FormActions form={form} action="Save" onCancel={onClose} />
      </form>
    </Dialog>
  );
}

function settingsPath(camera: string): string {
  return `${cameraPath(camera)}/settings`;
}
