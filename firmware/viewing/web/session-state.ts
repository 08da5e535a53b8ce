/**
 * Who looks at this page, as the connected server says. While it says nobody, the sign-in form is shown and nothing
 * else is asked. What somebody may do decides what the page offers; the servers decide what it gets.
 */

import { batch, signal } from '@preact/signals';
import type { SessionAnswer } from '../api.ts';
import { ApiFailure, getJson, onUnidentified, sendJson } from './api-client.ts';

type Role = SessionAnswer['role'];

const path = '/api/session';
const roles: readonly Role[] = ['viewer', 'operator', 'admin'];

/** undefined until the server has answered, null while it knows nobody. */
export const session = signal<SessionAnswer | null | undefined>(undefined);
/** The server has forgotten who that is: what they were doing is kept behind the sign-in form. */
export const sessionLost = signal(false);

onUnidentified(() => {
  if (session.value) sessionLost.value = true;
  else session.value = null;
});

/** Whether the person has a role, or one that includes it. */
export function may(role: Role): boolean {
  const has = session.value?.role;
  return has !== undefined && roles.indexOf(has) >= roles.indexOf(role);
}

/** Asks who is signed in. Rejects with ApiFailure when there is no answer. */
export async function loadSession(signal: AbortSignal): Promise<void> {
  try {
    session.value = await getJson<SessionAnswer>(path, signal);
  } catch (problem) {
    if (!(problem instanceof ApiFailure) || problem.status !== 401) throw problem;
    session.value = null;
  }
}

/** Signs in. Rejects with ApiFailure: status 401 for a wrong name or password, 429 after too many. */
export async function signIn(user: string, password: string): Promise<void> {
  const fresh = await sendJson<SessionAnswer>('POST', path, { user, password });
  // what another person left open is none of this one's business
  if (sessionLost.value && session.value?.user !== fresh.user) location.reload();
  batch(() => {
    sessionLost.value = false;
    session.value = fresh;
  });
}

/** Signs out, here and on every page of this browser. */
export async function signOut(): Promise<void> {
  await sendJson('DELETE', path, undefined);
  session.value = null;
}
