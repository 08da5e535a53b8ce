/** Names of recorded files: round trip, order, and texts that are none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSegmentName, parseSegmentName } from '../../firmware/recording/segment-name.ts';

const names = fc.record(
  {
    // From 1970 into the year 2286; µs that are whole milliseconds.
    fromUs: fc.integer({ min: 0, max: 9_999_999_999_999 }).map((ms) => ms * 1000),
    epoch: fc.integer({ min: 0, max: 0xffff_ffff }),
    sequence: fc.integer({ min: 0, max: 9_999_999_999 }),
  },
  { noNullPrototype: true },
);

test('a name is read back as it was written', () => {
  fc.assert(
    fc.property(names, (name) => {
      assert.deepEqual(parseSegmentName(formatSegmentName(name)), { ok: true, value: name });
    }),
  );
});

test('a name is in UTC, to the millisecond', () => {
  const fromUs = Date.parse('2026-11-22T12:30:00.123Z') * 1000 + 999;
  assert.equal(formatSegmentName({ fromUs, epoch: 1, sequence: 5 }), '2026-11-22/123000.123Z-1-5');
});

test('names of one epoch sort as their times', () => {
  fc.assert(
    fc.property(names, names, (a, b) => {
      const [first, second] = a.fromUs <= b.fromUs ? [a, b] : [b, a];
      const [early, late] = [first, second].map(({ fromUs }) =>
        formatSegmentName({ fromUs, epoch: 1, sequence: 1 }),
      );
      assert(early !== undefined && late !== undefined && early <= late);
    }),
  );
});

test('what could leave its folder, or is written in another way, is no name', () => {
  const hostile = [
    '',
    '..',
    '../2026-11-22/123000.123Z-1-5',
    '/2026-11-22/123000.123Z-1-5',
    '2026-11-22/../123000.123Z-1-5',
    '2026-11-22/123000.123Z-1-5/',
    '2026-11-22/123000.123Z-1-5.mp4',
    '2026-11-22/123000.123Z-1-5\n',
    '2026-11-22/123000.123Z-1-5\0',
    '2026-11-22\\123000.123Z-1-5',
    '2026-02-30/123000.123Z-1-5',
    '2026-13-01/123000.123Z-1-5',
    '2026-11-22/243000.123Z-1-5',
    '2026-11-22/126000.123Z-1-5',
    '2026-11-22/123060.123Z-1-5',
    '2026-11-22/240000.000Z-1-5',
    '2026-11-22/123000.123Z-01-5',
    '2026-11-22/123000.123Z-1-05',
    '2026-11-22/123000.123Z--1-5',
    '2026-11-22/123000.123Z-1',
    '2026-11-22/123000Z-1-5',
    '２０２６-11-22/123000.123Z-1-5',
  ];
  for (const text of hostile) assert(!parseSegmentName(text).ok, JSON.stringify(text));
});

test('any text that is accepted is exactly what would be written', () => {
  const near = fc.tuple(names, fc.nat(40), fc.string({ maxLength: 2 })).map(([name, at, insert]) => {
    const text = formatSegmentName(name);
    return text.slice(0, at) + insert + text.slice(at + 1);
  });
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      const parsed = parseSegmentName(text);
      if (parsed.ok) assert.equal(formatSegmentName(parsed.value), text);
      else assert.equal(parsed.reason, 'not a segment name');
    }),
  );
});
