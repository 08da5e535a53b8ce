/** What every Disk promises its user; whatever stands in for the real one passes the same suite. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Failure, type FailureCode } from '../../firmware/base/failure.ts';
import type { Disk, RecordingFile } from '../../firmware/recording/disk.ts';

/** A disk, an existing empty folder on it, and how to give both back. */
export interface DiskSubject {
  readonly disk: Disk;
  readonly folder: string;
  close(): Promise<void>;
}

/** A rejection with this code that names the path and what to do. */
function failure(code: FailureCode, path: string): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof Failure, String(error));
    assert.equal(error.code, code);
    assert(error.message.includes(path), error.message);
    assert.notEqual(error.advice, '');
    return true;
  };
}

export function diskContract(name: string, open: () => Promise<DiskSubject>): void {
  describe(`disk contract: ${name}`, () => {
    let subject: DiskSubject;
    let disk: Disk;
    let files = 0;
    before(async () => {
      subject = await open();
      disk = subject.disk;
    });
    after(() => subject.close());

    const fresh = (): string => join(subject.folder, `file-${files++}.mp4`);
    const create = async (path: string): Promise<RecordingFile> => {
      const file = await disk.createFile(path);
      assert(file !== undefined, `${path} exists already`);
      return file;
    };
    const written = async (...parts: string[]): Promise<string> => {
      const path = fresh();
      const file = await create(path);
      for (const part of parts) await file.append([Buffer.from(part)]);
      await file.close();
      return path;
    };
    const content = async (path: string): Promise<string> => (await disk.read(path, 0, 1_000_000)).toString();

    test('appends every part in order and says how much it was', async () => {
      const path = fresh();
      const file = await create(path);
      assert.equal(await file.append([Buffer.from('ab'), Buffer.alloc(0), new Uint8Array([0x63])]), 3);
      assert.equal(await file.append([Buffer.from('de')]), 2);
      assert.equal(await file.append([]), 0);
      await file.sync();
      await file.close();
      assert.equal(await content(path), 'abcde');
      assert.equal(await disk.size(path), 5);
    });

    test('appends views of larger buffers, and only the view', async () => {
      const path = fresh();
      const file = await create(path);
      await file.append([Buffer.from('0123456789').subarray(3, 5), Buffer.from('xyz').subarray(1)]);
      await file.close();
      assert.equal(await content(path), '34yz');
    });

    test('appends thousands of parts at a time, in order', async () => {
      const path = fresh();
      const file = await create(path);
      const parts = Array.from({ length: 5_000 }, (_, place) => Buffer.from(`${place};`));
      const expected = Buffer.concat(parts);
      assert.equal(await file.append(parts), expected.length);
      await file.close();
      assert((await disk.read(path, 0, expected.length + 1)).equals(expected));
    });

    test('can be read while it is written', async () => {
      const path = fresh();
      const file = await create(path);
      await file.append([Buffer.from('abc')]);
      assert.equal(await content(path), 'abc');
      await file.append([Buffer.from('d')]);
      assert.equal(await content(path), 'abcd');
      await file.close();
    });

    test('does not touch a file that exists: it creates or says that it cannot', async () => {
      const path = await written('first');
      assert.equal(await disk.createFile(path), undefined);
      assert.equal(await content(path), 'first');
    });

    test('creates one file when two ask at a time', async () => {
      const path = fresh();
      const both = await Promise.all([disk.createFile(path), disk.createFile(path)]);
      assert.equal(both.filter((file) => file !== undefined).length, 1);
      for (const file of both) await file?.close();
    });

    test('cannot create a file in a directory that is not there', async () => {
      const path = join(subject.folder, 'nowhere', 'file.mp4');
      await assert.rejects(disk.createFile(path), failure('FILE_MISSING', path));
    });

    test('reads from any offset, and less at the end', async () => {
      const path = await written('0123456789');
      assert.equal((await disk.read(path, 3, 4)).toString(), '3456');
      assert.equal((await disk.read(path, 8, 4)).toString(), '89');
      assert.equal((await disk.read(path, 10, 4)).length, 0);
      assert.equal((await disk.read(path, 99, 4)).length, 0);
      assert.equal((await disk.read(path, 3, 0)).length, 0);
    });

    test('says which file it could not read, cut or remove', async () => {
      const path = fresh();
      await assert.rejects(disk.read(path, 0, 1), failure('FILE_MISSING', path));
      await assert.rejects(disk.truncate(path, 1), failure('FILE_MISSING', path));
      await assert.rejects(disk.remove(path), failure('FILE_MISSING', path));
      assert.equal(await disk.size(path), undefined);
    });

    test('creates directories with their parents, as often as it is asked', async () => {
      const path = join(subject.folder, 'a', 'b', 'c');
      await disk.createDirectory(path);
      await disk.createDirectory(path);
      await disk.syncDirectory(path);
      const file = await create(join(path, 'x.mp4'));
      await file.close();
      assert.equal(await disk.size(join(path, 'x.mp4')), 0);
    });

    test('cannot create a directory where a file is', async () => {
      const path = join(await written('a file'), 'below');
      await assert.rejects(disk.createDirectory(path), failure('FILE_REFUSED', path));
    });

    test('cannot sync a directory that is not there', async () => {
      const path = join(subject.folder, 'gone');
      await assert.rejects(disk.syncDirectory(path), failure('FILE_MISSING', path));
    });

    test('cuts a file, which can then still be read', async () => {
      const path = await written('0123456789');
      await disk.truncate(path, 4);
      assert.equal(await content(path), '0123');
      assert.equal(await disk.size(path), 4);
      await disk.truncate(path, 0);
      assert.equal(await disk.size(path), 0);
    });

    test('removes a file for good', async () => {
      const path = await written('x');
      await disk.remove(path);
      assert.equal(await disk.size(path), undefined);
      const again = await create(path);
      await again.close();
      assert.equal(await disk.size(path), 0);
    });

    test('does not remove a directory that stands where a file should be', async () => {
      const path = join(subject.folder, 'x.mp4');
      await disk.createDirectory(path);
      await assert.rejects(disk.remove(path), failure('FILE_REFUSED', path));
      assert.equal(await disk.removeDirectory(path), true);
    });

    test('cannot create a directory in the place of a file', async () => {
      const path = await written('a file');
      await assert.rejects(disk.createDirectory(path), failure('FILE_REFUSED', path));
    });

    test('lists what a directory holds by name, and nothing where there is none', async () => {
      const path = join(subject.folder, 'listed');
      assert.deepEqual(await disk.list(path), []);
      await disk.createDirectory(join(path, 'b'));
      assert.deepEqual(await disk.list(join(path, 'b')), []);
      for (const name of ['c', '.a']) await (await create(join(path, name))).close();
      assert.deepEqual(await disk.list(path), [
        { name: '.a', kind: 'file' },
        { name: 'b', kind: 'directory' },
        { name: 'c', kind: 'file' },
      ]);
      await assert.rejects(disk.list(join(path, 'c')), failure('FILE_REFUSED', join(path, 'c')));
    });

    test('removes a directory when it is empty, and only then', async () => {
      const path = join(subject.folder, 'emptied', 'inside');
      await disk.createDirectory(path);
      assert.equal(await disk.removeDirectory(join(path, '..')), false);
      await (await create(join(path, 'x'))).close();
      assert.equal(await disk.removeDirectory(path), false);
      await disk.remove(join(path, 'x'));
      assert.equal(await disk.removeDirectory(path), true);
      assert.equal(await disk.removeDirectory(path), true, 'it is gone already');
      assert.deepEqual(await disk.list(join(path, '..')), []);
      const file = await written('x');
      await assert.rejects(disk.removeDirectory(file), failure('FILE_REFUSED', file));
    });

    test('keeps what it does not cut', async () => {
      const path = await written('0123456789');
      await disk.truncate(path, 10);
      assert.equal(await content(path), '0123456789');
    });

    test('says how full the file system is, and which it is', async () => {
      const { totalBytes, freeBytes, device } = await disk.usage(subject.folder);
      assert(Number.isSafeInteger(totalBytes) && totalBytes > 0, `total ${totalBytes}`);
      assert(freeBytes >= 0 && freeBytes <= totalBytes, `free ${freeBytes} of ${totalBytes}`);
      assert.notEqual(device, '');
      const path = await written('x');
      assert.equal((await disk.usage(path)).device, device);
      const gone = join(subject.folder, 'gone');
      await assert.rejects(disk.usage(gone), failure('FILE_MISSING', gone));
    });

    test('a file that was closed takes nothing more', async () => {
      const path = fresh();
      const file = await create(path);
      await file.append([Buffer.from('x')]);
      await file.close();
      await assert.rejects(file.append([Buffer.from('y')]), failure('FILE_IO', path));
      await assert.rejects(file.sync(), failure('FILE_IO', path));
      assert.equal(await content(path), 'x');
    });
  });
}
