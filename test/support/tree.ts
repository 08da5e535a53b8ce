// The project's own files as text, for tests that read them: what git tracks and what it would track.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Path relative to the project, with forward slashes, to the text of that file. */
export type Tree = ReadonlyMap<string, string>;

const projectRoot = fileURLToPath(new URL('../../', import.meta.url));

const neverRead = new Set(['.git', 'node_modules', 'dist', '.starling', 'coverage', 'artefacts']);

export function readProjectTree(root = projectRoot): Tree {
  const tree = new Map<string, string>();
  for (const file of listFiles(root)) {
    const full = path.join(root, file);
    if (!existsSync(full) || !statSync(full).isFile()) continue;
    const bytes = readFileSync(full);
    // A zero byte means a picture or a recording.
    if (!bytes.includes(0)) tree.set(file, bytes.toString('utf8'));
  }
  return tree;
}

function listFiles(root: string): string[] {
  try {
    const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return list.split('\0').filter((file) => file !== '');
  } catch {
    // An unpacked archive, or a machine without git.
    return walk(root, '');
  }
}

function walk(root: string, folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (neverRead.has(entry.name)) return [];
    return entry.isDirectory() ? walk(root, file) : [file];
  });
}
