/**
 * What others need for the same: `ffmpeg -c copy` from RTSP and from a pipe, and GStreamer's splitmuxsink, one process a
 * camera as they are used for this, all on the core that the server has in its runs; fragmented MP4 in segments of 10 s.
 * None of them speaks TLS or keeps an index, and none of them syncs: what they have written in the last half minute is
 * gone after a power cut. Their streams are real H.264 of the same rate, encoded once.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cost, costBetween, costOfTree } from './process-cost.ts';
import { cores, pinned, showErrors } from './recording-field.ts';
import type { PacerOrder, PacerReport } from './recording-pacer.ts';
import { framesPerSecond } from './recording-stream.ts';

/** What a peer has used to record so many bytes. */
export interface PeerRun {
  readonly name: string;
  readonly cameras: number;
  readonly durability: string;
  readonly cost: Cost;
  readonly bytes: number;
}

interface Peer {
  readonly name: string;
  readonly input: 'rtsp' | 'pipe';
  readonly program: string;
  /** arguments to record `input` into `folder` */
  readonly args: (input: string, folder: string) => string[];
}

const loopSeconds = 10;
const segmentSeconds = 10;
const durability = 'none, never synced';
/** A program that has not recorded so much of what it got does not do the work. */
const recordedShareMin = 0.8;
const pacerProgram = fileURLToPath(new URL('./recording-pacer.ts', import.meta.url));

const words = (text: string): string[] => text.split(' ');
const ffmpegSegments = words(
  `-c copy -f segment -segment_time ${segmentSeconds} -segment_format mp4` +
    ' -segment_format_options movflags=+frag_keyframe+empty_moov+default_base_moof',
);
const ffmpegOutput = (folder: string): string[] => [...ffmpegSegments, join(folder, '%03d.mp4')];
const ffmpegPipe = words(`-f h264 -framerate ${framesPerSecond} -i`);
const gstSource = words('protocols=tcp latency=0 ! rtph264depay ! h264parse ! splitmuxsink');
const gstSegments = words(
  'muxer-factory=mp4mux muxer-properties=properties,fragment-duration=1000' +
    ` max-size-time=${segmentSeconds}000000000`,
);
const quiet = ['-v', 'error', '-nostdin'];

const peers: readonly Peer[] = [
  {
    name: 'ffmpeg -c copy, from RTSP',
    input: 'rtsp',
    program: 'ffmpeg',
    args: (input, folder) => [...quiet, '-rtsp_transport', 'tcp', '-i', input, ...ffmpegOutput(folder)],
  },
  {
    name: 'ffmpeg -c copy, from a pipe',
    input: 'pipe',
    program: 'ffmpeg',
    args: (input, folder) => [...quiet, ...ffmpegPipe, input, ...ffmpegOutput(folder)],
  },
  {
    // Not from a pipe: its muxer wants times, and a bare stream has none.
    name: 'gst splitmuxsink, from RTSP',
    input: 'rtsp',
    program: 'gst-launch-1.0',
    args: (input, folder) => {
      const location = `location=${join(folder, '%03d.mp4')}`;
      return ['-q', 'rtspsrc', `location=${input}`, ...gstSource, ...gstSegments, location];
    },
  },
];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Encodes the stream that all of them get; undefined when this machine cannot. */
function encode(folder: string, kbps: number): string | undefined {
  const file = join(folder, 'stream.h264');
  const size = `testsrc2=size=1920x1080:rate=${framesPerSecond}:duration=${loopSeconds}`;
  const rate = ['-b:v', `${kbps}k`, '-minrate', `${kbps}k`, '-maxrate', `${kbps}k`, '-bufsize', `${kbps}k`];
  const parameters = `nal-hrd=cbr:keyint=${framesPerSecond}:min-keyint=${framesPerSecond}:scenecut=0:slices=1:bframes=0:sliced-threads=0`;
  const codec = ['-c:v', 'libx264', '-preset', 'ultrafast', ...rate, '-x264-params', parameters];
  const args = [...quiet, '-y', '-f', 'lavfi', '-i', size, ...codec, '-f', 'h264', file];
  return spawnSync('ffmpeg', args, { stdio: 'ignore', timeout: 120_000 }).status === 0 ? file : undefined;
}

