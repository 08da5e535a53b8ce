/** The care of this very machine on the field console: its commands, and its lines of `status`. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';
import { CommandTable } from '../../firmware/console/command-table.ts';
import { openClockCare, startBoxCare } from '../../firmware/roles/box-watch.ts';
import { ServiceStack } from '../../firmware/runtime/service-stack.ts';
import type { DisksAnswer } from '../../firmware/viewing/api.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

describe('the field console', () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-watch-'));
  after(() => rmSync(folder, { recursive: true }));

  /** A server whose clock stands at 1970, or at a day on which this program was there. */
  const open = async (utcMs?: number) => {
    const config = parseUnitConfig('{ unit: box, role: server, site: { name: home }, data: . }', folder);
    const commands = new CommandTable();
    const options = { config, clock: new VirtualClock(utcMs), log: () => undefined, commands };
    const clockCare = await openClockCare(options);
    const services = new ServiceStack();
    services.use(clockCare);
    const folders = () => [{ folder, totalBytes: 2_000_000, freeBytes: 1_000_000 }];
    startBoxCare(options, { clockCare, folders }, services);
    return { commands, services };
  };

  test('shows the disks of this machine and its clock, for people and for programs', async () => {
    const { commands, services } = await open();
    await using _ = services;
    const { data, text } = await commands.run('disks', []);
    assert.match(text ?? '', /^box: (OK|WARN|FAIL)\n/);
    const report = data as DisksAnswer;
    assert.deepEqual(
      report.volumes.map((one) => [one.folder, one.present]),
      [[folder, true]],
    );
    const time = await commands.run('time', []);
    assert.match(time.text ?? '', /^OK {3}2026-11-22T12:00:00.000Z {2}kept by its battery\n/);
    assert.deepEqual(time.data, report.clock);
  });

  test('says in its status what is wrong and what to do', async () => {
    const { commands, services } = await open(0);
    await using _ = services;
    await commands.run('disks', []);
    const check = commands.checks().find(({ name }) => name === 'clock');
    assert.equal(check?.level, 'WARN');
    assert.equal(check?.text, 'it shows a date before this program was written');
    assert.match(check?.next ?? '', /time server/);
  });
});
