/** The few numbers a unit must remember: written atomically, and never a reason not to start. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { readState, writeState } from '../../firmware/io/state-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-state-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('what was written is read, in a folder that need not exist', async () => {
  const data = join(folder, 'a', 'b');
  assert.deepEqual(readState(data), {});
  writeState(data, { incarnation: 3, epoch: 0 });
  assert.deepEqual(readState(data), { incarnation: 3, epoch: 0 });
  writeState(data, { incarnation: 4 });
  assert.deepEqual(readState(data), { incarnation: 4 });
  assert.deepEqual(await readdir(data), ['state.json'], 'nothing else is left behind');
});

test('a damaged file is an empty state', async () => {
  for (const text of ['', '{', 'null', '7', '"x"', '[]', '{"incarnation":', '\0\0\0\0']) {
    await writeFile(join(folder, 'state.json'), text);
    assert.deepEqual(readState(folder), {}, JSON.stringify(text));
  }
});

test('numbers that no packet could carry are not believed', async () => {
  const text = '{"a":-1,"b":1.5,"c":4294967295,"d":1e99,"e":"7","f":null,"g":7}';
  await writeFile(join(folder, 'state.json'), text);
  assert.equal(JSON.stringify(readState(folder)), '{"g":7}');
});

test('a leftover of a write that was cut off is overwritten', async () => {
  await writeFile(join(folder, 'state.json.next'), '{"incarnation":9');
  assert.deepEqual(readState(folder), {});
  writeState(folder, { incarnation: 1 });
  assert.deepEqual(readState(folder), { incarnation: 1 });
});

test('a file that cannot be read or written says which it is', async () => {
  await mkdir(join(folder, 'state.json'));
  const failure = (error: unknown): boolean => error instanceof Failure && error.message.includes(folder);
  assert.throws(() => readState(folder), failure);
  assert.throws(() => writeState(folder, { a: 1 }), failure);
  await writeFile(join(folder, 'plain'), '');
  assert.throws(() => writeState(join(folder, 'plain'), { a: 1 }), failure);
});
