// Where partitions lie, and which blocks of an image have to be written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { complement, merged, parseFreeBlocks, type Span } from '../../scripts/image/block-map.ts';
import { partitionNamed, planLayout } from '../../scripts/image/layout.ts';

const sizes = fc.record({
  bootMb: fc.integer({ min: 32, max: 1024 }),
  rootMb: fc.integer({ min: 256, max: 8192 }),
  dataMinMb: fc.integer({ min: 64, max: 8192 }),
});

test('partitions never overlap, start at an erase block, and fit into the disk; data is the last one', () => {
  fc.assert(
    fc.property(fc.constantFrom('gpt' as const, 'dos' as const), sizes, (table, wanted) => {
      const layout = planLayout(table, wanted);
      let end = 0;
      for (const { start, sectors } of layout.partitions) {
        assert.ok(start >= end + 2048, 'no room for the record of a logical partition');
        assert.equal(start % 8192, 0);
        end = start + sectors;
      }
      assert.ok(end + 34 <= layout.usedSectors && layout.usedSectors <= layout.sectors);
      assert.equal(Math.log2(layout.sectors) % 1, 0, 'the file is no power of two');
      assert.equal(layout.partitions.at(-1)?.name, 'data');
      assert.equal(partitionNamed(layout, 'root-a').sectors, partitionNamed(layout, 'root-b').sectors);
    }),
  );
});

test('a Raspberry Pi gets an MBR whose last partition is a primary one, so that it can grow', () => {
  const layout = planLayout('dos', { bootMb: 256, rootMb: 2048, dataMinMb: 512 });
  assert.equal(partitionNamed(layout, 'data').number, 3);
  assert.match(layout.script, /^p2 : .*type=f$/m);
  assert.match(partitionNamed(layout, 'root-a').partUuid, /^[0-9a-f]{8}-06$/);
});

test('free blocks are read from dumpe2fs, single ones and runs', () => {
  const text = [
    'Block count:              4096',
    'Block size:               4096',
    'Group 0:',
    '  Free blocks: 10, 20-29',
    '  Free blocks: ',
    '  Free blocks: 100-199',
  ].join('\n');
  const { blocks, size, free } = parseFreeBlocks(text);
  assert.deepEqual([blocks, size], [4096, 4096]);
  assert.deepEqual(free, [
    { offset: 10, end: 11 },
    { offset: 20, end: 30 },
    { offset: 100, end: 200 },
  ]);
});

test('whatever dumpe2fs prints, the answer is blocks or an error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const { free } = parseFreeBlocks(`Block count: 8\nBlock size: 4096\n  Free blocks: ${text}`);
        assert.ok(free.every(({ offset, end }) => Number.isInteger(offset) && end > 0));
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }),
  );
  assert.throws(() => parseFreeBlocks('dumpe2fs 1.47.0'), /nothing about free blocks/);
});

test('what is not free is always in the map, and spans of it never touch', () => {
  const length = 64 * 1024 * 1024;
  const span = fc
    .tuple(fc.nat(length), fc.nat(length))
    .map(([a, b]) => ({ offset: Math.min(a, b), end: Math.max(a, b) }));
  fc.assert(
    fc.property(
      fc.array(span, { maxLength: 40 }),
      fc.array(fc.nat(length - 1), { minLength: 20, maxLength: 20 }),
      (spans, places) => {
        const free = merged(spans.filter(({ offset, end }) => end > offset));
        const used = complement(free, length);
        const within = (list: readonly Span[], place: number): boolean =>
          list.some(({ offset, end }) => offset <= place && place < end);
        for (const place of places)
          assert.ok(within(free, place) || within(used, place), `byte ${place} is in neither`);
        for (const [at, { offset }] of used.entries())
          assert.ok(at === 0 || offset > (used[at - 1]?.end ?? 0));
      },
    ),
  );
});
