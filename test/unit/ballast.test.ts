/** Ballast where there is room; test/recording/volumes-full.test.ts has the disks that are full. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ballast } from '../../firmware/io/ballast.ts';

test('ballast is laid once, made whole after a power cut, and stays while there is room', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-ballast-'));
  try {
    const ballast = new Ballast(join(folder, 'data'));
    const path = join(folder, 'data', 'ballast');
    await ballast.lay();
    const first = await stat(path);
    assert.equal(first.size, 16 * 1024 * 1024);
    assert.ok(first.blocks * 512 >= first.size, 'it takes the room');
    await ballast.lay();
    assert.equal((await stat(path)).mtimeMs, first.mtimeMs);
    await truncate(path, 1_000_000);
    await ballast.lay();
    assert.equal((await stat(path)).size, first.size);
    assert.equal(await ballast.giveWay(), false);
    assert.deepEqual(await readdir(join(folder, 'data')), ['ballast']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
