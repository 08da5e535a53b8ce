/**
 * The figures of a whole small network: three servers, four cameras of 960×540 at 25/s and 1.2 Mbit/s with sound, all
 * encoding on this machine. Durability: synced at least every second.
 *
 * Validity gate: everything that the cameras captured is on the disks, each file without a hole and every picture as
 * it was drawn; else the run fails, small or not (test/support/whole-pictures.ts). The test source leaves pictures out
 * when this machine cannot draw or encode them for a second: nothing was lost then, but what was measured means
 * nothing, and the figures say so.
 * The peer for the cost of recording is `ffmpeg -c copy` writing the same streams as fragmented MP4 in real time, from
 * files, without TLS, index or sync.
 */
import assert from 'node:assert';
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openChromium } from '../../test/support/chromium.ts';
import {
  bundle,
  getCameras,
  getStatus,
  startNetwork,
  type TestNetwork,
  until,
  untilUp,
} from '../../test/support/network.ts';
import { live, videoOf } from '../../test/support/page-checks.ts';
import { watchFrames } from '../../test/support/test-bar-page.ts';
import { judgePictures, readPictures, type StoredPictures } from '../../test/support/whole-pictures.ts';
import type { Figure } from '../bench.ts';

const servers = ['ss-1', 'ss-2', 'ss-3'];
const cameras = 4;
/** of the demo's pictures */
const size = { width: 960, height: 540 };
const frameRate = 25;
/** How long a machine with other work may take for what is not measured by it, such as to start seven processes. */
const patienceMs = 120_000;

/** Runs it; about a minute and a half. Rejects when the run is not valid. */
export async function benchFirstPicture(quick: boolean): Promise<Figure[]> {
  const [recordedSeconds, displayedFrames] = quick ? [4, 20] : [30, 250];
  await using network = await startNetwork({ servers: servers.length, cameras });
  const startedAt = Date.now();
  const durable = async (): Promise<number | undefined> => {
    const list = await getCameras(network.url());
    return list.some(({ durableThrough }) => durableThrough !== null) ? Date.now() - startedAt : undefined;
  };
  const firstRecordedMs = await until('a durable frame', durable, patienceMs);
  await untilUp(network, servers.length, cameras, patienceMs);
  const cost = await recordingCost(network, recordedSeconds);
  const latency = await displayLatency(network, displayedFrames);
  for (const unit of [...network.units.values()].reverse()) await unit.stop();
  const files = recordedFiles(network.folder);
  const doubt = await whyNotValid(files);
  const peer = await ffmpegCost(files.slice(0, 4));
  const program = readFileSync(bundle);
  const measured: Figure[] = [
    {
      figure: 'from the start of all processes to the first durable frame',
      value: firstRecordedMs,
      unit: 'ms',
    },
    { figure: 'capture to display in Chromium, p50', value: percentile(latency, 0.5), unit: 'ms' },
    { figure: 'capture to display in Chromium, p95', value: percentile(latency, 0.95), unit: 'ms' },
    {
      figure: 'CPU of all servers per GB recorded, nobody watching',
      value: cost,
      unit: 's/GB',
      peer: { name: 'ffmpeg -c copy', value: peer },
    },
  ];
  return [
    ...measured.map((figure) => (doubt === undefined ? figure : { ...figure, notValid: doubt })),
    { figure: 'bundle', value: program.length / 1e6, unit: 'MB' },
    { figure: 'bundle, gzip', value: gzipSync(program).length / 1e6, unit: 'MB' },
  ];
}

async function usage(network: TestNetwork): Promise<{ cpuSeconds: number; bytes: number }> {
  const answers = await Promise.all(servers.map((server) => getStatus(network.url(server))));
  const sum = (pick: (answer: (typeof answers)[number]) => number): number =>
    answers.reduce((total, answer) => total + pick(answer), 0);
  return {
    cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
    bytes: sum(({ recordedBytes }) => recordedBytes),
  };
}

/** CPU seconds of the three servers per 10^9 bytes received. */
async function recordingCost(network: TestNetwork, recordedSeconds: number): Promise<number> {
  const before = await usage(network);
  await new Promise((resolve) => setTimeout(resolve, recordedSeconds * 1000));
  const after = await usage(network);
  return (after.cpuSeconds - before.cpuSeconds) / ((after.bytes - before.bytes) / 1e9);
}

async function displayLatency(network: TestNetwork, displayedFrames: number): Promise<number[]> {
  await using browser = await openChromium();
  await browser.page.goto(`${network.url()}/#/camera/cam-1`);
  await live(browser.page, 'cam-1', patienceMs);
  // The first seconds are the player finding its place.
  const frames = await watchFrames(browser.page, videoOf('cam-1'), displayedFrames + 50, patienceMs);
  return frames.slice(50).map(({ latencyMs }) => latencyMs);
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function recordedFiles(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true }).map(String);
  const files = names.filter((name) => name.endsWith('.mp4')).map((name) => join(folder, name));
  return files.sort((a, b) => statSync(b).size - statSync(a).size);
}

/** Throws when something was lost; says why the figures mean nothing when the sources could not keep up. */
async function whyNotValid(paths: readonly string[]): Promise<string | undefined> {
  const files: StoredPictures[] = [];
  for (const path of paths) files.push(await readPictures(path, size));
  const recorded = new Set(files.map(({ camera }) => camera)).size;
  assert.equal(recorded, cameras, `not valid: ${recorded} cameras are recorded`);
  const { lost, leftOut } = judgePictures(files, frameRate);
  assert(lost.length === 0, `not valid: ${lost.join('; ')}`);
  return leftOut.length === 0 ? undefined : `this machine was too busy: ${leftOut.join('; ')}`;
}

/** CPU seconds of `ffmpeg -c copy` per 10^9 bytes, four at a time in real time. */
async function ffmpegCost(files: readonly string[]): Promise<number> {
  const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']).toString());
  const flags = ['-movflags', 'frag_keyframe+empty_moov+default_base_moof', '-f', 'mp4'];
  const runs = files.map(async (file) => {
    const args = ['-v', 'error', '-nostdin', '-re', '-i', file, '-c', 'copy', '-y', ...flags, `${file}.copy`];
    const child = spawn('ffmpeg', args, { stdio: 'ignore' });
    let ticks = 0;
    const timer = setInterval(() => {
      ticks = Math.max(ticks, cpuTicks(child.pid ?? 0));
    }, 100);
    await new Promise((resolve) => child.once('close', resolve));
    clearInterval(timer);
    return { cpuSeconds: ticks / ticksPerSecond, bytes: statSync(file).size };
  });
  const done = await Promise.all(runs);
  const cpuSeconds = done.reduce((sum, one) => sum + one.cpuSeconds, 0);
  return cpuSeconds / (done.reduce((sum, one) => sum + one.bytes, 0) / 1e9);
}

/** User and system time of a process in clock ticks; 0 when it is gone (proc(5)). */
function cpuTicks(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}