/** Runs each peer that is here with so many cameras. */
export async function runPeers(
  cameras: number,
  kbps: number,
  times: { warmUpMs: number; measuredMs: number },
): Promise<PeerRun[]> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-recording-peers-'));
  try {
    const stream = encode(folder, kbps);
    if (stream === undefined) {
      console.log('no peers in this run: ffmpeg cannot encode H.264 here');
      return [];
    }
    const runs: PeerRun[] = [];
    for (const [place, peer] of peers.entries()) {
      if (spawnSync(peer.program, ['--version'], { stdio: 'ignore' }).error !== undefined) {
        console.log(`${peer.name}: ${peer.program} is not installed`);
        continue;
      }
      const run = await runPeer(peer, join(folder, String(place)), { ...times, cameras, stream });
      if (run === undefined) console.log(`${peer.name}: it does not record here`);
      else runs.push(run);
      rmSync(join(folder, String(place)), { recursive: true, force: true });
    }
    return runs;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function bytesBelow(folder: string): number {
  const names = readdirSync(folder, { recursive: true }).map(String);
  return names
    .filter((name) => name.endsWith('.mp4'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

async function reportOf<T extends PacerReport['type']>(
  pacer: ChildProcess,
  type: T,
): Promise<Extract<PacerReport, { type: T }>> {
  for (;;) {
    const [report] = (await once(pacer, 'message')) as [PacerReport];
    if (report.type === type) return report as Extract<PacerReport, { type: T }>;
  }
}

async function runPeer(
  { name, input, program, args }: Peer,
  folder: string,
  plan: { warmUpMs: number; measuredMs: number; cameras: number; stream: string },
): Promise<PeerRun | undefined> {
  const folders = Array.from({ length: plan.cameras }, (_, place) => join(folder, `cam-${place + 1}`));
  for (const one of folders) mkdirSync(one, { recursive: true });
  const pipes = input === 'pipe' ? folders.map((one) => join(one, 'pipe')) : [];
  if (pipes.length > 0) execFileSync('mkfifo', pipes);
  const order: PacerOrder = { file: plan.stream, pipes };
  const pacerArgs = ['--import', 'tsx', pacerProgram, JSON.stringify(order)];
  const [node, nodeArgs] = pinned(cores.cameras, process.execPath, pacerArgs);
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(Math.max(4, 2 * plan.cameras)) };
  const pacer = spawn(node, nodeArgs, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env });
  showErrors(pacer, 'pacer');
  const recorders: ChildProcess[] = [];
  try {
    const { port } = await reportOf(pacer, 'ready');
    for (const [place, one] of folders.entries()) {
      const source = pipes[place] ?? `rtsp://127.0.0.1:${port}/cam-${place + 1}`;
      const [command, itsArgs] = pinned(cores.server, program, args(source, one));
      recorders.push(spawn(command, itsArgs, { stdio: 'ignore' }));
    }
    await pause(plan.warmUpMs);
    const pids = recorders.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    const count = (): Promise<{ bytes: number }> => {
      const answer = reportOf(pacer, 'count');
      pacer.send('count');
      return answer;
    };
    const [bytesBefore, diskBefore, before] = [(await count()).bytes, bytesBelow(folder), costOfTree(pids)];
    await pause(plan.measuredMs);
    const after = costOfTree(pids);
    const bytes = (await count()).bytes - bytesBefore;
    const recorded = bytesBelow(folder) - diskBefore;
    if (bytes === 0 || recorded < recordedShareMin * bytes) {
      console.log(`${name}: ${recorded} of ${bytes} bytes recorded`);
      return undefined;
    }
    return { name, cameras: plan.cameras, durability, cost: costBetween(before, after), bytes };
  } finally {
    await Promise.all([...recorders, pacer].map(end));
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
