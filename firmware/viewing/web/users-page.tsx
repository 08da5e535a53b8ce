/** Who may sign in: a list, and dialogs to add, change and delete. The last admin and oneself are protected by the server. */

import { useSignal } from '@preact/signals';
import type { UserAnswer } from '../api.ts';
import { sendJson } from './api-client.ts';
import { LoadedDialog, LoadState, useLoaded } from './loaded.tsx';
import { ConfirmDialog, Dialog } from './parts-dialog.tsx';
import { FormActions, TextField, useForm } from './parts-form.tsx';
import { Icon, IconButton } from './parts-icons.tsx';
import { attempt, showToast } from './parts-toast.tsx';
import { camerasText, type Rights, RightsFields, rightsOf } from './people-rights.tsx';
import { session } from './session-state.ts';
import { dayText } from './time-text.ts';

const usersPath = '/api/users';

interface UsersAnswer {
  readonly users: readonly UserAnswer[];
}

export function UsersPage() {
  const loaded = useLoaded<UsersAnswer>(usersPath);
  const edited = useSignal<string | undefined>(undefined);
  const deleted = useSignal<UserAnswer | undefined>(undefined);
  const users = loaded.answer.value?.users;
  const remove = async (user: UserAnswer) => {
    if (!(await attempt(`${user.user} is still there`, () => sendJson('DELETE', path(user.user), undefined))))
      return;
    showToast(`${user.user} can no longer sign in.`);
    loaded.again();
  };
  return (
    <>
      <div class="settings-tools">
        <p class="quiet">A user can sign in on every server of this site.</p>
        <button
          type="button"
          class="primary"
          onClick={() => {
            edited.value = '';
          }}
        >
          <Icon name="plus" />
          Add a user
        </button>
      </div>
      <LoadState loaded={loaded} what="the users" />
      {users !== undefined && (
        <div class="table-frame" role="region" aria-label="Users" tabIndex={0}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">User</th>
                <th scope="col">Role</th>
                <th scope="col">Cameras</th>
                <th scope="col">Since</th>
                <th scope="col">
                  <span class="visually-hidden">Change</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {users.map((user) => (
                <tr key={user.user}>
                  <th scope="row">
                    {user.user}
                    {user.user === session.value?.user && <span class="tag">you</span>}
                  </th>
                  <td>{user.role}</td>
                  <td class="wide">{camerasText(user.cameras)}</td>
                  <td>{dayText(Date.parse(user.createdAt))}</td>
                  <td class="row-actions">
                    <IconButton
                      icon="edit"
                      label={`Change ${user.user}`}
                      onClick={() => {
                        edited.value = user.user;
                      }}
                    />
                    <IconButton
                      icon="trash"
                      label={`Delete ${user.user}`}
                      onClick={() => {
                        deleted.value = user;
                      }}
                    />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {edited.value !== undefined && (
        <UserDialog
          name={edited.value}
          onClose={() => {
            edited.value = undefined;
          }}
          onSaved={loaded.again}
        />
      )}
      {deleted.value !== undefined && (
        <ConfirmDialog
          title={`Delete ${deleted.value.user}?`}
          action="Delete"
          onClose={() => {
            deleted.value = undefined;
          }}
          onConfirm={() => deleted.value !== undefined && void remove(deleted.value)}
        >
          Sessions and links of this user end at once, on every server. The audit log keeps what was done.
        </ConfirmDialog>
      )}
    </>
  );
}

interface UserDialogProps {
  /** of the user; empty: one that is to be added */
  readonly name: string;
  readonly onClose: () => void;
  readonly onSaved: () => void;
}

function UserDialog(props: UserDialogProps) {
  const { name, onClose } = props;
  if (name === '') return <UserForm {...props} before={undefined} />;
  const title = `Change ${name}`;
  return (
    <LoadedDialog<UsersAnswer> title={title} path={usersPath} what="this user" onClose={onClose}>
      {({ users }) => {
        const before = users.find(({ user }) => user === name);
        if (before !== undefined) return <UserForm {...props} before={before} />;
        return (
          <Dialog title={title} onClose={onClose}>
            <p role="alert">This user is no longer there.</p>
          </Dialog>
        );
      }}
    </LoadedDialog>
  );
}

interface UserValues extends Rights {
  user: string;
  password: string;
}

function UserForm({ before, onClose, onSaved }: UserDialogProps & { before: UserAnswer | undefined }) {
  const fresh = before === undefined;
  const form = useForm<UserValues>({
    initial: { user: '', role: 'viewer', cameras: 'all', ...before, password: '' },
    about: { password: /password/i, user: /name|already/i },
    check: ({ user, password }) => ({
      ...(user.trim() === '' ? { user: 'Give a name.' } : {}),
      ...(fresh && password === '' ? { password: 'Give a password.' } : {}),
    }),
    save: async ({ user, role, cameras, password }) => {
      const body = { ...rightsOf({ role, cameras }), ...(password === '' ? {} : { password }) };
      const condition = fresh ? { 'if-none-match': '*' as const } : { 'if-match': '*' as const };
      await sendJson('PUT', path(user.trim()), body, condition);
      showToast(fresh ? `${user.trim()} can sign in now.` : `${user} is changed.`);
      onSaved();
      onClose();
    },
  });
  return (
    <Dialog title={fresh ? 'Add a user' : `Change ${before.user}`} onClose={onClose} dirty={form.dirty}>
      <form class="form" onSubmit={form.submit}>
        {fresh && (
          <TextField
            form={form}
            name="user"
            label="User"
            hint="Letters, digits, dots, hyphens; an e-mail address will do"
            input={{ autocapitalize: 'none', spellcheck: false, maxlength: 64 }}
          />
        )}
        <RightsFields form={form} />
        <TextField
          form={form}
          name="password"
          label={fresh ? 'Password' : 'New password'}
          hint={
            fresh
              ? 'Tell it to the user, who can change it'
              : 'Empty: stays as it is. A new one ends all sessions.'
          }
          input={{ type: 'password', autocomplete: 'new-password' }}
        />
        <FormActions form={form} action={fresh ? 'Add' : 'Save'} onCancel={onClose} />
      </form>
    </Dialog>
  );
}

function path(user: string): string {
  return `${usersPath}/${encodeURIComponent(user)}`;
}
