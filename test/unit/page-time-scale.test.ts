/** The scale of the page's timeline: zoom keeps the anchor, ticks stand at round local times, also when clocks change. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { dayKey, monthStart, weeksOf } from '../../firmware/viewing/web/calendar-days.ts';
import {
  bounded,
  fitted,
  following,
  keyStepMs,
  spanMsMax,
  spanMsMin,
  spanOf,
  spanText,
  ticks,
  zoomed,
} from '../../firmware/viewing/web/time-scale.ts';

process.env['TZ'] = 'Europe/Berlin';
const noonMs = Date.parse('2026-11-22T11:00:00Z');
const hour = 3_600_000;
const range = { fromMs: noonMs - hour, toMs: noonMs + hour };

describe('the scale of a timeline', () => {
  it('keeps what is under the pointer where it is, whatever the zoom, within its bounds', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 1000, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (factor, share) => {
          const anchor = range.fromMs + share * spanOf(range);
          const next = zoomed(range, factor, anchor);
          assert.ok(Math.abs((anchor - next.fromMs) / spanOf(next) - share) < 1e-6, 'the anchor moved');
          assert.ok(
            spanOf(next) >= spanMsMin - 1 && spanOf(next) <= spanMsMax + 1,
            `a span of ${spanOf(next)}`,
          );
        },
      ),
    );
  });

  it('shows at most a third of the future', () => {
    const far = bounded({ fromMs: noonMs + 10 * hour, toMs: noonMs + 13 * hour }, noonMs);
    assert.deepEqual(far, { fromMs: noonMs - 2 * hour, toMs: noonMs + hour });
    assert.equal(bounded(range, noonMs + hour), range);
  });

  it('shows a camera that is new without the time before it, but not less than three minutes', () => {
    assert.equal(fitted(range, range.fromMs - 1), range);
    const young = fitted(range, range.toMs - 600_000);
    assert.deepEqual(young, { fromMs: range.toMs - 690_000, toMs: range.toMs });
    assert.equal(spanOf(fitted(range, range.toMs - 1_000)), 180_000);
  });

  it('follows the head only when it comes near an edge', () => {
    assert.equal(following(range, noonMs, 0.2), range);
    const next = following(range, range.toMs + 1, 0.25);
    assert.equal((range.toMs + 1 - next.fromMs) / spanOf(next), 0.25);
  });

  it('has ticks at round local times, as many as have room', () => {
    const labels = (from: string, to: string, width = 800) =>
      ticks({ fromMs: Date.parse(from), toMs: Date.parse(to) }, width, 80).map(({ label }) => label);
    assert.deepEqual(labels('2026-11-22T11:00:00Z', '2026-11-22T12:00:00Z').slice(0, 3), [
      '12:00',
      '12:10',
      '12:20',
    ]);
    assert.deepEqual(labels('2026-11-22T11:00:00Z', '2026-11-22T11:00:02Z').slice(0, 2), [
      '12:00:00.0',
      '12:00:00.2',
    ]);
    const day = labels('2026-11-21T23:00:00Z', '2026-11-22T22:59:59Z');
    assert.match(day[0] ?? '', /22/);
    assert.deepEqual(day.slice(1, 4), ['03:00', '06:00', '09:00']);
  });

  it('has midnight and noon in their places on days of 25 and of 23 hours', () => {
    for (const [from, to] of [
      ['2026-10-24T22:00:00Z', '2026-10-26T23:00:00Z'],
      ['2026-03-28T23:00:00Z', '2026-03-30T22:00:00Z'],
    ] as const) {
      const marks = ticks({ fromMs: Date.parse(from), toMs: Date.parse(to) }, 700, 80);
      for (const { ms, day } of marks) {
        const hours = new Date(ms).getHours();
        assert.equal(hours % 6, 0, new Date(ms).toISOString());
        assert.equal(day, hours === 0);
      }
      assert.equal(marks.filter(({ day }) => day).length, 3);
    }
  });

  it('never draws more ticks than fit, at any zoom', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: spanMsMin, max: spanMsMax }),
        fc.integer({ min: 100, max: 3000 }),
        (span, width) => {
          const marks = ticks({ fromMs: noonMs - span, toMs: noonMs }, width, 80);
          assert.ok(marks.length <= width / 80 + 2, `${marks.length} ticks on ${width} pixels`);
          for (const [place, { ms }] of marks.entries())
            assert.ok(place === 0 || ms > (marks[place - 1]?.ms ?? 0), 'in order');
        },
      ),
    );
  });

  it('moves by keys in round steps, and says in words how much it shows', () => {
    assert.equal(keyStepMs(range), 120_000);
    assert.equal(keyStepMs({ fromMs: 0, toMs: 1_000 }), 100);
    assert.equal(spanText(range), '2 h');
    assert.equal(spanText({ fromMs: 0, toMs: 7.5 * 60_000 }), '7.5 min');
  });
});

describe('the calendar', () => {
  it('has whole weeks from Monday on, and each day once, also in months with a change of clocks', () => {
    for (let month = 0; month < 12; month += 1) {
      const first = new Date(2026, month, 1).getTime();
      assert.equal(monthStart(first + 17 * 86_400_000 + 5_000), first);
      const weeks = weeksOf(first);
      const days = weeks.flat().filter((ms) => monthStart(ms) === first);
      assert.equal(days.length, new Date(2026, month + 1, 0).getDate());
      assert.equal(new Set(days.map(dayKey)).size, days.length);
      for (const week of weeks) {
        assert.equal(week.length, 7);
        assert.equal(new Date(week[0] ?? 0).getDay(), 1);
      }
    }
  });
});
