/** The index store contract against LevelDB, and what only LevelDB can do wrong. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { openLevelStore, rebuiltPath } from '../../firmware/io/level-store.ts';
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

test('a new store appears whole at its place, whatever an interrupted attempt has left beside it', async () => {
  const folder = await temporary();
  const path = join(folder, 'data', 'index');
  await mkdir(`${path}.new`, { recursive: true });
  await writeFile(join(`${path}.new`, 'CURRENT'), '');
  const store = await openLevelStore(path);
  assert.deepEqual(await readdir(join(folder, 'data')), ['index']);
  await store.commit([{ type: 'put', key: 'a', value: Buffer.from('1') }]);
  await store[Symbol.asyncDispose]();
  const again = await openLevelStore(path);
  assert.deepEqual(await again.get('a'), Buffer.from('1'));
  await again[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

test('a rebuilt store that a power cut kept from its place is taken, not an empty one', async () => {
  const folder = await temporary();
  const path = join(folder, 'index');
  const rebuilt = await openLevelStore(rebuiltPath(path));
  await rebuilt.commit([{ type: 'put', key: 'a', value: Buffer.from('1') }]);
  await rebuilt[Symbol.asyncDispose]();
  const store = await openLevelStore(path);
  assert.deepEqual(await store.get('a'), Buffer.from('1'));
  await store[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(folder), ['index']);
  await rm(folder, { recursive: true });
});

test('a store is also made in an empty folder, and one that lost its beginning is not made anew', async () => {
  const folder = await temporary();
  const path = join(folder, 'index');
  await mkdir(path);
  const store = await openLevelStore(path);
  await store[Symbol.asyncDispose]();
  await writeFile(join(path, 'CURRENT'), 'MANIFEST-000001\n');
  await writeFile(join(path, 'MANIFEST-000001'), '');
  await assert.rejects(openLevelStore(path), /INDEX_DAMAGED|Corruption/);
  await rm(folder, { recursive: true });
});
