// Audit logs of several servers as one: every entry once, in order, whatever times they share and wherever pages end.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeAuditPages, type ServerAuditPage } from '../../firmware/viewing/audit-pages.ts';
import { peerAuditPages } from '../../firmware/viewing/audit-peers.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

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

test('a page that ends before it has begun is no answer, for it would hide what others have', async () => {
  const clock = new VirtualClock();
  const iso = (ms: number): string => new Date(clock.utcMs() + ms).toISOString();
  const entry = { at: iso(-5_000), user: 'anna', action: 'watch', camera: null, detail: '', from: '' };
  const asked = async (page: object, beforeMs: number): Promise<string[]> => {
    const body = Buffer.from(JSON.stringify(page));
    const { pages, unreachable } = await peerAuditPages(
      { beforeMs, limit: 10, user: undefined, camera: undefined },
      {
        clock,
        peers: {
          get: async () => ({ status: 200, headers: {}, body: Readable.from([body]) }),
          webSocket: () => assert.fail('no WebSocket is needed'),
        },
        directory: {
          site: 'demo',
          self: 's1',
          servers: () => [{ id: 's2', state: 'reachable', hops: 1, pageUrl: '', cameras: [] }],
          cameras: () => [],
        },
      },
    );
    return [...pages.map(({ server }) => `told by ${server}`), ...unreachable];
  };
  const newest = Number.MAX_SAFE_INTEGER / 1_000;
  const before = clock.utcMs() - 1_000;
  for (const [page, beforeMs] of [
    [{ entries: [], next: '9000-01-01T00:00:00Z' }, newest],
    [{ entries: [], next: '2200-01-01T00:00:00Z' }, newest],
    [{ entries: [], next: iso(-999) }, before],
    [{ entries: [entry], next: iso(-4_999) }, newest],
  ] as const)
    assert.deepEqual(await asked(page, beforeMs), ['s2'], JSON.stringify(page));
  for (const page of [
    { entries: [entry], next: entry.at },
    { entries: [], next: iso(-2_000) },
    { entries: [entry], next: null },
  ])
    assert.deepEqual(await asked(page, before), ['told by s2'], JSON.stringify(page));
});
