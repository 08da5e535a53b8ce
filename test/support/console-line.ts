/**
 * A serial line for tests: two real ptys, made by socat, and between them this process, which may change, drop and add
 * bytes and write the kernel's messages. Random things come from a seed that is printed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './network.ts';

/** What happens to bytes on their way. */
export interface Noise {
  /** share of bytes that are changed, lost or doubled */
  share: number;
  /** what the kernel says in the middle of it, from time to time */
  kernel?: string;
  readonly seed: number;
}

export interface NoisyLine extends AsyncDisposable {
  /** the unit's end, a pty */
  readonly unit: string;
  /** the bench's end, a pty */
  readonly bench: string;
  readonly noise: Noise;
  /** bytes that went from the unit to the bench */
  readonly bytesUp: () => number;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export async function openNoisyLine(noise: Noise): Promise<NoisyLine> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-line-'));
  const random = randomOf(noise.seed);
  const [unit, bench] = [join(folder, 'unit'), join(folder, 'bench')];
  const ends = await Promise.all([openEnd(unit, folder), openEnd(bench, folder)]);
  const [unitEnd, benchEnd] = ends;
  let up = 0;
  join2(unitEnd.socket, benchEnd.socket, (bytes) => {
    up += bytes.length;
    return disturb(bytes, noise, random);
  });
  join2(benchEnd.socket, unitEnd.socket, (bytes) => disturb(bytes, { ...noise, kernel: '' }, random));
  await until('socat has made its ptys', () => existsSync(unit) && existsSync(bench));
  return {
    unit,
    bench,
    noise,
    bytesUp: () => up,
    async [Symbol.asyncDispose]() {
      for (const end of ends) end.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function openEnd(path: string, folder: string): Promise<{ socket: Socket; close: () => void }> {
  const listenAt = join(folder, `${path.split('/').at(-1)}.sock`);
  let child: ChildProcess | undefined;
  const server: Server = createServer();
  const socket = await new Promise<Socket>((resolve, reject) => {
    server.once('error', reject);
    server.once('connection', resolve);
    server.listen(listenAt, () => {
      child = spawn('socat', [`PTY,link=${path},raw,echo=0`, `UNIX-CONNECT:${listenAt}`], {
        stdio: 'inherit',
      });
      child.once('error', reject);
    });
  });
  return {
    socket,
    close: () => {
      socket.destroy();
      server.close();
      child?.kill();
    },
  };
}

function join2(from: Socket, to: Socket, change: (bytes: Buffer) => Buffer): void {
  from.on('data', (bytes) => {
    if (!to.destroyed && !to.write(change(bytes))) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.on('error', () => undefined);
}

/** Of the bytes that are hit, a third each is changed, lost and doubled. */
function disturb(bytes: Buffer, { share, kernel = '' }: Noise, random: () => number): Buffer {
  const out: number[] = [];
  for (const byte of bytes) {
    if (kernel !== '' && random() < 0.0005) out.push(...Buffer.from(kernel));
    if (random() >= share) {
      out.push(byte);
      continue;
    }
    const how = random();
    if (how < 1 / 3) out.push(Math.floor(random() * 256));
    else if (how < 2 / 3) out.push(byte, byte);
  }
  return Buffer.from(out);
}
