/** The users of the site. */
import type { Access } from '../../access/access.ts';
import type { User } from '../../access/access-rows.ts';
import { rightsJson, timeText, valueOf } from '../access-answers.ts';
import type { AccessControl } from '../access-control.ts';
import type { UserAnswer } from '../api.ts';
import { describeDone } from '../audited-requests.ts';
import { type Api, describeRoute, json, jsonBody, principal } from '../routing.ts';
import { userAnswer, userConditions, userParams, usersAnswer, userWish } from '../schemas/access-schemas.ts';
import { errorAnswer } from '../schemas/error-schema.ts';

export interface UserRouteOptions {
  readonly accounts: Access;
  readonly access: AccessControl;
}

const tags = ['users'];
const path = '/api/users/{user}';
const lastAdmin = json(errorAnswer, 'the last admin stays one, or there are too many users');

const listRoute = describeRoute('admin', {
  method: 'get',
  path: '/api/users',
  tags,
  summary: 'All users',
  responses: { 200: json(usersAnswer, 'of the site') },
});

const putRoute = describeRoute('admin', {
  method: 'put',
  path,
  tags,
  summary: 'Makes or changes a user; another role or password ends their sessions and links',
  request: { params: userParams, headers: userConditions, body: jsonBody(userWish) },
  responses: {
    200: json(userAnswer, 'changed'),
    201: json(userAnswer, 'made'),
    409: lastAdmin,
    412: json(
      errorAnswer,
      'with `if-none-match: *`: there is such a user; with `if-match: *`: there is none',
    ),
    503: json(errorAnswer, 'the site cannot take it now'),
  },
});

const removeRoute = describeRoute('admin', {
  method: 'delete',
  path,
  tags,
  summary: 'Removes a user; their sessions and links end everywhere',
  request: { params: userParams },
  responses: { 204: { description: 'removed' }, 409: lastAdmin },
});

export function addUserRoutes(api: Api, { accounts, access }: UserRouteOptions): void {
  const { administration } = accounts;
  api.openapi(listRoute, (c) => c.json({ users: administration.users().map(userJson) }));
  api.openapi(putRoute, async (c) => {
    const { role, cameras, password } = c.req.valid('json');
    const name = c.req.valid('param').user;
    const asking = principal(c);
    const isStillAdmin = (): boolean => access.current(asking)?.role === 'admin';
    const conditions = c.req.valid('header');
    const only = 'if-none-match' in conditions ? 'new' : 'if-match' in conditions ? 'known' : undefined;
    const wish = { role, cameras, password };
    const { user, isNew } = valueOf(await administration.putUser(name, wish, { isStillAdmin, only }));
    const parts = [isNew ? 'new user' : 'user', user.name, role, camerasText(user)];
    if (!isNew && password !== undefined) parts.push('with a new password');
    describeDone(c, { detail: parts.join(' ') });
    return c.json(userJson(user), isNew ? 201 : 200);
  });
  api.openapi(removeRoute, (c) => {
    const { user } = c.req.valid('param');
    valueOf(administration.removeUser(user));
    describeDone(c, { detail: `user ${user}` });
    return c.body(null, 204);
  });
}

function userJson(user: User): UserAnswer {
  return { user: user.name, ...rightsJson(user), createdAt: timeText(user.createdAtMs) };
}

/** For the audit log. */
export function camerasText({ cameras }: Pick<User, 'cameras'>): string {
  if (cameras === 'all') return 'all cameras';
  return cameras.length === 0 ? 'no camera' : cameras.join(',');
}
