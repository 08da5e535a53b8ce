/**
 * Pages of the audit logs of several servers as one page, the newest first.
 *
 * Invariant: a page and those that follow it (`before` its `nextMs`) have every entry of every server exactly once,
 * whatever times they share: entries of one ms are never parted.
 */
import type { AuditEntry } from '../access/audit-trail.ts';

export type NamedEntry = Omit<AuditEntry, 'action'> & { readonly server: string; readonly action: string };

export interface ServerAuditPage {
  readonly server: string;
  /** the newest first */
  readonly entries: readonly (Omit<AuditEntry, 'action'> & { readonly action: string })[];
  /** this server has no other entries from here on; undefined: none at all */
  readonly nextMs: number | undefined;
}

export function mergeAuditPages(
  pages: readonly ServerAuditPage[],
  limit: number,
): { entries: NamedEntry[]; nextMs: number | undefined } {
  // Before this, some server has entries that it has not told yet.
  const toldMs = Math.max(...pages.map(({ nextMs }) => nextMs ?? 0), 0);
  const entries = pages
    .flatMap(({ server, entries: of }) => of.map((entry) => ({ ...entry, server })))
    .sort((a, b) => b.atMs - a.atMs || (a.server < b.server ? -1 : 1));
  const told = entries.filter(({ atMs }) => atMs >= toldMs);
  const lastMs = told[limit - 1]?.atMs ?? 0;
  const kept = told.filter(({ atMs }) => atMs >= lastMs);
  const isCut = kept.length < entries.length;
  if (!isCut) return { entries: kept, nextMs: toldMs > 0 ? toldMs : undefined };
  return { entries: kept, nextMs: Math.max(toldMs, kept.length < told.length ? lastMs : 0) };
}
