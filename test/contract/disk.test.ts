/** The disk contract against the files of this machine. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realDisk } from '../../firmware/io/disk.ts';
import { diskContract } from '../support/disk-contract.ts';

diskContract('the real disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-disk-'));
  return { disk: realDisk, folder, close: () => rm(folder, { recursive: true }) };
});
