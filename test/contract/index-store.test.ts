/** The index store contract against LevelDB, and what only LevelDB can do wrong. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import { indexStoreContract } from '../support/index-store-contract.ts';

const temporary = (): Promise<string> => mkdtemp(join(tmpdir(), 'starling-index-'));

indexStoreContract('LevelDB', async () => {
  const folder = await temporary();
  return {
    open: () => openLevelStore(join(folder, 'index')),
    close: () => rm(folder, { recursive: true }),
  };
});

test('a store that is in use says so and what to do', async () => {
  const folder = await temporary();
  const store = await openLevelStore(join(folder, 'index'));
  await assert.rejects(openLevelStore(join(folder, 'index')), (error: unknown) => {
    assert(error instanceof Failure && error.code === 'INDEX_DAMAGED');
    assert.match(error.advice, /Another process uses this data folder/);
    return true;
  });
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

test('a store that cannot be opened says which it is', async () => {
  const folder = await temporary();
  const path = join(folder, 'index');
  await writeFile(path, 'not a folder');
  await assert.rejects(openLevelStore(path), (error: unknown) => {
    assert(error instanceof Failure && error.code === 'INDEX_DAMAGED');
    assert(error.message.includes(path));
    return true;
  });
  await rm(folder, { recursive: true });
});
