/**
 * What of the API gets into the audit log: every change that was made, and of what is read, pictures and recordings.
 * A route need not know of it; one that has more to say than its method and path says it with `describeDone`.
 */
import type { Context, MiddlewareHandler } from 'hono';
import type { AuditAction, AuditNote, AuditTrail } from '../access/audit-trail.ts';
import type { Env } from './routing.ts';

/** Of what is read: the end of a path below /api/cameras/{camera}/, and what it is called. */
const reads: readonly { readonly end: RegExp; readonly action: AuditAction; readonly detail: string }[] = [
  { end: /^(?:segments|parts)\//, action: 'watch', detail: 'recordings' },
  { end: /^keyframe\.mp4$/, action: 'watch', detail: 'recordings' },
  { end: /^playlist\.m3u8$/, action: 'watch', detail: 'recordings' },
  { end: /^frame\.jpg$/, action: 'snapshot', detail: '' },
  { end: /^video\.mp4$/, action: 'export', detail: '' },
];

const cameraPath = /^\/api\/cameras\/([a-z0-9][a-z0-9-]{0,31})(?:\/(.*))?$/;
const described = new WeakMap<Request, AuditNote>();

/** Says what a request has done, in place of its method and path. */
export function describeDone(c: Context<Env>, note: AuditNote): void {
  described.set(c.req.raw, note);
}

/** Notes requests that were answered; before the routes. */
export function auditedRequests(trail: AuditTrail): MiddlewareHandler<Env> {
  return async (c, next) => {
    await next();
    const asking = c.get('principal');
    // Signing in and out is noted where it is done, also when it fails.
    if (asking === undefined || c.res.status >= 400 || c.req.path.startsWith('/api/session')) return;
    const [, camera, end = ''] = cameraPath.exec(c.req.path) ?? [];
    if (c.req.method === 'GET') {
      const read = camera === undefined ? undefined : reads.find((one) => one.end.test(end));
      if (read === undefined) return;
      trail.note(asking, read.action, { camera, detail: read.detail || rangeText(c) });
    } else if (c.req.method !== 'HEAD' && c.req.method !== 'OPTIONS') {
      const action = actionOf(c.req.method, end);
      const detail = action === 'steer' ? '' : `${c.req.method} ${c.req.path}`;
      trail.note(asking, action, { camera, detail, ...described.get(c.req.raw) });
    }
  };
}

function actionOf(method: string, end: string): AuditAction {
  if (method === 'DELETE') return 'delete';
  if (end === 'ptz') return 'steer';
  return method === 'POST' && end === 'protected' ? 'protect' : 'change';
}

/** Such as `2026-11-22T12:00:00Z to 2026-11-22T12:10:00Z`; empty for the present. */
function rangeText(c: Context<Env>): string {
  const { from, to, at } = c.req.query();
  return at ?? [from, to].filter((part) => part !== undefined).join(' to ');
}
