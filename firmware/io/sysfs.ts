/**
 * Small text files by which the kernel shows and takes single values (Documentation/admin-guide/sysfs-rules). Their
 * reads and writes do not wait for a disk, so they are synchronous.
 */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Throws what `node:fs` throws. Paths are relative to its root. */
export interface Sysfs {
  /** names of entries; [] when there is no such folder */
  list(folder: string): string[];
  /** without the line's end */
  read(file: string): string;
  write(file: string, text: string): void;
  /** last part of where a symbolic link leads */
  target(link: string): string;
}

/** The kernel's, or in tests a folder that looks like it. */
export function sysfsAt(root = '/sys'): Sysfs {
  return {
    list(folder) {
      try {
        return readdirSync(join(root, folder)).sort();
      } catch {
        return [];
      }
    },
    read: (file) => readFileSync(join(root, file), 'utf8').trim(),
    write: (file, text) => writeFileSync(join(root, file), text),
    target: (link) => basename(readlinkSync(join(root, link))),
  };
}
