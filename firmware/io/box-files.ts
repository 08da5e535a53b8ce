/**
 * The small files of the kernel and udev as this machine has them, or as they were recorded below a folder: then that
 * folder stands for `/`, and the links in it are relative or start at that `/`.
 */
import { open, readdir, readlink } from 'node:fs/promises';
import type { BoxFiles } from '../boxcare/box-files.ts';

/** The table of mounts is the largest. */
const bytesMax = 256 * 1024;
const namesMax = 4096;
/** As the kernel: more links than these are a circle. */
const linksMax = 40;

export function boxFiles(root = ''): BoxFiles {
  return {
    read: (path) => readSmall(root + path).catch(() => undefined),
    list: async (path) => {
      const names = await readdir(root + path).catch(() => []);
      return names.sort((a, b) => (a < b ? -1 : 1)).slice(0, namesMax);
    },
    real: (path) => realOf(root, path).catch(() => undefined),
  };
}

async function readSmall(path: string): Promise<string> {
  await using file = await open(path, 'r');
  const bytes = Buffer.alloc(bytesMax);
  let length = 0;
  // A file of /proc has no size, and comes in pieces.
  while (length < bytesMax) {
    const { bytesRead } = await file.read(bytes, length, bytesMax - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.toString('utf8', 0, length).trim();
}

/** Like realpath(3), within the root. */
async function realOf(root: string, path: string): Promise<string> {
  let rest = path.split('/').filter((part) => part !== '');
  let done: string[] = [];
  for (let links = 0; rest.length > 0; ) {
    const [part = '', ...after] = rest;
    rest = after;
    if (part === '.') continue;
    if (part === '..') {
      done = done.slice(0, -1);
      continue;
    }
    const here = [...done, part];
    const link = await linkAt(`${root}/${here.join('/')}`);
    if (link === undefined) {
      done = here;
      continue;
    }
    links += 1;
    if (links > linksMax) throw new Error(`${path}: a circle of links`);
    if (link.startsWith('/')) done = [];
    rest = [...link.split('/').filter((name) => name !== ''), ...rest];
  }
  return `/${done.join('/')}`;
}

/** Where a link leads; undefined for what is there and no link. */
async function linkAt(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    // EINVAL: no link.
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}
