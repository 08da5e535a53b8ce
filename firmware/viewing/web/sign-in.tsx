/**
 * The sign-in form: a page of its own at first; over what somebody was doing when their session ends, so that nothing
 * they typed is lost. The address stays, so that signing in leads to where one wanted to be.
 */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ApiFailure } from './api-client.ts';
import { Mark } from './brand-mark.tsx';
import { Dialog } from './parts-dialog.tsx';
import { Field } from './parts-form.tsx';
import { session, signIn } from './session-state.ts';
import { nowMs } from './site-state.ts';
import { clockText, durationText } from './time-text.ts';

/** For somebody whom the server does not know. */
export function SignInPage() {
  useEffect(() => {
    document.title = 'Sign in · Starling';
  }, []);
  return (
    <main class="sign-in" id="content" tabIndex={-1}>
      <h1>
        <Mark /> Starling
      </h1>
      <p class="quiet">Sign in to see the cameras of this site.</p>
      <SignInForm />
    </main>
  );
}

/** For somebody whose session has ended. */
export function SignInDialog() {
  return (
    <Dialog title="Please sign in again" firm class="sign-in-again" onClose={() => {}}>
      <p>Your session has ended. After signing in you are where you were.</p>
      <SignInForm />
    </Dialog>
  );
}

interface Wait {
  readonly untilMs: number;
}

function SignInForm() {
  const user = useSignal(session.value?.user ?? '');
  const password = useSignal('');
  const shown = useSignal(false);
  const busy = useSignal(false);
  const problem = useSignal('');
  const wait = useSignal<Wait | undefined>(undefined);
  const waitingMs = (wait.value?.untilMs ?? 0) - nowMs.value;
  const send = async (form: HTMLFormElement) => {
    busy.value = true;
    problem.value = '';
    try {
      await signIn(user.value, password.value);
    } catch (failed) {
      if (!(failed instanceof ApiFailure)) throw failed;
      const { retryAfterMs } = failed;
      if (retryAfterMs !== undefined) wait.value = { untilMs: Date.now() + retryAfterMs };
      problem.value = `${failed.message} ${retryAfterMs === undefined ? failed.advice : ''}`.trim();
      form.querySelector<HTMLInputElement>('[name="password"]')?.select();
    } finally {
      busy.value = false;
    }
  };
  return (
    <form
      class="form"
      method="post"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy.value && waitingMs <= 0) void send(event.currentTarget);
      }}
    >
      <Field label="User">
        {(control) => (
          <input
            {...control}
            name="username"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
            value={user.value}
            onInput={(event) => {
              user.value = event.currentTarget.value;
            }}
          />
        )}
      </Field>
      <Field label="Password">
        {(control) => (
          <span class="password">
            <input
              {...control}
              name="password"
              {...({ type: shown.value ? 'text' : 'password' } as { type: 'password' })}
              autocomplete="current-password"
              required
              value={password.value}
              onInput={(event) => {
                password.value = event.currentTarget.value;
              }}
            />
            <button
              type="button"
              aria-pressed={shown.value}
              aria-label="Show the password"
              onClick={() => {
                shown.value = !shown.value;
              }}
            >
              {shown.value ? 'Hide' : 'Show'}
            </button>
          </span>
        )}
      </Field>
      <div role="alert">{problem.value !== '' && <p class="form-problem">{problem.value}</p>}</div>
      {waitingMs > 0 && wait.value !== undefined && (
        <p>
          {`You can try again at ${clockText(wait.value.untilMs)}`}
          <span aria-hidden="true">{`, in ${durationText(waitingMs)}`}</span>.
        </p>
      )}
      <button type="submit" class="primary" disabled={busy.value || waitingMs > 0} aria-busy={busy.value}>
        {busy.value ? 'Signing in …' : 'Sign in'}
      </button>
    </form>
  );
}
