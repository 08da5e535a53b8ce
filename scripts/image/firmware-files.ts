/**
 * What the firmware needs in /opt/starling besides the bundle: the native addons, which stay outside of it, with what
 * these load, for the processor of the image; and the data of the boards.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { Failure } from '../../firmware/base/failure.ts';
import type { Board } from '../../firmware/boards/board-schema.ts';
import type { UnitRole } from '../../firmware/site/identity.ts';
import { type Addon, builtAddons } from './cross-addons.ts';
import { runTool } from './run-tool.ts';

/** As scripts/build.ts leaves them out of the bundle. */
const externals = [
  'gstreamer-superficial',
  'classic-level',
  'onoff',
  '@serialport/stream',
  '@serialport/bindings-cpp',
];
/** These bring no binaries for other processors. */
const compiled: readonly Addon[] = [
  { name: 'gstreamer-superficial', packages: ['gstreamer-1.0', 'gstreamer-app-1.0', 'gstreamer-video-1.0'] },
  { name: 'epoll', packages: [] },
];
/** Debian's Node 20 in the image; see process.versions.modules. */
const abi = '115';

export interface FirmwareOptions {
  /** the source tree */
  readonly tree: string;
  readonly board: Board;
  /** where /opt/starling of the image is */
  readonly target: string;
}

/** Copies the firmware. Throws the Failures FILE_MISSING (not built) and FILE_IO. */
export async function copyFirmware({ tree, board, target }: FirmwareOptions): Promise<void> {
  const bundle = join(tree, 'dist', 'starling.mjs');
  if (!existsSync(bundle))
    throw new Failure('FILE_MISSING', `${bundle} is missing`, { advice: 'Build it first: npm run build' });
  mkdirSync(target, { recursive: true });
  cpSync(bundle, join(target, 'starling.mjs'));
  copyBoards(join(tree, 'boards'), join(target, 'boards'), board.id);
  const modules = join(target, 'node_modules');
  for (const name of packageClosure(join(tree, 'node_modules')))
    copyPackage(join(tree, 'node_modules', name), join(modules, name), board.architecture);
  await replaceAddons({ tree, board, target });
}

async function replaceAddons({ tree, board, target }: FirmwareOptions): Promise<void> {
  const own = process.arch === 'x64' ? 'amd64' : process.arch;
  if (own === board.architecture && process.versions.modules === abi) return;
  const built = await builtAddons(tree, board.architecture, compiled);
  for (const { name } of compiled) {
    const release = join(target, 'node_modules', name, 'build', 'Release');
    mkdirSync(release, { recursive: true });
    cpSync(join(built, `${name}.node`), join(release, `${name}.node`));
  }
}

/** What a root without GStreamer, that of a server, cannot load and does not need. */
const needsGstreamer = 'gstreamer-superficial';

/** Loads every addon in the image, by its own Node. Throws the Failure FILE_IO with what did not load. */
export async function checkAddons(root: string, role: UnitRole): Promise<void> {
  const names = externals.filter((name) => role === 'camera' || name !== needsGstreamer);
  const script = `const load = require('node:module').createRequire('/opt/starling/starling.mjs');
    for (const name of ${JSON.stringify(names)}) load(name);`;
  await runTool('chroot', [root, '/usr/bin/node', '--eval', script]);
}

/** Packages that the addons load, with themselves; all lie at the top of node_modules. */
function packageClosure(modules: string): string[] {
  const found = new Set<string>();
  const add = (name: string): void => {
    if (found.has(name)) return;
    const file = join(modules, name, 'package.json');
    if (!existsSync(file))
      throw new Failure('FILE_MISSING', `${name} is not installed`, { advice: 'Install it: npm run setup' });
    found.add(name);
    const { dependencies = {} } = JSON.parse(readFileSync(file, 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys(dependencies)) add(dependency);
  };
  for (const name of externals) add(name);
  // Headers for compiling only.
  for (const name of ['nan', 'node-addon-api', 'napi-macros']) found.delete(name);
  return [...found].sort();
}

function copyPackage(source: string, target: string, architecture: string): void {
  const platform = `linux-${architecture === 'amd64' ? 'x64' : architecture}`;
  cpSync(source, target, {
    recursive: true,
    dereference: true,
    filter: (path) => {
      const parts = path
        .slice(source.length)
        .split(sep)
        .filter((part) => part !== '');
      const [first, second, third] = parts;
      if (first === undefined) return true;
      if (first === 'prebuilds')
        return second === undefined || (second === platform && !(third ?? '').includes('musl'));
      if (first === 'build') {
        if (second === undefined) return true;
        return (
          second === 'Release' && (third === undefined || (parts.length === 3 && third.endsWith('.node')))
        );
      }
      if (['node_modules', 'deps', 'test', 'tests', 'examples', 'integration-test'].includes(first))
        return false;
      return statSync(path).isDirectory() || /\.(c?js|mjs|json|node)$|^LICENSE/.test(basename(path));
    },
  });
}

/** The board.yaml of every board, and which one this image is for. */
function copyBoards(source: string, target: string, id: string): void {
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    const file = join(source, entry.name, 'board.yaml');
    if (!entry.isDirectory() || !existsSync(file)) continue;
    mkdirSync(join(target, entry.name), { recursive: true });
    cpSync(file, join(target, entry.name, 'board.yaml'));
  }
  mkdirSync(dirname(join(target, 'image-board')), { recursive: true });
  writeFileSync(join(target, 'image-board'), `${id}\n`);
}
