// Audit logs of several servers as one: every entry once, in order, whatever times they share and wherever pages end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeAuditPages, type ServerAuditPage } from '../../firmware/viewing/audit-pages.ts';

const times = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 40 });

/** A page as a server answers: the newest `limit` before a time; `scanned` ends the search early, as filters do. */
function pageOf(
  server: string,
  of: readonly number[],
  beforeMs: number,
  limit: number,
  scanned: number,
): ServerAuditPage {
  const older = of.filter((atMs) => atMs < beforeMs).sort((a, b) => b - a);
  const kept = older.slice(0, Math.min(limit, scanned));
  const entries = kept.map((atMs) => {
    return { atMs, user: 'anna', action: 'watch', camera: undefined, detail: '', from: '' };
  });
  return { server, entries, nextMs: older.length > kept.length ? kept.at(-1) : undefined };
}

test('pages that follow one another hold every entry of every server exactly once, the newest first', () => {
  const limits = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(
      fc.array(times, { minLength: 1, maxLength: 4 }),
      limits,
      limits,
      (servers, limit, scanned) => {
        const seen: string[] = [];
        let last = Number.POSITIVE_INFINITY;
        let pages = 0;
        for (let beforeMs: number | undefined = 1_000; beforeMs !== undefined; pages++) {
          assert.ok(pages < 400, 'pages end');
          const before: number = beforeMs;
          const answers = servers.map((of, n) => pageOf(`ss-${n}`, of, before, limit, scanned));
          const { entries, nextMs } = mergeAuditPages(answers, limit);
          assert.ok(entries.length <= limit + servers.length, 'bounded');
          for (const { server, atMs } of entries) {
            assert.ok(atMs <= last, 'in order');
            last = atMs;
            seen.push(`${server} ${atMs}`);
          }
          beforeMs = nextMs;
        }
        const all = servers.flatMap((of, n) => of.map((atMs) => `ss-${n} ${atMs}`));
        assert.deepEqual(seen.toSorted(), all.toSorted());
      },
    ),
  );
});
