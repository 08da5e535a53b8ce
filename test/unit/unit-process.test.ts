/** Units of a demo that die: they are started again, and say what is wrong once. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { UnitProcess } from '../../firmware/cli/unit-process.ts';
import { until } from '../support/network.ts';

let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-test-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A unit that runs this script; its lives write one line each to its log. */
async function unitOf(
  script: string,
  id = 'ss-1',
): Promise<{ unit: UnitProcess; lines: string[]; lives: () => Promise<number> }> {
  const program = join(folder, `${id}.mjs`);
  await writeFile(program, script);
  const lines: string[] = [];
  const files = { id, role: 'server', folder, settings: 'unit.yaml' } as const;
  const unit = new UnitProcess(files, program, (line) => lines.push(line), 10);
  const log = (): Promise<string> => readFile(join(folder, 'unit.log'), 'utf8').catch(() => '');
  return { unit, lines, lives: async () => (await log()).split('no disk').length - 1 };
}

describe('a unit', () => {
  test('that dies again and again says the same thing once', async () => {
    const script = `const time = new Date().toISOString().slice(11, 23);
      console.error(time + ' ss-1 error no disk');
      process.exitCode = 1;
      process.disconnect();`;
    const { unit, lines, lives } = await unitOf(script);
    unit.start();
    await until('four lives', async () => (await lives()) >= 4);
    await unit.stop();
    assert.deepEqual(
      lines.map((line) => line.replace(/^[\d:.]+ /, '').replace(/;.*/, '')),
      ['ss-1 error no disk', 'ss-1 ended (exit code 1)', 'ss-1 ended again (exit code 1)'],
    );
  });

  test('that leaves on purpose stays away until somebody starts it, and that is said', async () => {
    const leaving = `console.error('12:00:00.000 ss-4 warn here'); process.disconnect();`;
    const crashing = `console.error('no disk'); process.exitCode = 1; process.disconnect();`;
    const { unit, lines } = await unitOf(leaving, 'ss-4');
    const { unit: other, lives } = await unitOf(crashing, 'ss-5');
    const life = ['12:00:00.000 ss-4 warn here', 'ss-4 has left; it is not started again by this demo'];
    unit.start();
    await until('it has left', () => lines.length >= 2);
    const before = await lives();
    other.start();
    await until('another has been started again twice', async () => (await lives()) >= before + 3);
    await other.stop();
    assert.deepEqual(lines, life);
    unit.start();
    await until('its second life has ended too', () => lines.length >= 4);
    assert.deepEqual(lines, [...life, ...life]);
    await unit.stop();
  });

  test('that cannot be started at all is told of, and can be stopped', async () => {
    const { unit, lines } = await unitOf('', 'ss-2');
    const { execPath } = process;
    process.execPath = join(folder, 'no-node-here');
    try {
      unit.start();
      await until('it is told of', () => lines.length > 0);
      await unit.stop();
    } finally {
      process.execPath = execPath;
    }
    assert.match(lines[0] ?? '', /^ss-2 ended \(spawn .*ENOENT\)/);
  });

  test('whose log cannot be written runs all the same', async () => {
    const lines: string[] = [];
    const program = join(folder, 'quiet.mjs');
    await writeFile(program, `setInterval(() => {}, 1000); console.error('ss-3 warn here');`);
    const files = { id: 'ss-3', role: 'server', folder: '/dev/null/unit', settings: 'unit.yaml' } as const;
    const unit = new UnitProcess(files, program, (line) => lines.push(line));
    unit.start();
    await until('both are told', () => lines.length >= 2);
    assert(unit.pid !== undefined);
    await unit.stop();
    assert.deepEqual(lines.filter((line) => /log cannot be written/.test(line)).length, 1);
    assert(lines.includes('ss-3 warn here'));
  });
});
