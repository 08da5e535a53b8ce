/** The servers' settings and how they are: name, retention, what is wrong, and how full their volumes are. */
import { useSignal } from '@preact/signals';
import type { ServerSettingsAnswer, ServerSettingsChange, SiteAnswer, StatusAnswer } from '../api.ts';
import { sendJson } from './api-client.ts';
import { bytesText } from './bytes-text.ts';
import { LoadedDialog, LoadState, useLoaded } from './loaded.tsx';
import { networkHref } from './location-state.ts';
import { Dialog } from './parts-dialog.tsx';
import { FormActions, TextField, useForm } from './parts-form.tsx';
import { IconButton } from './parts-icons.tsx';
import { attempt, showToast } from './parts-toast.tsx';
import { ServerMachine } from './server-machine.tsx';
import { may } from './session-state.ts';
import { isWholeOrEmpty, numberOf, settingsChange, textOf } from './settings-change.ts';
import { askAgain, serverName, site } from './site-state.ts';
import { durationText, momentText } from './time-text.ts';

const statusEveryMs = 5_000;

type Server = SiteAnswer['servers'][number];
type Volume = StatusAnswer['volumes'][number];

export function ServerSettingsPage() {
  const servers = site.value?.servers;
  if (servers === undefined) return <p class="quiet">Asking for the servers …</p>;
  return (
    <ul class="cards">
      {servers.map((server) => (
        <li key={server.id}>
          <ServerCard server={server} />
        </li>
      ))}
    </ul>
  );
}

function ServerCard({ server }: { server: Server }) {
  const { id } = server;
  const reached = server.state !== 'unreachable';
  const settings = useLoaded<ServerSettingsAnswer>(settingsPath(id));
  const changing = useSignal(false);
  const name = serverName(id);
  const known = settings.answer.value;
  return (
    <section class="card" aria-label={name}>
      <div class="card-head">
        <h2>
          <a href={networkHref(id)}>{name}</a>
        </h2>
        {name !== id && <span class="quiet">{id}</span>}
        {server.state === 'self' && <span class="tag">connected</span>}
        {!reached && <span class="tag tag-bad">not reachable</span>}
        {may('admin') && (
          <IconButton
            icon="edit"
            label={`Change ${name}`}
            onClick={() => {
              changing.value = true;
            }}
          />
        )}
      </div>
      {known !== undefined && (
        <p class="quiet">
          {known.days === null
            ? 'Keeps recordings as its unit.yaml says.'
            : `Keeps recordings for ${known.days} ${known.days === 1 ? 'day' : 'days'}.`}
        </p>
      )}
      {reached ? <ServerStatus id={id} /> : <p>What it holds is missing until it is reachable again.</p>}
      {changing.value && (
        <ServerDialog
          id={id}
          onSaved={settings.again}
          onClose={() => {
            changing.value = false;
          }}
        />
      )}
    </section>
  );
}

function ServerStatus({ id }: { id: string }) {
  const loaded = useLoaded<StatusAnswer>(`/api/status?server=${encodeURIComponent(id)}`, statusEveryMs);
  const status = loaded.answer.value;
  if (status === undefined || loaded.problem.value !== undefined) {
    return <LoadState loaded={loaded} what="its status" />;
  }
  return (
    <>
      {status.alarms.map((alarm) => (
        <p key={alarm.id} class="notice notice-bad" role="alert">
          {`${alarm.text.replace(/\.$/, '')}, since ${momentText(Date.parse(alarm.since))}.`}
        </p>
      ))}
      <ul class="volumes">
        {status.volumes.map((volume) => (
          <li key={volume.number}>
            <VolumeBar volume={volume} />
          </li>
        ))}
        {status.volumes.length === 0 && <li class="quiet">It has no volume and records nothing.</li>}
      </ul>
      <ServerMachine
        id={id}
        told={status.volumes.flatMap(({ reason }) => (reason === null ? [] : [reason]))}
      />
      <p class="quiet">
        {`Starling ${status.version}, up ${durationText(status.uptimeSeconds * 1_000)}, ${countText(status.cameras.length, 'camera')}`}
      </p>
    </>
  );
}

function VolumeBar({ volume }: { volume: Volume }) {
  const { folder, state, reason, totalBytes, freeBytes, recordedBytes, reserveBytes } = volume;
  const share = (bytes: number) =>
    totalBytes === 0 ? 0 : Math.min(100, Math.max(0, (bytes / totalBytes) * 100));
  const used = totalBytes - freeBytes;
  const text = `${bytesText(recordedBytes)} recorded, ${bytesText(freeBytes)} of ${bytesText(totalBytes)} free`;
  return (
    <div class={`volume volume-${state}`}>
      <p class="volume-name">
        <span>{folder}</span>
        {state !== 'ok' && <span class="tag tag-bad">{state}</span>}
      </p>
      <div class="volume-bar" role="img" aria-label={text} title={`${bytesText(reserveBytes)} are kept free`}>
        <span class="volume-other" style={{ width: `${share(used)}%` }} />
        <span class="volume-recorded" style={{ width: `${share(Math.min(recordedBytes, used))}%` }} />
      </div>
      <p class="quiet">{reason ?? text}</p>
    </div>
  );
}

interface ServerDialogProps {
  readonly id: string;
  readonly onSaved: () => void;
  readonly onClose: () => void;
}

function ServerDialog(props: ServerDialogProps) {
  const { id, onClose } = props;
  return (
    <LoadedDialog<ServerSettingsAnswer>
      title={serverName(id)}
      path={settingsPath(id)}
      what="its settings"
      onClose={onClose}
    >
      {(before) => <ServerForm {...props} before={before} />}
    </LoadedDialog>
  );
}

type ServerSettings = Omit<ServerSettingsAnswer, 'server'>;

function ServerForm({ id, before, onSaved, onClose }: ServerDialogProps & { before: ServerSettings }) {
  const write = async (settings: ServerSettingsChange) => {
    await sendJson('PATCH', settingsPath(id), settings);
    onSaved();
    askAgain();
  };
  const form = useForm({
    initial: { name: before.name, days: textOf(before.days) },
    check: ({ days }) => (isWholeOrEmpty(days) ? {} : { days: 'A whole number of days, or empty.' }),
    save: async ({ name, days }) => {
      const after = { name: name.trim(), days: numberOf(days) };
      const changed = settingsChange<ServerSettings>(before, after);
      if (changed !== undefined) {
        await write(changed.change);
        showToast(`${after.name || id} is changed.`, {
          undo: () => void attempt('It stays changed', () => write(changed.undo)),
        });
      }
      onClose();
    },
  });
  return (
    <Dialog title={serverName(id)} onClose={onClose} dirty={form.dirty}>
      <form class="form" onSubmit={form.submit}>
        <TextField form={form} name="name" label="Name" hint={`Empty: ${id}`} input={{ maxlength: 60 }} />
        <TextField
          form={form}
          name="days"
          label="Keep recordings for (days)"
          hint="Older ones of all cameras are deleted here. Empty: as its unit.yaml says"
          input={{ inputmode: 'numeric' }}
        />
        <FormActions form={form} action="Save" onCancel={onClose} />
      </form>
    </Dialog>
  );
}

/** `1 camera`, `2 cameras` */
function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function settingsPath(server: string): string {
  return `/api/servers/${encodeURIComponent(server)}/settings`;
}
