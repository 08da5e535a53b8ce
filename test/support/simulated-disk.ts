/**
 * A disk in memory that keeps two states: what programs see, and what is on the medium. A power cut leaves of what was
 * not synced anything: whole writes, torn ones (a prefix, or any of their 512-byte sectors), entries of directories one
 * by one, or nothing. A sync of a file that fails has written anything, and what it has not written is forgotten: the
 * next sync succeeds without it, as on Linux. (Entries of directories are in the journal: a failed sync forgets none.)
 */
import { dirname } from 'node:path';
import { Failure, type FailureCode } from '../../firmware/base/failure.ts';
import type { DirectoryEntry, Disk, RecordingFile } from '../../firmware/recording/disk.ts';
import type { SimulatedMachine } from './simulated-machine.ts';

const sectorBytes = 512;

interface FileNode {
  readonly kind: 'file';
  seen: Buffer;
  medium: Buffer;
  /** bytes from here on may differ from the medium */
  dirtyFrom: number;
}

interface FolderNode {
  readonly kind: 'directory';
  readonly seen: Map<string, Node>;
  readonly medium: Map<string, Node>;
  /** changes of entries since the last sync, in order */
  dirty: { readonly name: string; readonly node: Node | undefined }[];
}

type Node = FileNode | FolderNode;

function folder(): FolderNode {
  return { kind: 'directory', seen: new Map(), medium: new Map(), dirty: [] };
}

function failure(code: FailureCode, path: string, what: string): Failure {
  return new Failure(code, `${path}: ${what}`, { advice: 'See the test.' });
}

export class SimulatedDisk implements Disk {
  private readonly machine: SimulatedMachine;
  private readonly root = folder();
  /** bytes that all files may hold */
  capacity: number;
  /** roots of other file systems, for `usage` */
  readonly mounts = new Map<string, string>();

  constructor(machine: SimulatedMachine, capacity = 1e12) {
    this.machine = machine;
    this.capacity = capacity;
  }

  async createDirectory(path: string): Promise<void> {
    const made: string[] = [];
    for (let at = path; at !== '/' && this.find(at) === undefined; at = dirname(at)) made.unshift(at);
    for (const at of made) {
      await this.machine.step('mkdir', at, () => {
        const { parent, name } = this.parentOf(at);
        if (!parent.seen.has(name)) this.enter(parent, name, folder());
      });
    }
    const there = this.find(path);
    if (there?.kind !== 'directory') throw failure('FILE_REFUSED', path, 'EEXIST');
    for (const at of made.toReversed()) await this.syncDirectory(at);
    const topmost = made[0];
    if (topmost !== undefined) await this.syncDirectory(dirname(topmost));
  }

  async createFile(path: string): Promise<RecordingFile | undefined> {
    const node = await this.machine.step('create', path, () => {
      const { parent, name } = this.parentOf(path);
      if (parent.seen.has(name)) return undefined;
      const file: FileNode = { kind: 'file', seen: Buffer.alloc(0), medium: Buffer.alloc(0), dirtyFrom: 0 };
      this.enter(parent, name, file);
      return file;
    });
    return node === undefined ? undefined : this.handle(path, node);
  }

  async syncDirectory(path: string): Promise<void> {
    const node = this.folderAt(path);
    await this.machine.step('sync', path, () => {
      for (const change of node.dirty) apply(node.medium, change);
      node.dirty = [];
    });
  }

  read(path: string, offset: number, length: number): Promise<Buffer> {
    return this.machine.look(path, () =>
      Buffer.from(this.fileAt(path).seen.subarray(offset, offset + length)),
    );
  }

  size(path: string): Promise<number | undefined> {
    return this.machine.look(path, () => {
      const node = this.find(path);
      return node?.kind === 'directory' ? 4096 : node?.seen.length;
    });
  }

  async truncate(path: string, size: number): Promise<void> {
    const file = this.fileAt(path);
    await this.machine.step('truncate', path, () => {
      file.seen = file.seen.subarray(0, size);
      file.dirtyFrom = Math.min(file.dirtyFrom, size);
    });
    await this.syncFile(path, file);
  }

  async remove(path: string): Promise<void> {
    await this.machine.step('unlink', path, () => {
      this.fileAt(path);
      const { parent, name } = this.parentOf(path);
      this.enter(parent, name, undefined);
    });
  }

