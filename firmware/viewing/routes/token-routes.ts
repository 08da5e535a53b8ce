/** Tokens for programs. */
import type { Access } from '../../access/access.ts';
import type { Token } from '../../access/access-rows.ts';
import { rightsJson, timeText, valueOf } from '../access-answers.ts';
import type { TokenAnswer } from '../api.ts';
import { describeDone } from '../audited-requests.ts';
import { type Api, describeRoute, json, jsonBody, principal } from '../routing.ts';
import { newTokenAnswer, tokenParams, tokensAnswer, tokenWish } from '../schemas/access-schemas.ts';
import { errorAnswer } from '../schemas/error-schema.ts';
import { camerasText } from './user-routes.ts';

export interface TokenRouteOptions {
  readonly accounts: Access;
}

const tags = ['tokens'];

const listRoute = describeRoute('admin', {
  method: 'get',
  path: '/api/tokens',
  tags,
  summary: 'All tokens, without their secrets',
  responses: { 200: json(tokensAnswer, 'of the site') },
});

const addRoute = describeRoute('admin', {
  method: 'post',
  path: '/api/tokens',
  tags,
  summary: 'Makes a token',
  request: { body: jsonBody(tokenWish) },
  responses: {
    201: json(newTokenAnswer, 'with the token itself, this once'),
    409: json(errorAnswer, 'there are too many'),
    503: json(errorAnswer, 'the site cannot take it now'),
  },
});

const removeRoute = describeRoute('admin', {
  method: 'delete',
  path: '/api/tokens/{token}',
  tags,
  summary: 'Revokes a token, by its id',
  request: { params: tokenParams },
  responses: { 204: { description: 'revoked' } },
});

export function addTokenRoutes(api: Api, { accounts }: TokenRouteOptions): void {
  const { administration } = accounts;
  api.openapi(listRoute, (c) => c.json({ tokens: administration.tokens().map(tokenJson) }));
  api.openapi(addRoute, (c) => {
    const { name, role, cameras, days } = c.req.valid('json');
    const order = { name, role, cameras, days, createdBy: principal(c).name };
    const { token, text } = valueOf(administration.addToken(order));
    describeDone(c, { detail: `new token ${token.id} (${name}) ${role} ${camerasText(token)}` });
    return c.json({ ...tokenJson(token), token: text }, 201);
  });
  api.openapi(removeRoute, (c) => {
    const { id, name } = valueOf(administration.removeToken(c.req.valid('param').token));
    describeDone(c, { detail: `token ${id} (${name})` });
    return c.body(null, 204);
  });
}

function tokenJson(token: Token): TokenAnswer {
  const { id, name, createdAtMs, createdBy, expiresAtMs } = token;
  return {
    id,
    name,
    ...rightsJson(token),
    createdAt: timeText(createdAtMs),
    createdBy,
    expiresAt: expiresAtMs === undefined ? null : timeText(expiresAtMs),
  };
}
