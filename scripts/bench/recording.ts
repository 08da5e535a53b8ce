/**
 * `npm run bench -- recording [--small]`: what recording costs. Cameras of 1080p30 at 4 Mbit/s with a keyframe each
 * second, paced in real time in batches as cameras that nobody watches, over TLS from a process on the other core, to a
 * server that makes everything durable within a second. Beside it, in the same run: the floor (a program in C that
 * receives over TLS, writes and syncs once a second, and does nothing else), `ffmpeg -c copy` from RTSP and from a pipe,
 * and GStreamer's splitmuxsink; these neither speak TLS nor sync.
 *
 * Validity gate: every sample sent is found on the disk, byte for byte, else the run fails. CPU is that of all
 * processes that record, user and system, in the steady state; what the kernel does in their name elsewhere (the
 * loopback's receiving side runs where the sender is, write-back in a kernel thread) is in no figure of any of them.
 */
import assert from 'node:assert';
import { until } from '../../test/support/network.ts';
import type { Figure } from '../bench.ts';
import { type Cost, costBetween, costOfTree } from './process-cost.ts';
import { type Cameras, type LoopDelay, RecordingField } from './recording-field.ts';
import { Floor, floorMissing } from './recording-floor.ts';
import { findFloorSamples, findSamples, type Verdict } from './recording-gate.ts';
import { type PeerRun, runPeers } from './recording-peers.ts';

const kbps = 4_000;

interface Plan {
  readonly cameras: readonly number[];
  /** until the cost is the same every second */
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly delayMs: number;
  /** how many cameras the peers get; none in the small form */
  readonly peerCameras: readonly number[];
  /** with this many cameras the server is killed and away for so long */
  readonly outage: { readonly cameras: number; readonly ms: number };
}

const whole: Plan = {
  cameras: [1, 10, 20, 50, 150],
  warmUpMs: 10_000,
  measuredMs: 20_000,
  delayMs: 15_000,
  peerCameras: [1, 10, 50],
  outage: { cameras: 150, ms: 30_000 },
};
const small: Plan = {
  cameras: [2],
  warmUpMs: 2_000,
  measuredMs: 3_000,
  delayMs: 1_000,
  peerCameras: [],
  outage: { cameras: 2, ms: 3_000 },
};
/** Batches leave every 0.4 s and are durable within a second: who is not further behind has caught up. */
const caughtUpMs = 2_500;
const catchUpMsMax = 180_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a recorder has used to take in so many bytes. */
interface Measured {
  readonly cost: Cost;
  readonly bytes: number;
  readonly seconds: number;
}

/** Runs it. Rejects when a run is not valid. */
export async function benchRecording(isSmall: boolean): Promise<Figure[]> {
  const plan = isSmall ? small : whole;
  const only = process.env['STARLING_BENCH_CAMERAS']?.split(',').map(Number);
  const figures: Figure[] = [];
  const missing = floorMissing();
  if (missing !== undefined) console.log(`no floor in this run: ${missing}`);
  for (const cameras of only ?? plan.cameras) {
    const floor = missing === undefined ? await runFloor(plan, cameras) : undefined;
    const found = await runStarling(plan, cameras, floor);
    // The whole takes a quarter of an hour: what is known is said.
    console.log(`measured: ${found[0]?.figure} ${found[0]?.value.toFixed(2)} s/GB`);
    figures.push(...found);
  }
  for (const cameras of only === undefined ? plan.peerCameras : []) {
    for (const peer of await runPeers(cameras, kbps, plan)) figures.push(...peerFigures(peer));
  }
  return figures;
}

function perGb({ cost, bytes }: Pick<Measured, 'cost' | 'bytes'>): number {
  return cost.cpuSeconds / (bytes / 1e9);
}

function assertWhole(what: string, { missing, wrong, first }: Verdict): void {
  assert(
    missing === 0 && wrong === 0,
    `${what} is not valid: ${missing} samples missing, ${wrong} wrong: ${first}`,
  );
}

async function measure(pid: number, cameras: Cameras, ms: number): Promise<Measured> {
  const bytesBefore = (await cameras.count()).bytes;
  const [before, from] = [costOfTree([pid]), performance.now()];
  await pause(ms);
  const [after, to] = [costOfTree([pid]), performance.now()];
  const bytesAfter = (await cameras.count()).bytes;
  return { cost: costBetween(before, after), bytes: bytesAfter - bytesBefore, seconds: (to - from) / 1000 };
}

