/** Tokens: how programs identify themselves. A token is shown once, when it is made; after that nobody can read it. */

import { useSignal } from '@preact/signals';
import type { TokenAnswer } from '../api.ts';
import { sendJson } from './api-client.ts';
import { LoadState, useLoaded } from './loaded.tsx';
import { ConfirmDialog, Dialog } from './parts-dialog.tsx';
import { FormActions, SelectField, TextField, useForm } from './parts-form.tsx';
import { Icon, IconButton } from './parts-icons.tsx';
import { attempt, showToast } from './parts-toast.tsx';
import { camerasText, type Rights, RightsFields, rightsOf } from './people-rights.tsx';
import { CopyField } from './share-dialog.tsx';
import { dayText } from './time-text.ts';

export function TokensPage() {
  const loaded = useLoaded<{ tokens: TokenAnswer[] }>('/api/tokens');
  const adding = useSignal(false);
  const deleted = useSignal<TokenAnswer | undefined>(undefined);
  const tokens = loaded.answer.value?.tokens;
  const remove = async ({ id, name }: TokenAnswer) => {
    const path = `/api/tokens/${encodeURIComponent(id)}`;
    if (!(await attempt(`${name} still holds`, () => sendJson('DELETE', path, undefined)))) return;
    showToast(`The token ${name} no longer holds.`);
    loaded.again();
  };
  return (
    <>
      <div class="settings-tools">
        <p class="quiet">
          Programs send a token as <code>authorization: Bearer …</code>
        </p>
        <button
          type="button"
          class="primary"
          onClick={() => {
            adding.value = true;
          }}
        >
          <Icon name="plus" />
          Make a token
        </button>
      </div>
      <LoadState loaded={loaded} what="the tokens" />
      {tokens !== undefined && tokens.length === 0 && <p class="quiet">There is no token.</p>}
      {tokens !== undefined && tokens.length > 0 && (
        <div class="table-frame" role="region" aria-label="Tokens" tabIndex={0}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Token</th>
                <th scope="col">Role</th>
                <th scope="col">Cameras</th>
                <th scope="col">Made</th>
                <th scope="col">Ends</th>
                <th scope="col">
                  <span class="visually-hidden">Change</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {tokens.map((token) => (
                <tr key={token.id}>
                  <th scope="row">{token.name}</th>
                  <td>{token.role}</td>
                  <td class="wide">{camerasText(token.cameras)}</td>
                  <td>{`${dayText(Date.parse(token.createdAt))} by ${token.createdBy}`}</td>
                  <td>{token.expiresAt === null ? 'never' : dayText(Date.parse(token.expiresAt))}</td>
                  <td class="row-actions">
                    <IconButton
                      icon="trash"
                      label={`Revoke ${token.name}`}
                      onClick={() => {
                        deleted.value = token;
                      }}
                    />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {adding.value && (
        <TokenDialog
          onClose={() => {
            adding.value = false;
          }}
          onMade={loaded.again}
        />
      )}
      {deleted.value !== undefined && (
        <ConfirmDialog
          title={`Revoke ${deleted.value.name}?`}
          action="Revoke"
          onClose={() => {
            deleted.value = undefined;
          }}
          onConfirm={() => deleted.value !== undefined && void remove(deleted.value)}
        >
          Programs that use it are refused at once, on every server.
        </ConfirmDialog>
      )}
    </>
  );
}

interface TokenValues extends Rights {
  name: string;
  days: string;
}

function TokenDialog({ onClose, onMade }: { onClose: () => void; onMade: () => void }) {
  const made = useSignal<string | undefined>(undefined);
  const form = useForm<TokenValues>({
    initial: { name: '', role: 'viewer', cameras: 'all', days: '365' },
    about: { name: /name/i },
    check: ({ name }) => (name.trim() === '' ? { name: 'Give it a name.' } : {}),
    save: async ({ name, role, cameras, days }) => {
      const body = {
        name: name.trim(),
        ...rightsOf({ role, cameras }),
        ...(days === '' ? {} : { days: Number(days) }),
      };
      made.value = (await sendJson<{ token: string }>('POST', '/api/tokens', body)).token;
      onMade();
    },
  });
  if (made.value !== undefined) {
    return (
      <Dialog title={`The token ${form.values.name}`} onClose={onClose}>
        <p>
          <strong>Copy it now:</strong> it is never shown again.
        </p>
        <CopyField label="Token" hint="Whoever has it has its rights" text={made.value} />
        <div class="dialog-actions">
          <button type="button" class="primary" onClick={onClose}>
            I have copied it
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Make a token" onClose={onClose} dirty={form.dirty}>
      <form class="form" onSubmit={form.submit}>
        <TextField form={form} name="name" label="Name" hint="What uses it" input={{ maxlength: 60 }} />
        <RightsFields form={form} />
        <SelectField
          form={form}
          name="days"
          label="Ends after"
          options={[
            ['30', '30 days'],
            ['365', 'a year'],
            ['', 'never'],
          ]}
        />
        <FormActions form={form} action="Make" onCancel={onClose} />
      </form>
    </Dialog>
  );
}
