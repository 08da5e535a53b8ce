/** Times and ranges in queries: what is taken, what is refused, and that nothing is rounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatMs,
  formatMsUp,
  formatSeconds,
  parseRange,
  parseTime,
} from '../../firmware/viewing/time-query.ts';
import { formatRanges, mergeRanges, subtractRanges } from '../../firmware/viewing/time-ranges.ts';

const noonUs = Date.parse('2026-11-22T12:00:00Z') * 1000;

for (const [text, us] of [
  ['2026-11-22T12:00:00Z', noonUs],
  ['2026-11-22T12:00:00.250Z', noonUs + 250_000],
  ['2026-11-22T12:00:00,5Z', noonUs + 500_000],
  ['2026-11-22t12:00z', noonUs],
  ['2026-11-22 12:00:00Z', noonUs],
  ['2026-11-22T21:00:00+09:00', noonUs],
  // an unescaped + in a URL
  ['2026-11-22T21:00:00 09:00', noonUs],
  ['2026-11-22', noonUs - 12 * 3_600_000_000],
  ['1795348800', noonUs],
  ['1795348800.000001', noonUs + 1],
  ['0', 0],
] as const) {
  test(`${text} is a time`, () => {
    assert.deepEqual(parseTime(text), { ok: true, value: us });
  });
}

for (const text of [
  '',
  ' ',
  'now',
  'NaN',
  'Infinity',
  '-1',
  '-0.5',
  '1e3',
  '0x10',
  '1,5',
  '12:00',
  '2026-11-22T12:00:00',
  '2026-02-30',
  '2026-13-01',
  '2026-11-22T25:00:00Z',
  '9007199254740993',
  '9007199254.740993',
  '99999999999999999999',
  '9999-01-01T00:00:00Z',
  '1969-12-31T23:59:59Z',
  '[object Object]',
  '__proto__',
  '1'.repeat(1000),
  '\u0000',
  '2026-11-22T12:00:00Z;',
]) {
  test(`${JSON.stringify(text.slice(0, 30))} is refused with a reason`, () => {
    const parsed = parseTime(text);
    assert.equal(parsed.ok, false);
    assert(!parsed.ok && parsed.reason.length > 10);
  });
}

test('whatever is typed gives a whole number within bounds, or a reason', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      const parsed = parseTime(text);
      return parsed.ok ? Number.isSafeInteger(parsed.value) && parsed.value >= 0 : parsed.reason !== '';
    }),
  );
});

test('seconds for another server come back as the same microsecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (us) => {
      const parsed = parseTime(formatSeconds(us));
      return parsed.ok && parsed.value === us;
    }),
  );
});

test('a range must run forward, and says which end is wrong', () => {
  assert.deepEqual(parseRange({ from: '1', to: '2' }), { ok: true, value: { fromUs: 1e6, toUs: 2e6 } });
  for (const [query, reason] of [
    [{ from: '2', to: '2' }, /from is not before to/],
    [{ from: '3', to: '2' }, /from is not before to/],
    [{ to: '2' }, /from is missing/],
    [{ from: '2' }, /to is missing/],
    [{ from: 'x', to: '2' }, /^from /],
    [{ from: '2', to: 'x' }, /^to /],
  ] as const) {
    const range = parseRange(query);
    assert(!range.ok);
    assert.match(range.reason, reason);
  }
});

test('missing ends are filled in where that is allowed', () => {
  const defaults = { toUs: 10e6, spanUs: 4e6 };
  assert.deepEqual(parseRange({}, defaults), { ok: true, value: { fromUs: 6e6, toUs: 10e6 } });
  assert.deepEqual(parseRange({ to: '2' }, defaults), { ok: true, value: { fromUs: 0, toUs: 2e6 } });
  assert.equal(parseRange({ from: '11' }, defaults).ok, false);
});

test('the end of a range is rounded up, its start down', () => {
  assert.equal(formatMs(noonUs + 999), '2026-11-22T12:00:00.000Z');
  assert.equal(formatMsUp(noonUs + 1), '2026-11-22T12:00:00.001Z');
});

test('ranges are merged and subtracted as sets', () => {
  const [a, b, c] = [
    { fromUs: 0, toUs: 10 },
    { fromUs: 8, toUs: 20 },
    { fromUs: 25, toUs: 30 },
  ];
  assert.deepEqual(mergeRanges([c, b, a]), [{ fromUs: 0, toUs: 20 }, c]);
  assert.deepEqual(mergeRanges([a, c], 15), [{ fromUs: 0, toUs: 30 }]);
  assert.deepEqual(subtractRanges([{ fromUs: 5, toUs: 40 }], [a, c]), [
    { fromUs: 10, toUs: 25 },
    { fromUs: 30, toUs: 40 },
  ]);
  assert.deepEqual(subtractRanges([a], [{ fromUs: 0, toUs: 10 }]), []);
  assert.equal(
    formatRanges([{ fromUs: noonUs, toUs: noonUs + 1500 }]),
    '2026-11-22T12:00:00.000Z/2026-11-22T12:00:00.002Z',
  );
});

test('more ranges than fit into a header are told as a set that holds them all', () => {
  const hour = (n: number) => ({ fromUs: noonUs + n * 3_600e6, toUs: noonUs + n * 3_600e6 + 60e6 });
  const told = (count: number): string[] =>
    formatRanges(Array.from({ length: count }, (_, n) => hour(n))).split(', ');
  assert.equal(told(64).at(-1), '2026-11-25T03:00:00.000Z/2026-11-25T03:01:00.000Z');
  const many = told(100);
  assert.equal(many.length, 64);
  assert.deepEqual(many.slice(0, 63), told(64).slice(0, 63));
  assert.equal(many.at(-1), '2026-11-25T03:00:00.000Z/2026-11-26T15:01:00.000Z');
});

test('what is left and what was taken away make the whole', () => {
  const range = fc
    .tuple(fc.nat(50), fc.nat(50))
    .map(([a, b]) => ({ fromUs: Math.min(a, b), toUs: Math.max(a, b) }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), fc.array(range, { maxLength: 8 }), (all, taken) => {
      const left = subtractRanges(all, taken);
      const inside = (ranges: readonly { fromUs: number; toUs: number }[], at: number): boolean =>
        ranges.some(({ fromUs, toUs }) => fromUs <= at && at < toUs);
      for (let at = 0; at < 50; at++) {
        if (inside(left, at) !== (inside(all, at) && !inside(taken, at))) return false;
      }
      return true;
    }),
  );
});
