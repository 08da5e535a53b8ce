/** The floor of the recording bench as a process: recording-floor.c, compiled when it is needed. */
import assert from 'node:assert';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cores, pinned, type RecordingField, showErrors } from './recording-field.ts';

const source = fileURLToPath(new URL('./recording-floor.c', import.meta.url));

/** Compiles it into this file; returns why that does not work. OpenSSL's headers may be Debian's or Node's own. */
function compile(program: string): string | undefined {
  const nodeHeaders = join(dirname(dirname(process.execPath)), 'include', 'node');
  const ways = [
    ['-lssl', '-lcrypto'],
    [`-I${nodeHeaders}`, '-l:libssl.so.3', '-l:libcrypto.so.3'],
  ];
  let reason = '';
  for (const way of ways) {
    const args = ['-O2', '-o', program, source, ...way, '-lpthread'];
    const gcc = spawnSync('gcc', args, { encoding: 'utf8', timeout: 60_000 });
    if (gcc.status === 0) return undefined;
    reason ||= gcc.error?.message ?? gcc.stderr.split('\n')[0] ?? 'gcc failed';
  }
  return `recording-floor.c cannot be compiled (libssl-dev?): ${reason}`;
}

/** Why there can be no floor on this machine. */
export function floorMissing(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'starling-floor-'));
  try {
    return compile(join(folder, 'floor'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export class Floor {
  readonly pid: number;
  readonly port: number;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.pid = child.pid ?? 0;
    this.port = port;
  }

  /** Starts it with the server's certificate; it writes into `folder`. */
  static async start(field: RecordingField, folder: string): Promise<Floor> {
    const program = join(field.folder, 'recording-floor');
    assert.equal(compile(program), undefined);
    const files = ['unit.crt', 'unit.key', 'ca.crt'].map((name) => join(field.server, name));
    assert(files.every(existsSync), files.join());
    const [command, args] = pinned(cores.server, program, ['0', ...files, folder]);
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    field.adopt(child);
    showErrors(child, 'floor');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    return new Floor(child, Number(line.split(' ')[1]));
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.stdin?.end();
    await ended;
  }
}
