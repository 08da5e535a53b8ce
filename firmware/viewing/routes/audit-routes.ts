/** The audit log of all servers. */
import type { Access } from '../../access/access.ts';
import type { Clock } from '../../base/clock.ts';
import { timeText } from '../access-answers.ts';
import type { AuditAnswer } from '../api.ts';
import { mergeAuditPages, type ServerAuditPage } from '../audit-pages.ts';
import { peerAuditPages } from '../audit-peers.ts';
import type { Directory, PeerClient } from '../directory.ts';
import { peersFor } from '../forwarding.ts';
import { type Api, describeRoute, json, own, Refusal } from '../routing.ts';
import { auditAnswer, auditQuery } from '../schemas/access-schemas.ts';
import { parseTime } from '../time-query.ts';

export interface AuditRouteOptions {
  readonly accounts: Access;
  readonly directory: Directory;
  readonly peers: PeerClient;
  readonly clock: Clock;
}

const limitDefault = 100;

const auditRoute = describeRoute('admin', {
  method: 'get',
  path: '/api/audit',
  tags: ['site'],
  summary: 'Who did what: signed in, watched, exported, steered, changed, deleted',
  request: { query: auditQuery },
  responses: { 200: json(auditAnswer, 'of all servers') },
});

export function addAuditRoutes(api: Api, options: AuditRouteOptions): void {
  const { accounts, directory, peers } = options;
  api.openapi(auditRoute, async (c) => {
    const { before, limit = limitDefault, user, camera } = c.req.valid('query');
    const beforeMs = before === undefined ? Number.MAX_SAFE_INTEGER / 1000 : timeMs(before);
    const query = { beforeMs, limit, user, camera };
    const { entries, nextMs } = await accounts.audit.read(query);
    const pages: ServerAuditPage[] = [{ server: directory.self, entries, nextMs }];
    const unreachable: string[] = [];
    if (!own(c)) {
      const asked = await peerAuditPages(query, { ...options, peers: peersFor(c, peers) });
      pages.push(...asked.pages);
      unreachable.push(...asked.unreachable);
    }
    const merged = mergeAuditPages(pages, limit);
    const answer: AuditAnswer = {
      entries: merged.entries.map(({ atMs, camera: of, ...rest }) => {
        return { at: timeText(atMs), ...rest, camera: of ?? null };
      }),
      unreachable: unreachable.sort(),
      more: merged.nextMs !== undefined,
      next: merged.nextMs === undefined ? null : timeText(merged.nextMs),
    };
    return c.json(answer);
  });
}

function timeMs(text: string): number {
  const time = parseTime(text);
  if (time.ok) return Math.ceil(time.value / 1000);
  throw new Refusal(400, `before ${time.reason}`, 'Ask for ?before=2026-11-22T12:00:00Z.');
}
