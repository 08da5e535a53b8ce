/**
 * The native addons that bring no binaries, compiled for another processor (or for Debian's Node, when this machine runs
 * another version): in a Debian tree of this machine's processor with a cross compiler and the target's libraries. It
 * takes seconds; under an emulator it would take many minutes. Kept in the cache of the images.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { withLock } from './cache-lock.ts';
import { cacheFolder } from './root-cache.ts';
import { runTool } from './run-tool.ts';

/** Counts up whenever the way in which addons are made changes. */
const version = 1;

export interface Addon {
  readonly name: string;
  /** libraries, as pkg-config names them */
  readonly packages: readonly string[];
}

const triplets: Record<string, { gnu: string; compiler: string }> = {
  arm64: { gnu: 'aarch64-linux-gnu', compiler: 'g++-aarch64-linux-gnu' },
  amd64: { gnu: 'x86_64-linux-gnu', compiler: 'g++-x86-64-linux-gnu' },
};

/** A folder with NAME.node for each addon. Throws the Failure FILE_IO. */
export async function builtAddons(
  tree: string,
  architecture: string,
  addons: readonly Addon[],
): Promise<string> {
  const locked = addons.map(({ name }) =>
    readFileSync(join(tree, 'node_modules', name, 'package.json'), 'utf8'),
  );
  const hash = createHash('sha256').update(JSON.stringify([version, architecture, locked]));
  const folder = join(cacheFolder(), `addons-${architecture}-${hash.digest('hex').slice(0, 16)}`);
  return withLock(`${folder}.lock`, () => compileAll({ tree, architecture, addons, folder }));
}

interface AddonsOptions {
  readonly tree: string;
  readonly architecture: string;
  readonly addons: readonly Addon[];
  readonly folder: string;
}

async function compileAll({ tree, architecture, addons, folder }: AddonsOptions): Promise<string> {
  if (existsSync(folder)) return folder;
  const work = mkdtempSync(join(cacheFolder(), 'making-'));
  try {
    const root = await compilerRoot(architecture);
    const made = join(work, 'made');
    mkdirSync(made);
    for (const addon of addons) await compile({ tree, root, architecture, addon, made });
    renameSync(made, folder);
    return folder;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Debian with the cross compiler, Node's headers and GStreamer's libraries of the target. */
async function compilerRoot(architecture: string): Promise<string> {
  const target = triplets[architecture];
  if (target === undefined) throw new Error(`no cross compiler for ${architecture}`);
  const folder = join(cacheFolder(), `compiler-${architecture}-${version}`);
  if (existsSync(folder)) return folder;
  const own = process.arch === 'x64' ? 'amd64' : process.arch;
  const libraries = ['libgstreamer1.0-dev', 'libgstreamer-plugins-base1.0-dev', 'libnode-dev'];
  const suffix = own === architecture ? '' : `:${architecture}`;
  const packages = [
    own === architecture ? 'g++' : target.compiler,
    'pkgconf',
    ...libraries.map((name) => `${name}${suffix}`),
  ];
  const making = mkdtempSync(join(cacheFolder(), 'making-'));
  const root = join(making, 'root');
  try {
    await runTool('unshare', [
      '--mount',
      '--propagation=private',
      'mmdebstrap',
      `--architectures=${[...new Set([own, architecture])].join(',')}`,
      '--variant=apt',
      '--mode=root',
      '--format=directory',
      `--include=${packages.join(',')}`,
      '--aptopt=APT::Install-Recommends "false"',
      '--quiet',
      'trixie',
      root,
      'deb http://deb.debian.org/debian trixie main',
    ]);
    renameSync(root, folder);
    return folder;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

interface CompileOptions {
  readonly tree: string;
  readonly root: string;
  readonly architecture: string;
  readonly addon: Addon;
  /** where NAME.node goes */
  readonly made: string;
}

async function compile({ tree, root, architecture, addon, made }: CompileOptions): Promise<void> {
  const { gnu } = triplets[architecture] ?? { gnu: '' };
  const inside = mkdtempSync(join(root, 'tmp', 'addon-'));
  try {
    cpSync(join(tree, 'node_modules', addon.name), inside, { recursive: true });
    cpSync(join(tree, 'node_modules', 'nan'), join(inside, 'nan'), { recursive: true });
    const sources = ['.', 'src'].flatMap((folder) => {
      const path = join(inside, folder);
      const names = existsSync(path) ? readdirSync(path) : [];
      return names.filter((name) => /\.(cc|cpp)$/.test(name)).map((name) => join(folder, name));
    });
    const flags =
      addon.packages.length === 0
        ? ''
        : `$(PKG_CONFIG_LIBDIR=/usr/lib/${gnu}/pkgconfig:/usr/share/pkgconfig pkgconf --cflags --libs ${addon.packages.join(' ')})`;
    const command = [
      `cd /tmp/${inside.slice(join(root, 'tmp').length + 1)} &&`,
      `${gnu}-g++ -shared -fPIC -O2 -std=gnu++17 -w -Inan -I/usr/include/node -I/usr/include/nodejs/src`,
      `-DNODE_GYP_MODULE_NAME=${addon.name.replaceAll('-', '_')} -DBUILDING_NODE_EXTENSION`,
      `-o made.node ${sources.join(' ')} ${flags}`,
    ].join(' ');
    await runTool('chroot', [root, 'sh', '-c', command]);
    cpSync(join(inside, 'made.node'), join(made, `${addon.name}.node`));
  } finally {
    rmSync(inside, { recursive: true, force: true });
  }
}
