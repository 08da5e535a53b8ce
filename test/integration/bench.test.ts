/** The benches of recording run: their small form, with the gate that makes a run valid. Their figures mean nothing. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { namespacesMissing } from '../support/namespaces.ts';

interface Report {
  readonly bench: string;
  readonly figures: readonly { figure: string; value: number; peer?: { value: number } }[];
}

/** Runs a bench as a person would, in its small form; rejects with what it said when the run was not valid. */
async function bench(name: string): Promise<Report['figures']> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-test-'));
  try {
    const file = join(folder, 'figures.json');
    const args = ['--import', 'tsx', 'scripts/bench.ts', name, '--small', '--json', file];
    await promisify(execFile)(process.execPath, args, { timeout: 150_000 });
    const report = JSON.parse(await readFile(file, 'utf8')) as Report;
    assert.equal(report.bench, name);
    return report.figures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('the benches of recording', () => {
  test('recording finds every sample on the disk, and says what it cost', async () => {
    const figures = await bench('recording');
    const cost = figures.find(({ figure }) => /CPU per GB received/.test(figure));
    assert(cost !== undefined && cost.value > 0, JSON.stringify(figures));
    const behind = figures.find(({ figure }) => /behind when it is up again/.test(figure));
    assert((behind?.value ?? 0) >= 3, `away for 3 s: ${JSON.stringify(figures)}`);
  });

  const missing = namespacesMissing();
  test('failover loses no sample', { skip: missing }, async () => {
    const figures = await bench('failover');
    const lost = figures.filter(({ figure }) => figure.endsWith('samplesLost'));
    assert.deepEqual(
      lost.map(({ value }) => value),
      [0],
    );
    const times = figures.filter(({ figure }) => figure.endsWith('max'));
    assert(times.length === 2 && times.every(({ value }) => value > 0), JSON.stringify(figures));
  });
});
