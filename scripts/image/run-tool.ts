/** Runs the tools of the system that an image is made with; what they said is in the error. */
import { spawn } from 'node:child_process';
import { Failure } from '../../firmware/base/failure.ts';

/** Debian packages of the tools, for the advice. */
const packageOf: Record<string, string> = {
  mmdebstrap: 'mmdebstrap',
  'mkfs.vfat': 'dosfstools',
  mcopy: 'mtools',
  mmd: 'mtools',
  mdir: 'mtools',
  'mkfs.ext4': 'e2fsprogs',
  dumpe2fs: 'e2fsprogs',
  sfdisk: 'fdisk',
  zstd: 'zstd',
  lsblk: 'util-linux',
  blockdev: 'util-linux',
};

/** How much of what a tool says is kept, characters. */
const keptChars = 8_000;

interface ToolOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** called with each line of stderr */
  readonly onLine?: (line: string) => void;
}

/** Resolves with stdout. Throws the Failure FILE_IO with the end of what the tool said. */
export function runTool(tool: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const env: NodeJS.ProcessEnv = { ...process.env, LC_ALL: 'C.UTF-8', ...options.env };
    // Debian keeps these where only root's path leads.
    env['PATH'] = `${env['PATH'] ?? ''}:/usr/sbin:/sbin`;
    const child = spawn(tool, [...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      const text = chunk.toString();
      said = `${said}${text}`.slice(-keptChars);
      for (const line of text.split('\n')) options.onLine?.(line);
    });
    child.once('error', (cause: NodeJS.ErrnoException) => {
      const advice =
        cause.code === 'ENOENT'
          ? `On Debian: apt-get install ${packageOf[tool] ?? tool}`
          : 'See what the system says about it.';
      reject(new Failure('FILE_IO', `cannot run ${tool}: ${cause.message}`, { advice, cause }));
    });
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(out);
      const what = `${tool} ${args.join(' ')} ended with ${code ?? signal}`;
      const tail = `${said}${said === '' ? out : ''}`.trim().slice(-2_000);
      reject(
        new Failure('FILE_IO', `${what}:\n${tail}`, {
          advice: 'The last lines above say what it did not like.',
        }),
      );
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}
