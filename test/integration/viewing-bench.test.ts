/** The bench of viewing runs in its small form and measures all of its table. Its figures mean nothing. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

interface Report {
  readonly figures: readonly { figure: string; value: number; peer?: { name: string; value: number } }[];
}

test('the bench of viewing measures the page in Chromium, and live viewers against a plain server', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-test-'));
  try {
    const file = join(folder, 'figures.json');
    const args = ['--import', 'tsx', 'scripts/bench.ts', 'viewing', '--small', '--json', file];
    await promisify(execFile)(process.execPath, args, { timeout: 170_000 });
    const { figures } = JSON.parse(await readFile(file, 'utf8')) as Report;
    for (const what of [
      /^page script/,
      /^capture to display, p50/,
      /^capture to display, p95/,
      /^first picture after opening a camera/,
      /^scrub step to picture/,
      /^picture back after kill -9/,
      /live viewers of 4 Mbit\/s, share of one core/,
    ]) {
      const found = figures.find(({ figure }) => what.test(figure));
      assert(found !== undefined && found.value > 0, `${String(what)} in ${JSON.stringify(figures)}`);
      assert(found.peer !== undefined && found.peer.value > 0, `${found.figure} is not set against anything`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
