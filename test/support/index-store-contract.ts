/** What every IndexStore promises its user; whatever stands in for LevelDB passes the same suite. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { IndexChange, IndexStore } from '../../firmware/recording/index-store.ts';

/** A store that can be closed and opened again with what it had. */
export interface IndexStoreSubject {
  open(): Promise<IndexStore>;
  close(): Promise<void>;
}

const put = (key: string, value: string): IndexChange => ({ type: 'put', key, value: Buffer.from(value) });

export function indexStoreContract(name: string, make: () => Promise<IndexStoreSubject>): void {
  describe(`index store contract: ${name}`, () => {
    let subject: IndexStoreSubject;
    let store: IndexStore;
    before(async () => {
      subject = await make();
      store = await subject.open();
    });
    after(async () => {
      await store[Symbol.asyncDispose]();
      await subject.close();
    });

    const range = async (from: string, to: string, limit = 100, reverse = false): Promise<string[]> =>
      (await store.range({ from, to, limit, reverse })).map(({ key, value }) => `${key}=${value.toString()}`);

    test('has what was put, and not what was deleted or never put', async () => {
      await store.commit([put('a/1', 'one'), put('a/2', '')]);
      assert.equal((await store.get('a/1'))?.toString(), 'one');
      assert.equal((await store.get('a/2'))?.length, 0);
      assert.equal(await store.get('a/3'), undefined);
      await store.commit([put('a/1', 'two'), { type: 'delete', key: 'a/2' }, { type: 'delete', key: 'a/9' }]);
      assert.equal((await store.get('a/1'))?.toString(), 'two');
      assert.equal(await store.get('a/2'), undefined);
    });

    test('keeps bytes as they are', async () => {
      const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      await store.commit([{ type: 'put', key: 'bytes', value }]);
      assert((await store.get('bytes'))?.equals(value));
    });

    test('takes an empty change', async () => {
      await store.commit([]);
    });

    test('applies a commit in order', async () => {
      await store.commit([put('b', '1'), { type: 'delete', key: 'b' }, put('b', '2')]);
      assert.equal((await store.get('b'))?.toString(), '2');
    });

    test('lists a range in order, with its start and without its end, up to a limit', async () => {
      await store.commit(['3', '1', '5', '2', '4'].map((digit) => put(`r/${digit}`, digit)));
      assert.deepEqual(await range('r/2', 'r/5'), ['r/2=2', 'r/3=3', 'r/4=4']);
      assert.deepEqual(await range('r/2', 'r/5', 2), ['r/2=2', 'r/3=3']);
      assert.deepEqual(await range('r/2', 'r/5', 0), []);
      assert.deepEqual(await range('r/5', 'r/2'), []);
      assert.deepEqual(await range('r/', 'r/\uffff'), ['r/1=1', 'r/2=2', 'r/3=3', 'r/4=4', 'r/5=5']);
      assert.deepEqual(await range('r/1\0', 'r/3'), ['r/2=2']);
      assert.deepEqual(await range('nothing/', 'nothing/\uffff'), []);
    });

    test('lists a range from its end, the last ones up to a limit', async () => {
      await store.commit(['1', '2', '3'].map((digit) => put(`back/${digit}`, digit)));
      assert.deepEqual(await range('back/', 'back/\uffff', 100, true), ['back/3=3', 'back/2=2', 'back/1=1']);
      assert.deepEqual(await range('back/1', 'back/3', 1, true), ['back/2=2']);
    });

    test('sorts keys as bytes', async () => {
      const key = fc.stringMatching(/^[a-z0-9/.-]{1,12}$/);
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 8 }), async (keys) => {
          const prefix = `sorted-${round++}/`;
          await store.commit(keys.map((end) => put(prefix + end, end)));
          const rows = await store.range({ from: prefix, to: `${prefix}\uffff`, limit: 100 });
          const order = (a: string, b: string): number => (a < b ? -1 : 1);
          assert.deepEqual(
            rows.map(({ value }) => value.toString()),
            keys.toSorted(order),
          );
        }),
        { numRuns: 15 },
      );
    });

    test('still has everything after it was closed and opened', async () => {
      await store.commit([put('kept', 'yes')]);
      await store[Symbol.asyncDispose]();
      store = await subject.open();
      assert.equal((await store.get('kept'))?.toString(), 'yes');
    });

    test('refuses to work when it is closed', async () => {
      await store[Symbol.asyncDispose]();
      await assert.rejects(store.get('kept'));
      await assert.rejects(store.commit([put('late', 'x')]));
      await assert.rejects(store.range({ from: 'a', to: 'b', limit: 1 }));
      store = await subject.open();
      assert.equal(await store.get('late'), undefined);
    });
  });
}
