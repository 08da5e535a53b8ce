/** The site document: the same everywhere, whatever order its rows come in. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { documentRowsMax } from '../../firmware/overlay/constants.ts';
import type { DocumentRow } from '../../firmware/overlay/packets.ts';
import { SiteDocument } from '../../firmware/overlay/site-document.ts';
import { textHash } from '../../firmware/overlay/text-hash.ts';

function row(id: string, ms: number, value?: string, more: Partial<DocumentRow> = {}): DocumentRow {
  const bytes = value === undefined ? undefined : Buffer.from(value);
  return { kind: 'user', id, time: { ms, count: 0 }, author: 'ss-1', value: bytes, ...more };
}

const textOf = (document: SiteDocument, id: string): string | undefined =>
  document.get('user', id)?.toString();

describe('the last writer wins', () => {
  test('by time, then author, then value', () => {
    const document = new SiteDocument([row('a', 5, 'first')]);
    assert.equal(document.write(row('a', 4, 'older')), false);
    assert.equal(document.write(row('a', 5, 'first')), false);
    assert.equal(textOf(document, 'a'), 'first');
    assert.equal(document.write(row('a', 5, 'g')), true);
    assert.equal(document.write(row('a', 5, 'a', { author: 'ss-2' })), true);
    assert.equal(document.write(row('a', 5, 'b', { time: { ms: 5, count: 1 } })), true);
    assert.equal(document.write(row('a', 6, 'last')), true);
    assert.equal(textOf(document, 'a'), 'last');
  });

  test('a deletion is a row: what was written before does not come back', () => {
    const document = new SiteDocument([row('a', 1, 'value')]);
    assert.deepEqual(document.merge([row('a', 2)]), [row('a', 2)]);
    assert.equal(document.get('user', 'a'), undefined);
    assert.deepEqual(document.merge([row('a', 1, 'value')]), []);
    assert.deepEqual(document.rows(), [row('a', 2)]);
    assert.equal(document.write(row('a', 3, 'again')), true);
    assert.equal(textOf(document, 'a'), 'again');
  });

  test('the same id of another kind is another row', () => {
    const document = new SiteDocument([row('a', 1, 'user'), row('a', 1, 'camera', { kind: 'camera' })]);
    assert.equal(textOf(document, 'a'), 'user');
    assert.equal(document.get('camera', 'a')?.toString(), 'camera');
    assert.deepEqual(
      document.rows().map(({ kind }) => kind),
      ['camera', 'user'],
    );
  });

  test('an empty value is a value', () => {
    const document = new SiteDocument([row('a', 1, '')]);
    assert.deepEqual(document.get('user', 'a'), Buffer.alloc(0));
  });

  test('only news are returned', () => {
    const document = new SiteDocument([row('a', 5, 'x')]);
    const told = [row('a', 4, 'old'), row('b', 1, 'new'), row('a', 5, 'x'), row('b', 2, 'newer')];
    assert.deepEqual(document.merge(told), [row('b', 2, 'newer')]);
  });
});

describe('a row from a clock that is wrong', () => {
  test('can be replaced all the same', () => {
    const document = new SiteDocument([row('a', 9_000, 'from the future')]);
    const now = { ms: 1_000, count: 0 };
    assert.deepEqual(document.timeToWrite('user', 'a', now), { ms: 9_000, count: 1 });
    assert(document.write({ ...row('a', 0), time: document.timeToWrite('user', 'a', now) }));
    assert.equal(document.get('user', 'a'), undefined);
    assert.deepEqual(document.timeToWrite('user', 'b', now), now);
    assert.deepEqual(document.timeToWrite('user', 'a', { ms: 9_000, count: 2 }), { ms: 9_000, count: 2 });
  });

  test('is refused where no later time could be sent', () => {
    const document = new SiteDocument([]);
    assert.deepEqual(document.merge([row('a', Number.MAX_SAFE_INTEGER, 'for ever')]), []);
    assert.deepEqual(document.rows(), []);
  });
});

const plain = { noNullPrototype: true };
const someRow: fc.Arbitrary<DocumentRow> = fc.record(
  {
    kind: fc.constantFrom('user', 'camera'),
    id: fc.constantFrom('a', 'b', 'c'),
    time: fc.record({ ms: fc.integer({ min: 1, max: 3 }), count: fc.integer({ min: 0, max: 1 }) }, plain),
    author: fc.constantFrom('ss-1', 'ss-2'),
    value: fc.option(
      fc.constantFrom('', 'x', 'y').map((text) => Buffer.from(text)),
      { nil: undefined },
    ),
  },
  plain,
);
const someRows = fc.array(someRow, { maxLength: 15 });

test('servers that have seen the same rows have the same document, whatever the order and however often', () => {
  const orders = someRows.chain((rows) =>
    fc.tuple(
      fc.constant(rows),
      fc.shuffledSubarray([...rows, ...rows], { minLength: rows.length * 2, maxLength: rows.length * 2 }),
      fc.integer({ min: 1, max: 5 }),
    ),
  );
  fc.assert(
    fc.property(orders, ([rows, shuffled, size]) => {
      const one = new SiteDocument(rows);
      const other = new SiteDocument([]);
      for (let at = 0; at < shuffled.length; at += size) other.merge(shuffled.slice(at, at + size));
      assert.deepEqual(other.rows(), one.rows());
      assert.deepEqual(other.digest(), one.digest());
    }),
    { numRuns: 500 },
  );
});

test('documents have equal digests exactly when they have equal rows', () => {
  fc.assert(
    fc.property(someRows, someRows, (a, b) => {
      const [one, other] = [new SiteDocument(a), new SiteDocument(b)];
      const same = JSON.stringify(one.rows()) === JSON.stringify(other.rows());
      assert.equal(one.digest().equals(other.digest()), same);
      assert.deepEqual(new SiteDocument(one.rows().toReversed()).digest(), one.digest());
    }),
    { numRuns: 500 },
  );
  assert.deepEqual(new SiteDocument([]).digest(), Buffer.alloc(16));
  const empty = new SiteDocument([row('a', 1, '')]);
  assert.notDeepEqual(
    new SiteDocument([row('a', 1)]).digest(),
    empty.digest(),
    'a deletion is not an empty value',
  );
});

describe('a full document', () => {
  const rows = (from: number, count: number): DocumentRow[] =>
    Array.from({ length: count }, (_, at) => row(`row-${from + at}`, from + at + 1, 'x'));

  test('takes no new keys from its own users some time before rows are crowded out, but changes go on', () => {
    const document = new SiteDocument(rows(0, documentRowsMax - documentRowsMax / 16));
    assert.equal(document.write(row('one-more', 99_999, 'x')), false);
    assert.equal(document.write(row('row-0', 99_999, 'changed')), true);
    assert.equal(document.merge([row('from-elsewhere', 99_999, 'x')]).length, 1);
  });

  test('is the same document whichever part of too many rows came first', () => {
    const all = rows(0, documentRowsMax + 100);
    // The rows of the first keys, changed later: they stay, however early they came.
    const changed = rows(0, 50).map((one) => ({ ...one, time: { ms: 1_000_000, count: 0 } }));
    const forwards = new SiteDocument([...all, ...changed]);
    const backwards = new SiteDocument(changed);
    for (let at = all.length; at > 0; at -= 50) backwards.merge(all.slice(Math.max(0, at - 50), at));
    assert.equal(forwards.rows().length, documentRowsMax);
    assert.deepEqual(backwards.rows(), forwards.rows());
    assert.deepEqual(backwards.digest(), forwards.digest());
    assert.deepEqual(new SiteDocument(forwards.rows()).digest(), forwards.digest());
    assert.equal(textOf(forwards, 'row-0'), 'x');
    assert.equal(textOf(forwards, 'row-50'), undefined);
  });

  test('hears of a crowded-out row again without calling it news', () => {
    const all = rows(0, documentRowsMax + 1);
    const document = new SiteDocument(all);
    const before = document.digest();
    assert.deepEqual(document.merge(all.slice(0, 1)), []);
    assert.deepEqual(document.digest(), before);
  });
});

test('the hash of a text is MurmurHash3_x86_128', () => {
  const published = [
    ['', '00000000000000000000000000000000'],
    ['01234', '35c5b3ee7b3b211600ae108800ae1088'],
    ["I will not buy this tobacconist's, it is scratched.", '9b5b7ba2ef3f7866889adeaf00f3f98e'],
  ];
  for (const [text = '', hash] of published) assert.equal(textHash(text).toString('hex'), hash);
});

test('texts that differ in one letter, or in length only, have hashes that differ everywhere', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.constantFrom('a', '\0', 'ä'),
      (text, letter) => {
        const [one, other] = [textHash(text), textHash(text + letter)];
        for (let at = 0; at < 16; at += 4) assert.notEqual(one.readInt32BE(at), other.readInt32BE(at));
      },
    ),
  );
});
