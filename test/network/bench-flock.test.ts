/** What `npm run bench -- overlay` stands on: both contenders come together on its field and notice that one is gone. */
import assert from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { serf, starling } from '../../scripts/bench/overlay-contenders.ts';
import { Field } from '../../scripts/bench/overlay-field.ts';
import { Flock } from '../../scripts/bench/overlay-flock.ts';
import { describeOnNetwork } from '../support/namespaces-suite.ts';

const limitMs = 60_000;
const size = 3;

describeOnNetwork('the flock of a bench', ['serf'], () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'starling-flock-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const contenders = { Starling: () => starling(folder, size), Serf: () => Promise.resolve(serf()) };
  for (const [name, make] of Object.entries(contenders)) {
    test(`comes together and declares the one that was killed: ${name}`, async () => {
      const contender = await make();
      using field = new Field(size);
      await using flock = new Flock(contender, field);
      await flock.start();
      assert.equal(await flock.disagreement(flock.all(), flock.all(), limitMs), undefined);
      assert.deepEqual(flock.declarations, []);
      await flock.kill(2);
      assert.equal(await flock.disagreement([1, 3], [1, 3], limitMs), undefined);
      assert.deepEqual([...new Set(flock.declarations.map(({ subject }) => subject))], ['ss-2']);
    });
  }
});
