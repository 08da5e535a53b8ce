/**
 * The contract of servo drivers: kernel PWM on a sysfs in a folder, in virtual time; bursts by the real servo process and
 * the real onoff, in a sysfs of its own, its writes timed where they happen.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Failure } from '../../firmware/base/failure.ts';
import { burstMs } from '../../firmware/gpio/pulse-train.ts';
import type { ServoAxis } from '../../firmware/gpio/servo-driver.ts';
import { openBurstServos } from '../../firmware/io/burst-servos.ts';
import { openPwmServos } from '../../firmware/io/pwm-servos.ts';
import type { Sysfs } from '../../firmware/io/sysfs.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { exportLines, hasNamespaces, inOwnSysfs } from '../support/fake-gpio-kernel.ts';
import { type ServoBench, servoDriverContract } from '../support/servo-driver-contract.ts';
import { sysfsFolder, treeOf } from '../support/sysfs-trees.ts';

const chip = 'class/pwm/pwmchip2';
const channels = { pan: 0, tilt: 3 } as const;

/** The kernel's half of sysfs: what it refuses, and the folders it makes. */
function kernelOver(sysfs: Sysfs, root: string): Sysfs {
  const number = (file: string): number => Number(sysfs.read(file));
  const refuse = (code: string): never => {
    throw Object.assign(new Error(`${code}: refused`), { code });
  };
  return {
    ...sysfs,
    write(file, text) {
      if (file === `${chip}/export` || file === `${chip}/unexport`) {
        const folder = join(root, chip, `pwm${text}`);
        const exports = file.endsWith('/export');
        if (exports === existsSync(folder)) refuse(exports ? 'EBUSY' : 'ENODEV');
        if (!exports) return rmSync(folder, { recursive: true });
        mkdirSync(folder);
        for (const name of ['period', 'duty_cycle', 'enable']) writeFileSync(join(folder, name), '0\n');
        return undefined;
      }
      const channel = file.slice(0, file.lastIndexOf('/'));
      const leaf = file.slice(channel.length + 1);
      if (leaf === 'duty_cycle' && Number(text) > number(`${channel}/period`)) refuse('EINVAL');
      if (leaf === 'period' && Number(text) < number(`${channel}/duty_cycle`)) refuse('EINVAL');
      if (leaf === 'enable' && text === '1' && number(`${channel}/period`) === 0) refuse('EINVAL');
      return sysfs.write(file, text);
    },
  };
}

