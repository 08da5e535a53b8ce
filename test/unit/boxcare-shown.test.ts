/** Where the care of a machine is shown: API, command line, Prometheus, MQTT; and what BIRD is told. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { birdConfig } from '../../firmware/boxcare/bird-config.ts';
import { addNetworkCommands } from '../../firmware/cli/network-commands.ts';
import { readSmartctl } from '../../firmware/io/smartctl.ts';
import { observeBox } from '../../firmware/telemetry/box-metrics.ts';
import { serverReport } from '../../firmware/telemetry/reports.ts';
import { bareViewing } from '../support/bare-viewing.ts';
import { failingBox, wellBox } from '../support/box-reports.ts';
import { fakeServer, runCommandLine } from '../support/command-line.ts';

describe('GET /api/disks', () => {
  test('is the report, and nothing where nobody looks after the machine', async () => {
    const { ask } = bareViewing({ disks: () => failingBox('s1') });
    const answer = await ask('/api/disks');
    assert.deepEqual([answer.status, await answer.json()], [200, failingBox('s1')]);
    assert.equal((await ask('/api/disks?server=nobody')).status, 404);
    assert.equal((await bareViewing().ask('/api/disks')).status, 404);
  });
});

describe('starling disks', () => {
  const run = async (report: object, ...argv: string[]) => {
    await using server = await fakeServer((_request, response) => response.end(JSON.stringify(report)));
    const result = await runCommandLine(addNetworkCommands, ['disks', '--server', server.url, ...argv]);
    return { ...result, asked: server.asked };
  };

  test('prints what people read, and ends well', async () => {
    const { out, code, asked } = await run(wellBox('box'));
    assert.match(out, /^box: OK\n/);
    assert.deepEqual([code, asked], [0, ['GET /api/disks']]);
  });

  test('ends with 7 and the next step when something has failed, after the report', async () => {
    const { out, err, code, asked } = await run(failingBox('box'), '--of', 'box', '--json');
    assert.deepEqual(JSON.parse(out), failingBox('box'));
    assert.equal(
      err,
      'error: 1 of box failed\nLook at its cable and power, plug it in again; then mount it anew.\n',
    );
    assert.deepEqual([code, asked], [7, ['GET /api/disks?server=box']]);
  });
});

describe('machines are told', () => {
  test('by Prometheus, each figure with its disk or folder', () => {
    const figures = new Map<string, unknown>();
    observeBox(
      (name, _help, _labels, series) => figures.set(name, series()),
      () => failingBox('box'),
    );
    assert.deepEqual(figures.get('starling_disk_pending_sectors'), [[{ disk: 'sda' }, 8]]);
    assert.deepEqual(figures.get('starling_disk_healthy'), [[{ disk: 'sda' }, 0.5]]);
    assert.deepEqual(figures.get('starling_storage_present'), [[{ folder: '/volumes/starling-1' }, 0]]);
    assert.deepEqual(figures.get('starling_disk_worn_ratio'), []);
    assert.deepEqual(figures.get('starling_box_voltage_low'), [[{}, 0]]);
    assert.deepEqual(figures.get('starling_box_findings'), [
      [{ verdict: 'WARN' }, 1],
      [{ verdict: 'FAIL' }, 1],
    ]);
  });

  test('by MQTT in words that stay the same while only a temperature changes', () => {
    const facts = { server: 'box', version: '1', cameras: 0, peers: 0, alarms: [], volumes: [] };
    const hot = (celsius: number) =>
      serverReport({
        ...facts,
        findings: [{ verdict: 'WARN', about: 'disk sda', text: `it is ${celsius} °C hot` }],
      });
    assert.equal(hot(56).machine, 'WARN');
    assert.deepEqual(hot(56), hot(57.5));
    assert.deepEqual(
      [serverReport(facts).machine, serverReport({ ...facts, findings: [] }).machine],
      [null, 'OK'],
    );
  });
});

describe('smartctl', () => {
  test('is run for disks by name only, and its absence is told', async () => {
    await assert.rejects(readSmartctl('../etc/passwd'), /no disk's name/);
    await assert.rejects(readSmartctl('sda', 'no-such-smartctl'), /package smartmontools/);
    if (spawnSync('smartctl', ['--version']).status === 0)
      assert.match(await readSmartctl('nosuchdisk'), /"exit_status": [1-9]/);
  });

  test('may end with any status, if it has said something', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'starling-smart-'));
    try {
      const program = join(folder, 'smartctl');
      writeFileSync(program, '#!/bin/sh\necho "{\\"argv\\": \\"$*\\"}"\nexit 64\n', { mode: 0o755 });
      assert.equal(
        await readSmartctl('sda', program),
        '{"argv": "--json --all --nocheck=standby /dev/sda"}\n',
      );
      writeFileSync(program, '#!/bin/sh\nexit 2\n', { mode: 0o755 });
      await assert.rejects(readSmartctl('sda', program));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the configuration of BIRD', () => {
  const both = [
    { host: 'fd00::5354', interface: 'lo' },
    { host: '10.83.84.1', interface: 'lo' },
  ];

  test('is none without an anycast address, and names only what the server owns', () => {
    assert.equal(birdConfig({ unit: 'box', addresses: [] }), undefined);
    const text = birdConfig({ unit: 'box', addresses: both.slice(0, 1) }) ?? '';
    assert.match(text, /import where net ~ \[ fd00::5354\/128 \]/);
    assert.doesNotMatch(text, /ospf v2/);
    const id = /router id (\S+);/.exec(text)?.[1];
    assert.match(id ?? '', /^\d+\.\d+\.\d+\.\d+$/);
    assert.notEqual(id, /router id (\S+);/.exec(birdConfig({ unit: 'box-2', addresses: both }) ?? '')?.[1]);
  });

  test('is understood by BIRD', {
    skip: spawnSync('bird', ['--version']).status !== 0 && 'bird is missing',
  }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'starling-bird-'));
    try {
      const file = join(folder, 'bird.conf');
      writeFileSync(
        file,
        birdConfig({
          unit: 'box',
          addresses: both,
          links: [{ name: 'en*' }, { name: 'tap0', cost: 5, isCable: true }],
        }) ?? '',
      );
      execFileSync('bird', ['-p', '-c', file], { stdio: 'pipe' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
