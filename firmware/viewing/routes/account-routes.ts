/** The routes about people: sessions, users, tokens, links and the audit log. */
import { auditedRequests } from '../audited-requests.ts';
import type { Api } from '../routing.ts';
import { type AuditRouteOptions, addAuditRoutes } from './audit-routes.ts';
import { addLinkRoutes } from './link-routes.ts';
import { addSessionRoutes } from './session-routes.ts';
import { addTokenRoutes } from './token-routes.ts';
import { addUserRoutes, type UserRouteOptions } from './user-routes.ts';

export function addAccountRoutes(api: Api, options: AuditRouteOptions & UserRouteOptions): void {
  addSessionRoutes(api, options);
  addUserRoutes(api, options);
  addTokenRoutes(api, options);
  addLinkRoutes(api, options);
  addAuditRoutes(api, options);
}

/** Before all routes: what is done from here on is noted. */
export function auditFirst(api: Api, { accounts }: Pick<AuditRouteOptions, 'accounts'>): void {
  api.use('/api/*', auditedRequests(accounts.trail));
}
