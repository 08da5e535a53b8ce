/**
 * Memory of a camera unit whose outbox is full: PSS of its process tree, on its own, with no server to send to. The
 * figure to reach is without the encoder, as boards have one in hardware: a second unit is the same program with the
 * encoder taken out of its pipeline.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareDemo } from '../../firmware/cli/demo-site.ts';
import { UnitProcess } from '../../firmware/cli/unit-process.ts';
import type { Figure } from '../bench.ts';

const root = join(import.meta.dirname, '..', '..');
const outboxBytes = 32 * 1024 * 1024;
const kbps = 12_000;
/** Until the outbox is full, and half as long again. */
const fullMs = ((outboxBytes * 8) / kbps) * 1.5;

/** The unit that a process began, and all that it began. */
function treeOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(treeOf)];
}

function pssOf(pid: number): number {
  const [, kib] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

/** PSS of unit and capture process, bytes, when the outbox has been full for a while. */
async function measure(program: string, source: string, ms: number): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-memory-'));
  try {
    const port = 20_000 + (process.pid % 10_000);
    const [unit] = await prepareDemo({ servers: 0, cameras: 1, port, folder, sources: [source] });
    assert(unit !== undefined);
    const running = new UnitProcess(unit, program, (line) => process.stderr.write(`${line}\n`));
    running.start();
    try {
      await new Promise((resolve) => setTimeout(resolve, ms));
      assert(running.pid !== undefined, 'the unit has ended');
      return treeOf(running.pid).map(pssOf);
    } finally {
      await running.stop();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The program with pictures that are encoded already. */
function withoutEncoder(bundle: string, folder: string): string {
  const text = readFileSync(bundle, 'utf8');
  const live = 'qtdemux ! identity sync=true ! h264parse ! video/x-h264,stream-format=avc,alignment=au';
  const launch = `filesrc name=source ! ${live} ! gdppay ! appsink name=video sync=false async=false max-buffers=64`;
  const changed = text
    .replace(/launch: `filesrc name=source ! decodebin[^\n]*`,/, `launch: ${JSON.stringify(launch)},`)
    .replace(
      /sinks: camera2?\.audio \? \["video", "audio"\] : \["video"\],\n(\s*)live: false/,
      'sinks: ["video"],\n$1live: false',
    );
  assert.notEqual(changed, text);
  assert(!/sinks: camera[^\n]*\n\s*live: false/.test(changed), 'the sound is still there');
  const path = join(folder, 'starling.mjs');
  writeFileSync(path, changed);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return path;
}

/** Runs the benchmark; needs dist/starling.mjs. */
export async function benchCameraMemory(quick: boolean): Promise<Figure[]> {
  const bundle = join(root, 'dist', 'starling.mjs');
  const folder = mkdtempSync(join(tmpdir(), 'starling-memory-'));
  try {
    const source = join(folder, 'noise.mp4');
    const seconds = quick ? 10 : 60;
    const make =
      `-q videotestsrc pattern=snow num-buffers=${seconds * 25} ! video/x-raw,width=640,height=360,framerate=25/1 ! ` +
      `x264enc speed-preset=ultrafast bitrate=${kbps} key-int-max=25 ! mp4mux ! filesink location=${source}`;
    execFileSync('gst-launch-1.0', make.split(' '));
    const ms = quick ? 5_000 : fullMs;
    const bare = await measure(withoutEncoder(bundle, folder), source, ms);
    const whole = await measure(bundle, 'test', quick ? ms : 60_000);
    const total = (parts: readonly number[]): number => parts.reduce((sum, part) => sum + part, 0) / 1e6;
    const figure = (name: string, parts: readonly number[]): Figure[] => [
      { figure: `camera, PSS of its process tree, ${name}`, value: total(parts), unit: 'MB' },
      { figure: `  of it the unit itself, ${name}`, value: (parts[0] ?? 0) / 1e6, unit: 'MB' },
    ];
    return [
      ...figure('outbox full (32 MiB), without encoder', bare),
      ...figure('test pictures 1280x720 with x264, outbox of 60 s', whole),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
