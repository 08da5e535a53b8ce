/** Signing in and out, who is signed in, and one's own password. */
import type { Context } from 'hono';
import type { Access } from '../../access/access.ts';
import type { Principal } from '../../access/principal.ts';
import type { From } from '../../access/sign-in.ts';
import { rightsJson, timeText, valueOf } from '../access-answers.ts';
import type { SessionAnswer } from '../api.ts';
import { type Api, describeRoute, type Env, json, jsonBody, principal } from '../routing.ts';
import { passwordChange, sessionAnswer, signInWish } from '../schemas/access-schemas.ts';
import { errorAnswer } from '../schemas/error-schema.ts';

export interface SessionRouteOptions {
  readonly accounts: Access;
}

const path = '/api/session';
const tags = ['session'];
const tooMany = json(
  errorAnswer,
  'too many tries that failed; the header retry-after says when to try again',
);
const busy = json(errorAnswer, 'too many people sign in just now');

const showRoute = describeRoute('viewer', {
  method: 'get',
  path,
  tags,
  summary: 'Who is signed in',
  responses: { 200: json(sessionAnswer, 'whoever sends this') },
});

const signInRoute = describeRoute('anyone', {
  method: 'post',
  path,
  tags,
  summary: 'Signs in; the answer sets a cookie that every server of the site takes',
  request: { body: jsonBody(signInWish) },
  responses: {
    200: json(sessionAnswer, 'signed in'),
    401: json(errorAnswer, 'unknown name, or wrong password'),
    429: tooMany,
    503: busy,
  },
});

const signOutRoute = describeRoute('anyone', {
  method: 'delete',
  path,
  tags,
  summary: 'Signs out, on all servers',
  responses: { 204: { description: 'signed out' } },
});

const passwordRoute = describeRoute('viewer', {
  method: 'put',
  path: `${path}/password`,
  tags,
  summary: 'Changes the password of whoever is signed in; all other sessions of theirs end',
  request: { body: jsonBody(passwordChange) },
  responses: { 204: { description: 'changed' }, 429: tooMany, 503: busy },
});

export function addSessionRoutes(api: Api, { accounts }: SessionRouteOptions): void {
  const { signIn, identification } = accounts;
  const answer = (of: Principal): SessionAnswer => {
    const expiresAtMs = identification.expiryOf(of);
    return {
      user: of.name,
      ...rightsJson(of),
      via: of.via === 'session' || of.via === 'open' ? of.via : 'token',
      expiresAt: expiresAtMs === undefined ? null : timeText(expiresAtMs),
    };
  };
  api.openapi(showRoute, (c) => c.json(answer(principal(c))));
  api.openapi(signInRoute, async (c) => {
    const signedIn = valueOf(await signIn.signIn(c.req.valid('json'), fromOf(c)));
    c.header('set-cookie', signedIn.cookie);
    return c.json(answer(signedIn.principal));
  });
  api.openapi(signOutRoute, (c) => {
    const cookie = valueOf(signIn.signOut(c.get('principal'), fromOf(c)));
    return c.body(null, 204, { 'set-cookie': cookie });
  });
  api.openapi(passwordRoute, async (c) => {
    const changed = valueOf(await signIn.changePassword(principal(c), c.req.valid('json'), fromOf(c)));
    return c.body(null, 204, { 'set-cookie': changed.cookie });
  });
}

function fromOf(c: Context<Env>): From {
  return { address: c.env.remoteAddress, secure: c.env.secure };
}
