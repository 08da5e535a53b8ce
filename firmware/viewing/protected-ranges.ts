/**
 * Protected ranges in the HTTP API: what is kept of a camera, to keep more, to keep it no longer. Every server of the
 * site knows them, so this server's answer is everybody's.
 */
import type { Context, Hono } from 'hono';
import type { Result } from '../base/result.ts';
import type { Protection } from '../recording/protections.ts';
import { type Connection, refuse } from './answers.ts';
import type { ProtectedAnswer, ProtectedRangeAnswer } from './api.ts';
import { foreignRequest } from './request-purpose.ts';
import { formatMs, formatMsUp, parseRange } from './time-query.ts';

/** What the viewing side asks of the site's protected ranges. */
export interface ProtectionAccess {
  /** by start */
  of(camera: string): readonly Protection[];
  /** Keeps a range on every server; refused with a reason. */
  add(wish: Pick<Protection, 'camera' | 'fromUs' | 'toUs' | 'note' | 'by'>): Result<Protection>;
  /** False when there is none of this id. */
  remove(camera: string, id: string): boolean;
}

const path = '/api/cameras/:id/protected';
/** For the check of methods before anything is routed. */
const protectedPath = /^\/api\/cameras\/[^/]+\/protected(\/[^/]+)?$/;

/** Whether a request may change protected ranges, by its method and path. */
export function changesProtection(method: string, pathname: string | undefined): boolean {
  const [match, range] = protectedPath.exec(pathname ?? '') ?? [];
  return match !== undefined && method === (range === undefined ? 'POST' : 'DELETE');
}

/** Adds the routes; a camera's id has been checked before. */
export function addProtectedRanges(
  app: Hono<{ Bindings: Connection }>,
  options: { protections: ProtectionAccess; isKnown: (camera: string) => Promise<boolean> },
): void {
  const { protections, isKnown } = options;
  const list = (c: Context<{ Bindings: Connection }>, camera: string): Response =>
    c.json({ camera, ranges: protections.of(camera).map(formatProtection) } satisfies ProtectedAnswer);
  app.get(path, (c) => list(c, c.req.param('id')));
  app.post(path, async (c) => {
    const refusal = foreignRequest(c);
    if (refusal !== undefined) return refusal;
    const camera = c.req.param('id');
    const range = parseRange({ from: c.req.query('from'), to: c.req.query('to') });
    const advice = 'Send ?from=2026-11-22T12:00:00Z&to=2026-11-22T12:10:00Z, and &note= if you like.';
    if (!range.ok) return refuse(400, range.reason, advice);
    // A typing error would protect nothing, for ever.
    if (!(await isKnown(camera))) {
      return refuse(404, `no camera is named ${camera}`, 'See /api/cameras for those there are.');
    }
    const note = c.req.query('note') ?? '';
    const added = protections.add({ camera, ...range.value, note, by: c.req.query('by') ?? '' });
    if (added.ok) return c.json(formatProtection(added.value), 201);
    return refuse(409, added.reason, 'Shorten the note, or remove ranges that need not be kept any longer.');
  });
  app.delete(`${path}/:range`, (c) => {
    const refusal = foreignRequest(c);
    if (refusal !== undefined) return refusal;
    const { id, range } = c.req.param();
    if (protections.remove(id, range)) return list(c, id);
    return refuse(404, `no protected range of ${id} has this id`, 'List them for those there are.');
  });
}

function formatProtection({ id, fromUs, toUs, note, by, atUs }: Protection): ProtectedRangeAnswer {
  return { id, from: formatMs(fromUs), to: formatMsUp(toUs), note, by, at: formatMs(atUs) };
}
