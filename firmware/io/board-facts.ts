/**
 * What the running machine shows of itself: its device tree, and the parts that a board may have. Everything is read
 * from files, nothing is opened that could do something; what cannot be read is not there.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import type { BoardFacts } from '../boards/board-parts.ts';
import { type MachineFacts, parseCompatible } from '../boards/recognition.ts';

/** A slow board looks through all plugins the first time. */
const probeMs = 60_000;
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm: 'armhf', ia32: 'i386' };

/** `root` is where the machine's files begin, for tests; `boardsFolder` is where an image says which board it is for. */
export async function readMachineFacts(boardsFolder: string | undefined, root = '/'): Promise<MachineFacts> {
  const [tree, image] = await Promise.all([
    bytesOf(join(root, 'proc/device-tree/compatible')),
    boardsFolder === undefined ? '' : textOf(join(boardsFolder, 'image-board')),
  ]);
  return {
    compatible: parseCompatible(tree),
    architecture: architectures[arch()] ?? arch(),
    imageBoard: image === '' ? undefined : image,
  };
}

/** Looks for the parts of a board: `paths` and `elements` are those it is asked about. */
export async function readBoardFacts(
  paths: readonly string[],
  elements: readonly string[],
  root = '/',
): Promise<BoardFacts> {
  const sys = join(root, 'sys/class');
  const memory = await textOf(join(root, 'proc/meminfo'));
  return {
    gpioChips: await eachOf(join(sys, 'gpio'), /^gpiochip\d+$/, async (chip) => ({
      label: await textOf(join(chip, 'label')),
      lineCount: Number(await textOf(join(chip, 'ngpio'))),
    })),
    pwmChips: await eachOf(join(sys, 'pwm'), /^pwmchip\d+$/, async (chip) => ({
      device: basename(await readlink(join(chip, 'device')).catch(() => '')),
      channelCount: Number(await textOf(join(chip, 'npwm'))),
    })),
    leds: await namesIn(join(sys, 'leds')),
    hwmon: await eachOf(join(sys, 'hwmon'), /^hwmon\d+$/, (one) => textOf(join(one, 'name'))),
    networkInterfaces: await namesIn(join(sys, 'net')),
    labels: await namesIn(join(root, 'dev/disk/by-label')),
    paths: await existing(paths, root),
    videoDevices: (await namesIn(join(root, 'dev'))).filter((name) => /^video\d+$/.test(name)),
    elements: await existingElements(elements),
    rtc: (await namesIn(join(sys, 'rtc'))).length > 0,
    memoryMb: Math.round(totalmem() / 1e6),
    cma: cmaOf(memory),
  };
}

/** The memory kept for pictures now; undefined when the kernel keeps none apart. */
export async function readCma(): Promise<BoardFacts['cma']> {
  return cmaOf(await textOf('/proc/meminfo'));
}

/** What /proc/meminfo says of the memory kept for pictures; undefined when it says nothing. */
export function cmaOf(meminfo: string): BoardFacts['cma'] {
  const kilobytes = (name: string): number | undefined => {
    const value = new RegExp(`^${name}:\\s+(\\d{1,12}) kB$`, 'm').exec(meminfo)?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const total = kilobytes('CmaTotal');
  if (total === undefined || total === 0) return undefined;
  return { totalMb: Math.round(total / 1024), freeMb: Math.round((kilobytes('CmaFree') ?? 0) / 1024) };
}

async function eachOf<T>(folder: string, name: RegExp, read: (path: string) => Promise<T>): Promise<T[]> {
  const names = (await namesIn(folder)).filter((one) => name.test(one));
  return Promise.all(names.map((one) => read(join(folder, one))));
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch((): string[] => [])).sort();
}

async function bytesOf(path: string): Promise<Buffer> {
  return readFile(path).catch(() => Buffer.alloc(0));
}

async function textOf(path: string): Promise<string> {
  return (await bytesOf(path)).toString('utf8').trim();
}

async function existing(paths: readonly string[], root: string): Promise<string[]> {
  const found = await Promise.all(
    paths.map((path) =>
      stat(join(root, path)).then(
        () => path,
        () => undefined,
      ),
    ),
  );
  return found.filter((path) => path !== undefined);
}

/** Makes each element once; GStreamer's own complaints about it are nobody's business. */
const elementProbe = `
  const { Pipeline } = require(process.argv[1]);
  const found = process.argv.slice(2).filter((name) => {
    try { return new Pipeline('fakesrc ! fakesink ' + name); } catch { return false; }
  });
  process.stdout.write(JSON.stringify(found), () => process.kill(process.pid, 'SIGKILL'));
`;

/** Those that GStreamer has; undefined when there is no GStreamer. It is loaded by a process that may be killed. */
async function existingElements(names: readonly string[]): Promise<string[] | undefined> {
  if (names.length === 0) return [];
  try {
    const binding = createRequire(import.meta.url).resolve('gstreamer-superficial');
    const options = { timeout: probeMs, killSignal: 'SIGKILL' as const };
    // It ends itself by a signal, which counts as a failure: what it has said counts.
    const output = await new Promise<string>((resolve) => {
      execFile(process.execPath, ['-e', elementProbe, binding, ...names], options, (_, stdout) =>
        resolve(stdout),
      );
    });
    const found: unknown = JSON.parse(output);
    return Array.isArray(found) ? found.filter((name) => typeof name === 'string') : undefined;
  } catch {
    return undefined;
  }
}