  list(path: string): Promise<DirectoryEntry[]> {
    return this.machine.look(path, () => {
      const node = this.find(path);
      if (node === undefined) return [];
      if (node.kind === 'file') throw failure('FILE_REFUSED', path, 'ENOTDIR');
      return [...node.seen]
        .map(([name, { kind }]) => ({ name, kind }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  removeDirectory(path: string): Promise<boolean> {
    return this.machine.step('rmdir', path, () => {
      const node = this.find(path);
      if (node === undefined) return true;
      if (node.kind === 'file') throw failure('FILE_REFUSED', path, 'ENOTDIR');
      if (node.seen.size > 0) return false;
      const { parent, name } = this.parentOf(path);
      this.enter(parent, name, undefined);
      return true;
    });
  }

  usage(path: string): Promise<{ totalBytes: number; freeBytes: number; device: string }> {
    return this.machine.look(path, () => {
      if (this.find(path) === undefined) throw failure('FILE_MISSING', path, 'ENOENT');
      const freeBytes = Math.max(0, this.capacity - bytesIn(this.root));
      const mount = [...this.mounts].find(([at]) => path.startsWith(at));
      return { totalBytes: this.capacity, freeBytes, device: mount?.[1] ?? 'one' };
    });
  }

  /** The power goes: of what was not synced anything may be left. */
  cutPower(): void {
    this.settle(this.root);
  }

  /** Changes a file on the medium behind everybody's back. */
  damage(path: string, change: (bytes: Buffer) => Buffer): void {
    const file = this.fileAt(path);
    file.seen = change(Buffer.from(file.seen));
    file.medium = file.seen;
    file.dirtyFrom = file.seen.length;
  }

  /** All files below a folder that programs see now, by path. */
  files(path: string): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    const visit = (at: string, node: Node | undefined): void => {
      if (node?.kind === 'file') found.set(at, node.seen);
      else for (const [name, child] of node?.seen ?? []) visit(`${at}/${name}`, child);
    };
    visit(path, this.find(path));
    return found;
  }

  private handle(path: string, file: FileNode): RecordingFile {
    let open = true;
    const guard = (): void => {
      if (!open) throw failure('FILE_IO', path, 'EBADF');
    };
    const write = (bytes: Buffer): void => {
      file.seen = Buffer.concat([file.seen, bytes]);
    };
    return {
      append: async (parts) => {
        guard();
        const bytes = Buffer.concat(parts);
        const room = Math.max(0, this.capacity - bytesIn(this.root));
        const some = bytes.subarray(0, Math.floor(this.machine.random.unit() * bytes.length));
        await this.machine.step(
          'write',
          path,
          () => write(bytes.subarray(0, room)),
          () => write(some),
        );
        if (bytes.length > room) throw failure('DISK_FULL', path, 'ENOSPC');
        return bytes.length;
      },
      sync: async () => {
        guard();
        await this.syncFile(path, file);
      },
      close: async () => {
        await this.machine.look(path, () => undefined);
        open = false;
      },
    };
  }

  private async syncFile(path: string, file: FileNode): Promise<void> {
    await this.machine.step(
      'sync',
      path,
      () => {
        file.medium = file.seen;
        file.dirtyFrom = file.seen.length;
      },
      () => this.loseBytes(file),
    );
  }

  private enter(parent: FolderNode, name: string, node: Node | undefined): void {
    const change = { name, node };
    apply(parent.seen, change);
    parent.dirty.push(change);
  }

  private settle(node: Node): void {
    if (node.kind === 'file') {
      this.loseBytes(node);
      node.seen = node.medium;
      return;
    }
    this.loseEntries(node);
    node.seen.clear();
    for (const [name, child] of node.medium) {
      node.seen.set(name, child);
      this.settle(child);
    }
  }

  /** Some changes of entries reach the medium, the others are forgotten. */
  private loseEntries(node: FolderNode): void {
    for (const change of node.dirty) if (this.machine.random.unit() < 0.5) apply(node.medium, change);
    node.dirty = [];
  }

  /** Of what was not synced anything reaches the medium; the rest is forgotten. */
  private loseBytes(file: FileNode): void {
    const { seen, medium, dirtyFrom } = file;
    if (dirtyFrom >= seen.length && medium.length === seen.length) return;
    const { random } = this.machine;
    const kind = random.unit();
    // The old length, the new one, or anything in between when it grew.
    let size = kind < 0.25 ? medium.length : seen.length;
    if (kind > 0.5 && seen.length > medium.length) {
      size = medium.length + Math.floor(random.unit() * (seen.length - medium.length + 1));
    }
    const left = Buffer.alloc(size);
    medium.copy(left);
    const torn = kind > 0.75;
    for (let at = dirtyFrom; at < size; ) {
      const end = Math.min(size, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
      // Where the file was cut, the medium may still have what was there.
      if (at < seen.length && (!torn || random.unit() < 0.5)) seen.copy(left, at, at, end);
      at = end;
    }
    file.medium = left;
    file.dirtyFrom = Math.max(left.length, seen.length);
  }

  private find(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      node = node?.kind === 'directory' ? node.seen.get(name) : undefined;
    }
    return node;
  }

  private parentOf(path: string): { parent: FolderNode; name: string } {
    return { parent: this.folderAt(dirname(path), path), name: path.slice(path.lastIndexOf('/') + 1) };
  }

  private folderAt(path: string, named = path): FolderNode {
    const node = this.find(path);
    if (node === undefined) throw failure('FILE_MISSING', named, 'ENOENT');
    if (node.kind === 'file') throw failure('FILE_REFUSED', named, 'ENOTDIR');
    return node;
  }

  private fileAt(path: string): FileNode {
    const node = this.find(path);
    if (node === undefined) throw failure('FILE_MISSING', path, 'ENOENT');
    if (node.kind === 'directory') throw failure('FILE_REFUSED', path, 'EISDIR');
    return node;
  }
}

function apply(entries: Map<string, Node>, { name, node }: { name: string; node: Node | undefined }): void {
  if (node === undefined) entries.delete(name);
  else entries.set(name, node);
}

function bytesIn(node: Node): number {
  if (node.kind === 'file') return node.seen.length;
  let sum = 0;
  for (const child of node.seen.values()) sum += bytesIn(child);
  return sum;
}