async function pwmBench(): Promise<ServoBench & { sysfs: Sysfs; failures: Failure[] }> {
  const folder = sysfsFolder(treeOf('6.6', 'raspberry-pi-5'));
  const sysfs = kernelOver(folder.sysfs, folder.root);
  const failures: Failure[] = [];
  const driver = openPwmServos({
    sysfs,
    chip: 'pwmchip2',
    channels,
    onFailed: (failure) => failures.push(failure),
  });
  return {
    driver,
    sysfs,
    failures,
    toleranceUs: 0,
    // The chip goes on by itself: what it makes is what its files say.
    watch: async (axis, ms) => {
      const channel = `${chip}/pwm${channels[axis]}`;
      if (!sysfs.list(chip).includes(`pwm${channels[axis]}`) || sysfs.read(`${channel}/enable`) !== '1')
        return [];
      const periodMs = Number(sysfs.read(`${channel}/period`)) / 1e6;
      return Array.from({ length: ms / periodMs }, () => Number(sysfs.read(`${channel}/duty_cycle`)) / 1_000);
    },
    [Symbol.asyncDispose]: async () => {
      driver[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
}

const base = 512;
const lines = { pan: 12, tilt: 13 } as const;
const recorder = join(tmpdir(), `starling-line-recorder-${process.pid}.so`);
const program = fileURLToPath(new URL('../../firmware/main.ts', import.meta.url));

/** The real driver and process; a library in that process writes down when each line was written. */
async function burstBench(): Promise<ServoBench> {
  exportLines(base, [lines.pan, lines.tilt]);
  const folder = mkdtempSync(join(tmpdir(), 'starling-burst-'));
  const record = join(folder, 'record');
  // Stands for Node.
  const recorded = join(folder, 'recorded');
  const preload = `LD_PRELOAD=${recorder} LINE_RECORD=${record}`;
  writeFileSync(recorded, `#!/bin/sh\n${preload} exec ${process.execPath} "$@"\n`, { mode: 0o755 });
  const driver = openBurstServos({
    node: recorded,
    program,
    execArgv: ['--import', 'tsx'],
    clock: systemClock,
    base,
    lines,
    onFailed: () => undefined,
  });
  const edges = (axis: ServoAxis): { high: boolean; us: number }[] => {
    if (!existsSync(record)) return [];
    const number = String(base + lines[axis]);
    return readFileSync(record, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [of, level, ns] = line.split(' ');
        return of === number && ns !== undefined ? [{ us: Number(ns) / 1_000, high: level === '1' }] : [];
      });
  };
  const widths = (axis: ServoAxis): number[] => {
    const all = edges(axis);
    return all.flatMap((edge, place) => {
      const next = all[place + 1];
      return edge.high && next !== undefined ? [next.us - edge.us] : [];
    });
  };
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void systemClock.after(ms, resolve));
  // The process takes a moment to be there; its first burst is over before anybody looks.
  driver.aim('tilt', 1_500);
  for (let waited = 0; edges('tilt').length === 0; waited += 50) {
    assert.ok(waited < 20_000, 'the servo process makes no pulse');
    await pause(50);
  }
  await pause(burstMs + 200);
  return {
    driver,
    // Sides of a pulse are waited for on a processor that others have, too; half of what tells two tested widths apart.
    toleranceUs: 240,
    watch: async (axis, ms) => {
      const before = widths(axis).length;
      await pause(ms);
      return widths(axis).slice(before);
    },
    [Symbol.asyncDispose]: async () => {
      driver[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const outer = hasNamespaces() ? inOwnSysfs(fileURLToPath(import.meta.url)) : { status: null, output: '' };

if (outer === undefined) {
  const source = fileURLToPath(new URL('../support/line-recorder.c', import.meta.url));
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', recorder, source, '-ldl']);
  servoDriverContract('onoff burst', burstBench);
  after(() => rmSync(recorder));
} else {
  servoDriverContract('kernel PWM', pwmBench);

  test('a channel that another program left running is set up anew', async () => {
    await using bench = await pwmBench();
    const { sysfs } = bench;
    bench.driver.aim('pan', 2_000);
    const again = openPwmServos({ sysfs, chip: 'pwmchip2', channels, onFailed: () => undefined });
    assert.equal(sysfs.read(`${chip}/pwm0/enable`), '0');
    again.aim('pan', 1_000);
    assert.deepEqual(
      [
        sysfs.read(`${chip}/pwm0/enable`),
        sysfs.read(`${chip}/pwm0/duty_cycle`),
        sysfs.read(`${chip}/pwm0/period`),
      ],
      ['1', '1000000', '20000000'],
    );
  });

  test('a kernel that refuses is told of once, and a chip that is not there at once', async () => {
    await using bench = await pwmBench();
    bench.sysfs.write(`${chip}/unexport`, '0');
    for (let time = 0; time < 3; time++) bench.driver.aim('pan', 1_500);
    assert.equal(bench.failures.length, 1);
    assert.match(bench.failures[0]?.message ?? '', /^PWM pwmchip2: ENOENT/);
    assert.throws(
      () => openPwmServos({ sysfs: bench.sysfs, chip: 'pwmchip9', channels, onFailed: () => undefined }),
      /PWM pwmchip9 channel 0/,
    );
  });

  test('bursts by the servo process keep it, too', {
    skip: hasNamespaces() ? false : 'no mount namespaces here',
  }, () => {
    assert.equal(outer.status, 0, outer.output);
    assert.match(outer.output, /servo driver contract: onoff burst/);
  });
}
