/** The rig of the power-cut test: what it says had reached the disk, had. */
import assert from 'node:assert/strict';
import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type BlockRecord, readJournal, recordsWithin } from './block-journal.ts';
import { type Cut, imageAfter } from './power-cut.ts';
import {
  closeRigFolder,
  fsckFaults,
  MountedImage,
  mountPoint,
  openRigFolder,
  powerRigMissing,
  RecordedDisk,
} from './recorded-disk.ts';

const content = Buffer.alloc(300_000, 'a block-level record');

describe('a recorded disk', { skip: powerRigMissing() }, () => {
  let folder = '';
  let journal: BlockRecord[] = [];
  /** lengths of the journal before and after the sync of a file */
  let beforeSync = 0;
  let afterSync = 0;

  before(async () => {
    folder = await openRigFolder();
    await using disk = await RecordedDisk.open(folder, 5);
    await mkdir(join(disk.at, 'folder'));
    beforeSync = (await stat(disk.journal)).size;
    const file = await open(join(disk.at, 'folder', 'synced'), 'wx');
    await file.write(content);
    await file.sync();
    await file.close();
    afterSync = (await stat(disk.journal)).size;
    await writeFile(join(disk.at, 'folder', 'later'), content);
  });
  after(async () => {
    if (folder !== '') await closeRigFolder(folder);
  });

  /** What the folder holds after a cut. */
  const left = async (
    parts: Pick<Cut, 'records' | 'tear'>,
  ): Promise<(name: string) => Promise<Buffer | undefined>> => {
    const image = join(folder, 'cut.img');
    journal = readJournal(join(folder, 'journal'));
    const position = journal[parts.records - 1]?.end ?? 0;
    const cut: Cut = { seed: 1, number: 1, moment: 'any', position, ...parts };
    await imageAfter(cut, image, { before: join(folder, 'before.img'), journal });
    const mounted = await MountedImage.mount(image, mountPoint(folder));
    const files = new Map<string, Buffer>();
    for (const name of ['synced', 'later']) {
      const bytes = await readFile(join(mounted.at, 'folder', name)).catch(() => undefined);
      if (bytes !== undefined) files.set(name, bytes);
    }
    await mounted.unmount();
    assert.equal(await fsckFaults(image), undefined);
    return async (name) => files.get(name);
  };

  test('records the data of a synced file and then a flush, before the sync is answered', () => {
    journal = readJournal(join(folder, 'journal'));
    const records = journal.slice(recordsWithin(journal, beforeSync), recordsWithin(journal, afterSync));
    const flush = records.findLastIndex(({ kind }) => kind === 'flush');
    const data = records.findIndex(
      ({ kind, data: bytes }) => kind === 'write' && content.includes(bytes.subarray(0, 512)),
    );
    assert.notEqual(data, -1, 'the data of the file is not in the journal');
    assert(flush > data, `no flush after the data: ${records.map(({ kind }) => kind).join(' ')}`);
  });

  test('holds a synced file after a cut right behind the sync, and a file that was not synced does not exist', async () => {
    const read = await left({ records: recordsWithin(journal, afterSync), tear: 'none' });
    assert.deepEqual(await read('synced'), content);
    assert.equal(await read('later'), undefined);
  });

  test('does not hold the file when the power went before the sync', async () => {
    const read = await left({ records: recordsWithin(journal, beforeSync), tear: 'none' });
    assert.equal(await read('synced'), undefined);
  });

  test('holds everything after it was unmounted', async () => {
    const read = await left({ records: journal.length, tear: 'none' });
    assert.deepEqual(await read('later'), content);
  });

  for (const tear of ['prefix', 'sectors-512', 'sectors-4096'] as const) {
    test(`is a sound file system after cuts of this kind: ${tear}`, async () => {
      for (let records = recordsWithin(journal, beforeSync); records < journal.length; records += 3) {
        const read = await left({ records, tear });
        if (records >= recordsWithin(journal, afterSync)) assert.deepEqual(await read('synced'), content);
      }
    });
  }
});
