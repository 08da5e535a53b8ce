/** The calendar of the page, in places where clocks change, over what a server counts for one offset from UTC. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMonth, secondsByDay } from '../../firmware/viewing/recorded-month.ts';
import { dayKey, daysOf, localSeconds, offsetsOf } from '../../firmware/viewing/web/calendar-days.ts';

const hourMs = 3_600_000;
const tenMinutesUs = 600_000_000;

/** Does something in another place. */
function inZone(zone: string, work: () => void): void {
  const before = process.env['TZ'];
  process.env['TZ'] = zone;
  try {
    work();
  } finally {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  }
}

/** Seconds by day of a month, as the calendar shows them, when ten minutes are recorded from a time on. */
function shown(month: string, recordedMs: number): Record<string, number> {
  const range = { fromUs: recordedMs * 1_000, toUs: recordedMs * 1_000 + tenMinutesUs };
  const days = daysOf(month);
  const counted = offsetsOf(days).map((offset) => {
    const parsed = parseMonth(month, String(offset));
    if (!parsed.ok) assert.fail(parsed.reason);
    const found = secondsByDay(parsed.value, [range]);
    return [offset, new Map(found.map(({ day, seconds }) => [day, seconds]))] as const;
  });
  return Object.fromEntries(localSeconds(days, new Map(counted)));
}

test('ten past eleven in the evening is of that day, after the change as before it', () => {
  inZone('Europe/Berlin', () => {
    assert.deepEqual(shown('2026-10', Date.parse('2026-10-10T21:10:00Z')), { '2026-10-10': 600 });
    assert.deepEqual(shown('2026-10', Date.parse('2026-10-27T22:10:00Z')), { '2026-10-27': 600 });
  });
  inZone('America/New_York', () => {
    assert.deepEqual(shown('2026-03', Date.parse('2026-03-04T04:10:00Z')), { '2026-03-03': 600 });
    assert.deepEqual(shown('2026-03', Date.parse('2026-03-20T03:10:00Z')), { '2026-03-19': 600 });
  });
});

test('a month in which no clock changes is asked for once', () => {
  inZone('Europe/Berlin', () => {
    assert.deepEqual(offsetsOf(daysOf('2026-11')), [60]);
    assert.deepEqual(offsetsOf(daysOf('2026-10')), [120, 60]);
  });
});

/** Clocks change at one o'clock UTC, at two local time, at midnight, and on the first of a month. */
const changes = [
  ['Europe/Berlin', '2026-03'],
  ['Europe/Berlin', '2026-10'],
  ['America/New_York', '2026-03'],
  ['America/Los_Angeles', '2026-11'],
  ['America/Havana', '2026-03'],
  ['Australia/Lord_Howe', '2026-04'],
] as const;

for (const [zone, month] of changes) {
  test(`every hour of ${month} in ${zone} is counted to its own day and to no other`, () => {
    inZone(zone, () => {
      assert.equal(offsetsOf(daysOf(month)).length, 2);
      const first = new Date(`${month}-01T00:00:00`);
      const endMs = new Date(first.getFullYear(), first.getMonth() + 1, 1).getTime();
      for (let ms = first.getTime(); ms < endMs; ms += hourMs / 2)
        assert.deepEqual(shown(month, ms), { [dayKey(ms)]: 600 }, new Date(ms).toISOString());
    });
  });
}