async function runFloor(plan: Plan, count: number): Promise<Measured> {
  await using field = await RecordingField.open();
  const folder = field.makeFolder('floor');
  const floor = await Floor.start(field, folder);
  const cameras = field.startCameras(count, kbps, floor.port);
  await cameras.streaming();
  await pause(plan.warmUpMs);
  const measured = await measure(floor.pid, cameras, plan.measuredMs);
  const sent = await cameras.stop();
  await floor.stop();
  assertWhole(`the floor with ${count} cameras`, findFloorSamples(folder, sent));
  return measured;
}

async function runStarling(plan: Plan, count: number, floor: Measured | undefined): Promise<Figure[]> {
  await using field = await RecordingField.open();
  const profile = process.env['STARLING_BENCH_PROFILE'];
  let server = await field.startServer(
    profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`],
  );
  const pid = server.pid ?? 0;
  await pause(2_000);
  const base = costOfTree([pid]).residentBytes;
  const cameras = field.startCameras(count, kbps);
  await cameras.streaming();
  await pause(plan.warmUpMs);
  await until(`${count} cameras are received`, async () => (await field.received()).cameras === count);
  const measured = await measure(pid, cameras, plan.measuredMs);
  const delay = await field.delayOf(server, () => pause(plan.delayMs));
  const outage: Figure[] = [];
  if (count === plan.outage.cameras) {
    await field.killServer(server);
    await pause(plan.outage.ms);
    server = await field.startServer();
    outage.push(...(await catchUp(cameras, count)));
  }
  const sent = await cameras.stop();
  await field.stopServer(server);
  const verdict = await findSamples([field.server], sent);
  assertWhole(`the run with ${count} cameras`, verdict);
  assert.equal(sent.overflowed, 0, 'an outbox has overflowed');
  return [...starlingFigures(count, measured, { base, delay, floor }), ...outage];
}

/** How long a server that was away takes until nothing waits in the outboxes any more. */
async function catchUp(cameras: Cameras, count: number): Promise<Figure[]> {
  const startedAt = performance.now();
  const first = await cameras.count();
  let now = first;
  while (now.behindMs > caughtUpMs) {
    assert(performance.now() - startedAt < catchUpMsMax, `still ${now.behindMs} ms behind`);
    await pause(100);
    now = await cameras.count();
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const of = `${count} cameras, server killed and away: `;
  return [
    { figure: `${of}behind when it is up again`, value: first.behindMs / 1000, unit: 's' },
    { figure: `${of}caught up after`, value: seconds, unit: 's' },
  ];
}

function starlingFigures(
  count: number,
  measured: Measured,
  rest: { base: number; delay: LoopDelay; floor: Measured | undefined },
): Figure[] {
  const { cost, bytes, seconds } = measured;
  const { base, delay, floor } = rest;
  const peer = floor === undefined ? {} : { peer: { name: 'floor in C', value: perGb(floor) } };
  const of = `${count} camera${count === 1 ? '' : 's'}: `;
  return [
    { figure: `${of}CPU per GB received, durable within 1 s`, value: perGb(measured), unit: 's/GB', ...peer },
    { figure: `${of}of it in the kernel`, value: cost.kernelSeconds / (bytes / 1e9), unit: 's/GB' },
    { figure: `${of}received`, value: bytes / 1e6 / seconds, unit: 'MB/s' },
    { figure: `${of}share of one core`, value: (100 * cost.cpuSeconds) / seconds, unit: '%' },
    { figure: `${of}event loop delay, p99`, value: delay.p99, unit: 'ms' },
    { figure: `${of}event loop delay, max`, value: delay.max, unit: 'ms' },
    { figure: `${of}written per byte received`, value: cost.writtenBytes / bytes, unit: '' },
    { figure: `${of}memory per camera`, value: (cost.residentBytes - base) / count / 1e6, unit: 'MB' },
    { figure: `${of}wake-ups`, value: cost.wakeups / seconds, unit: '/s' },
  ];
}

function peerFigures({ name, cameras, durability, cost, bytes }: PeerRun): Figure[] {
  const figure = `${cameras} camera${cameras === 1 ? '' : 's'}: ${name} (durability: ${durability})`;
  return [
    { figure: `${figure}, CPU per GB`, value: cost.cpuSeconds / (bytes / 1e9), unit: 's/GB' },
    { figure: `${figure}, written per byte`, value: cost.writtenBytes / bytes, unit: '' },
    { figure: `${figure}, memory per camera`, value: cost.residentBytes / cameras / 1e6, unit: 'MB' },
  ];
}
