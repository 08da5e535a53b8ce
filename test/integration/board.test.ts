/** The program as it lies on an image: the boards beside it, and the word of the image about itself. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../support/gst.ts';
import { bundle } from '../support/network.ts';

describe('the program beside its boards', () => {
  let folder = '';
  let program = '';
  before(async () => {
    assert(existsSync(bundle), 'build the program first: npm run build');
    folder = await mkdtemp(join(tmpdir(), 'starling-image-'));
    program = join(folder, 'starling.mjs');
    await copyFile(bundle, program);
    // What is not in the bundle: native parts.
    await symlink(join(import.meta.dirname, '..', '..', 'node_modules'), join(folder, 'node_modules'));
    await cp(join(import.meta.dirname, '..', '..', 'boards'), join(folder, 'boards'), { recursive: true });
  });
  after(() => rm(folder, { recursive: true }));

  async function board(...flags: string[]): Promise<{ out: string; err: string; code: number | null }> {
    const { stdout, stderr, code } = await run(process.execPath, [program, 'board', ...flags]);
    return { out: stdout.toString(), err: stderr, code };
  }

  test('finds them there', async () => {
    const { out, code } = await board('--list', '--json');
    assert.equal(code, 0);
    const ids = (JSON.parse(out) as { id: string }[]).map(({ id }) => id);
    assert(ids.includes('raspberry-pi-5') && ids.length >= 7, ids.join());
  });

  test('believes what the image says that it was made for, where no device tree knows better', async () => {
    await writeFile(join(folder, 'boards', 'image-board'), 'virtual\n');
    const { out } = await board('--json');
    const answer = JSON.parse(out) as { id: string; recognisedBy: string };
    assert.deepEqual([answer.id, answer.recognisedBy], ['virtual', 'image']);
  });

  test('names the file and the line of a board that is broken', async () => {
    await writeFile(join(folder, 'boards', 'virtual', 'board.yaml'), 'id: virtual\nname: [\n');
    const { err, code } = await board('--list');
    assert.equal(code, 2);
    assert.match(err, /boards\/virtual\/board\.yaml: line \d+, column \d+/);
  });
});
