/**
 * Asks the other servers for pages of their audit logs; what they say is checked and bounded: a page cannot end before
 * it has begun, for then it would hide the entries of all others.
 */
import { z } from 'zod';
import type { AuditQuery } from '../access/audit-log.ts';
import { Failure } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import type { ServerAuditPage } from './audit-pages.ts';
import type { Directory } from './directory.ts';
import { getPeerJson, type PeerAccess } from './holders.ts';
import { formatMs } from './time-query.ts';

const answerMs = 2_000;
const entriesMax = 1_000;

const timeMs = z.iso.datetime().transform((text) => Date.parse(text));
const pageJson = z.object({
  entries: z
    .array(
      z.object({
        at: timeMs,
        user: z.string().max(100),
        action: z.string().max(32),
        camera: z.string().refine(isId).nullable(),
        detail: z.string().max(200),
        from: z.string().max(64),
      }),
    )
    .max(entriesMax),
  next: timeMs.nullable(),
});

export async function peerAuditPages(
  { beforeMs, limit, user, camera }: AuditQuery,
  access: PeerAccess & { directory: Directory },
): Promise<{ pages: ServerAuditPage[]; unreachable: string[] }> {
  const query = new URLSearchParams({ before: formatMs(Math.floor(beforeMs) * 1000), limit: String(limit) });
  if (user !== undefined) query.set('user', user);
  if (camera !== undefined) query.set('camera', camera);
  const others = access.directory.servers().filter(({ id }) => id !== access.directory.self);
  const unreachable: string[] = [];
  const pages: ServerAuditPage[] = [];
  await Promise.all(
    others.map(async ({ id, state }) => {
      const page =
        state === 'unreachable' ? undefined : await peerPage(access, id, `/api/audit?${query.toString()}`);
      const latestMs = Math.min(beforeMs, page?.entries[0]?.atMs ?? access.clock.utcMs());
      if (page === undefined || (page.nextMs ?? 0) > latestMs) unreachable.push(id);
      else pages.push(page);
    }),
  );
  return { pages, unreachable };
}

async function peerPage(
  access: PeerAccess,
  server: string,
  path: string,
): Promise<ServerAuditPage | undefined> {
  try {
    const { json } = await getPeerJson(access, server, path, answerMs);
    const { entries, next } = pageJson.parse(json);
    return {
      server,
      entries: entries.map(({ at, camera, ...rest }) => ({ atMs: at, ...rest, camera: camera ?? undefined })),
      nextMs: next ?? undefined,
    };
  } catch (thrown) {
    if (!(thrown instanceof Failure || thrown instanceof z.ZodError)) throw thrown;
    return undefined;
  }
}
