/** The person who looks: who the server says they are, their password, this device's looks, and the way out. */
import { sendJson } from './api-client.ts';
import { FormActions, TextField, useForm } from './parts-form.tsx';
import { attempt, showToast } from './parts-toast.tsx';
import { camerasText } from './people-rights.tsx';
import { session, signOut } from './session-state.ts';
import { chooseTheme, type ThemeChoice, themeChoice } from './theme.ts';

const themes: readonly (readonly [ThemeChoice, string])[] = [
  ['auto', 'As the device'],
  ['dark', 'Dark'],
  ['light', 'Light'],
];

export function AccountPage() {
  const known = session.value;
  if (known === null || known === undefined) return null;
  const open = known.via === 'open';
  return (
    <div class="account">
      <section class="card">
        <h2>{open ? 'Open to everybody' : known.user}</h2>
        <p>
          {open
            ? 'This server asks nobody who they are. Whoever reaches it may do everything.'
            : `You are ${known.role === 'viewer' ? 'a' : 'an'} ${known.role}, for ${camerasText(known.cameras)}.`}
        </p>
        {!open && (
          <p>
            <button type="button" onClick={() => void attempt('You are still signed in', signOut)}>
              Sign out
            </button>
          </p>
        )}
      </section>
      {known.via === 'session' && <PasswordForm user={known.user} />}
      <section class="card">
        <h2>This device</h2>
        <fieldset class="choice">
          <legend>Looks</legend>
          {themes.map(([choice, text]) => (
            <label key={choice} class="check">
              <input
                type="radio"
                name="theme"
                checked={themeChoice.value === choice}
                onChange={() => chooseTheme(choice)}
              />
              {text}
            </label>
          ))}
        </fieldset>
      </section>
    </div>
  );
}

function PasswordForm({ user }: { user: string }) {
  const empty = { old: '', new: '', again: '' };
  const form = useForm({
    initial: empty,
    about: { old: /old password/i, new: /password/i },
    check: (values) => ({
      ...(values.old === '' ? { old: 'Give the password you have now.' } : {}),
      ...(values.new === '' ? { new: 'Give a new password.' } : {}),
      ...(values.new === values.again ? {} : { again: 'This is not the same.' }),
    }),
    save: async (values) => {
      await sendJson('PUT', '/api/session/password', { old: values.old, new: values.new });
      form.reset(empty);
      showToast('Your password is changed.');
    },
  });
  const secret = (autocomplete: string) => ({ type: 'password', autocomplete });
  return (
    <form class="card form" onSubmit={form.submit}>
      <h2>Password</h2>
      {/* so that a password manager knows whose it is */}
      <input type="text" name="username" autocomplete="username" value={user} readOnly hidden />
      <TextField form={form} name="old" label="Password now" input={secret('current-password')} />
      <TextField form={form} name="new" label="New password" input={secret('new-password')} />
      <TextField form={form} name="again" label="The new one again" input={secret('new-password')} />
      <FormActions form={form} action="Change the password" />
    </form>
  );
}
