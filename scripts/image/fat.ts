/**
 * FAT file systems in files, made without mounting them (mtools), and how much of such a file has to be written.
 *
 * Clusters are given out in order, and the last file is a note that holds no zeros: what lies behind it is free.
 */
import { closeSync, ftruncateSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from './run-tool.ts';

export interface FatOptions {
  readonly file: string;
  readonly megabytes: number;
  /** at most 11 upper-case characters */
  readonly label: string;
  /** everything below it goes to the top of the file system */
  readonly folder: string;
}

const noteText = 'This partition belongs to Starling.\r\n';

/** Throws the Failure FILE_IO, also when there is not enough room. */
export async function makeFat({ file, megabytes, label, folder }: FatOptions): Promise<void> {
  const descriptor = openSync(file, 'w');
  ftruncateSync(descriptor, megabytes * 1024 * 1024);
  closeSync(descriptor);
  await runTool('mkfs.vfat', ['-F', megabytes < 64 ? '16' : '32', '-n', label, file]);
  // mtools checks geometries that no disk has any more.
  const env = { MTOOLS_SKIP_CHECK: '1' };
  const entries = readdirSync(folder).map((name) => join(folder, name));
  if (entries.length > 0) await runTool('mcopy', ['-s', '-m', '-i', file, ...entries, '::'], { env });
  const work = await mkdtemp(join(tmpdir(), 'starling-fat-'));
  try {
    const note = join(work, 'STARLING.TXT');
    writeFileSync(note, noteText);
    await runTool('mcopy', ['-i', file, note, '::'], { env });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
