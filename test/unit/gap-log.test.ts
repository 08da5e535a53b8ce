/** Explained gaps: what a camera may tell, and how many are kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gap } from '../../firmware/media/sample.ts';
import { GapLog } from '../../firmware/recording/gap-log.ts';
import { eventUsMax } from '../../firmware/recording/index-rows.ts';
import { MemoryIndex } from '../support/access-rig.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const gapAt = (number: number, camera = 'door'): Gap => {
  return { camera, fromUs: number * 1_000, toUs: number * 1_000 + 500, reason: 'capture-restarted' };
};

function open(rowsMax?: number) {
  const index = new MemoryIndex();
  const clock = new VirtualClock();
  const refused: string[] = [];
  const stored: Gap[] = [];
  const log = new GapLog({
    index,
    clock,
    onGap: (gap) => stored.push(gap),
    onRefused: (camera) => refused.push(camera),
    ...(rowsMax === undefined ? {} : { rowsMax }),
  });
  const rows = async (camera = 'door') =>
    index.range({ from: `e/${camera}/`, to: `e/${camera}/\uffff`, limit: 1_000_000 });
  return { log, clock, refused, stored, rows };
}

test('a camera that explains gaps without end fills no index: it is told of once, and heard again later', async () => {
  const { log, clock, refused, stored, rows } = open();
  for (let number = 0; number < 5_000; number++) await log.tell(gapAt(number));
  assert.equal((await rows()).length, 2_000);
  assert.deepEqual(refused, ['door']);
  await log.tell(gapAt(1, 'gate'));
  assert.equal((await rows('gate')).length, 1, 'others are heard');
  clock.advance(10_000);
  for (let number = 0; number < 50; number++) await log.tell(gapAt(10_000 + number));
  assert.equal((await rows()).length, 2_010);
  assert.deepEqual(refused, ['door', 'door']);
  assert.equal(stored.length, 2_011);
});

test('a few gaps of years take as many rows as they have days, and no more than a camera may tell', async () => {
  const { log, rows } = open();
  for (let number = 0; number < 100; number++) {
    await log.tell({ ...gapAt(number), toUs: number + 5_000 * eventUsMax });
  }
  assert.ok((await rows()).length <= 2_000);
});

test('of each camera the newest gaps stay, whoever has found them', async () => {
  const { log, rows } = open(100);
  await log.add(gapAt(0, 'gate'));
  for (let number = 0; number < 2_500; number++) await log.add(gapAt(number));
  const kept = await rows();
  assert.ok(kept.length >= 100 && kept.length < 1_200, `${kept.length} rows`);
  assert.ok(kept.at(-1)?.key.includes(String(2_499 * 1_000)), 'the newest is there');
  assert.ok(!kept.some(({ key }) => key.includes(`/${'0'.repeat(16)}/`)), 'the oldest is gone');
  assert.equal((await rows('gate')).length, 1);
});
