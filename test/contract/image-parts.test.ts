// The parts of an image that can be looked at without building one.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import type { Board } from '../../firmware/boards/board-schema.ts';
import { loadBoards } from '../../firmware/io/board-files.ts';
import { contentEnd, mapImage } from '../../scripts/image/block-map.ts';
import { kernelOf, makeBootPartition } from '../../scripts/image/boot-partition.ts';
import { withLock } from '../../scripts/image/cache-lock.ts';
import { makeConfigPartition } from '../../scripts/image/config-partition.ts';
import { copyFirmware } from '../../scripts/image/firmware-files.ts';
import { readManifest } from '../../scripts/image/manifest.ts';
import { makeRecipe, type Recipe } from '../../scripts/image/recipe.ts';
import { matching } from '../../scripts/image/root-files.ts';

const boardsFolder = resolve('boards');
const boards = await loadBoards(boardsFolder);
const own = process.arch === 'x64' ? 'amd64' : process.arch;

interface Folder extends Disposable {
  readonly path: string;
}

function folder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'starling-image-parts-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function recipeOf(board: Board, role = board.roles[0] ?? 'camera', ssh = false): Recipe {
  assert.notEqual(board.image, undefined);
  if (board.image === undefined) throw new Error('no image');
  return makeRecipe({ board, image: board.image, role, boardsFolder, extraPackages: [], ssh });
}

function boardNamed(id: string): Board {
  const found = boards.find((board) => board.id === id);
  if (found === undefined) throw new Error(`no board ${id}`);
  return found;
}

test('every addon loads from what is copied into an image, and nothing comes along that only a compiler needs', async (t) => {
  const board = boards.find(({ architecture, image }) => architecture === own && image !== undefined);
  if (board === undefined || process.versions.modules !== '115')
    return t.skip('needs Node 20 on a board’s processor');
  using place = folder();
  mkdirSync(join(place.path, 'dist'));
  writeFileSync(join(place.path, 'dist', 'starling.mjs'), '');
  symlinkSync(resolve('node_modules'), join(place.path, 'node_modules'));
  symlinkSync(boardsFolder, join(place.path, 'boards'));
  const target = join(place.path, 'opt', 'starling');
  await copyFirmware({ tree: place.path, board, target });

  const script = `const load = require('node:module').createRequire(${JSON.stringify(join(target, 'starling.mjs'))});
    for (const name of ['gstreamer-superficial', 'classic-level', 'onoff', '@serialport/stream', '@serialport/bindings-cpp']) load(name);`;
  execFileSync(process.execPath, ['--eval', script], { cwd: place.path });
  const files = readdirSync(target, { recursive: true }) as string[];
  assert.equal(
    files.filter((file) => /\.(cc|cpp|h|gyp|o|ts)$|prebuilds\/(win|darwin|android)/.test(file)).join(),
    '',
  );
  assert.equal(readFileSync(join(target, 'boards', 'image-board'), 'utf8'), `${board.id}\n`);
  assert.ok(existsSync(join(target, 'boards', 'raspberry-pi-4b', 'board.yaml')));
});

test('boards of one kind share a cached root; another role, suite or package is another root', () => {
  assert.equal(
    recipeOf(boardNamed('virtual'), 'camera').key,
    recipeOf(boardNamed('generic-x86'), 'camera').key,
  );
  assert.notEqual(
    recipeOf(boardNamed('virtual'), 'camera').key,
    recipeOf(boardNamed('virtual'), 'server').key,
  );
  assert.notEqual(
    recipeOf(boardNamed('virtual'), 'camera').key,
    recipeOf(boardNamed('virtual'), 'camera', true).key,
  );
});

test('every board with an image has a recipe for each of its roles, with its kernel and Node', () => {
  for (const board of boards.filter(({ image }) => image !== undefined))
    for (const role of board.roles) {
      const { packages, image } = recipeOf(board, role);
      assert.ok(packages.includes(image.kernel) && packages.includes('nodejs'), board.id);
      assert.equal(packages.includes('bird2'), role === 'server');
      assert.equal(packages.includes('openssh-server'), false);
    }
});

test('patterns of what is left out stay within names', () => {
  using place = folder();
  for (const path of [
    'usr/lib/x86_64-linux-gnu/libz3.so',
    'usr/lib/x86_64-linux-gnu/libz.so',
    'usr/lib/other/libz3.so',
  ]) {
    mkdirSync(join(place.path, path, '..'), { recursive: true });
    writeFileSync(join(place.path, path), '');
  }
  assert.deepEqual(matching(place.path, 'usr/lib/*-linux-gnu/libz3*'), [
    join(place.path, 'usr/lib/x86_64-linux-gnu/libz3.so'),
  ]);
  assert.deepEqual(matching(place.path, 'usr/lib/*/lib(z|z3).so'), []);
  assert.deepEqual(matching(place.path, 'nowhere/*'), []);
});

/** A root with what a boot partition is made from. */
function rootWithKernel(path: string): void {
  for (const file of [
    'boot/vmlinuz-6.12.9-arm64',
    'boot/initrd.img-6.12.9-arm64',
    'boot/vmlinuz-6.12.10-arm64',
    'boot/initrd.img-6.12.10-arm64',
    'usr/lib/systemd/boot/efi/systemd-bootx64.efi',
    'usr/lib/raspi-firmware/start4.elf',
    'usr/lib/linux-image-6.12.9-arm64/amlogic/meson-sm1-odroid-hc4.dtb',
    'usr/lib/linux-image-6.12.10-arm64/amlogic/meson-sm1-odroid-hc4.dtb',
    'usr/lib/linux-image-6.12.10-arm64/broadcom/bcm2711-rpi-4-b.dtb',
    'usr/lib/linux-image-6.12.10-arm64/overlays/pwm-2chan.dtbo',
  ]) {
    mkdirSync(join(path, file, '..'), { recursive: true });
    writeFileSync(join(path, file), file);
  }
}

const expectedOnBoot: Record<string, readonly string[]> = {
  virtual: [
    '::/EFI/BOOT/BOOTX64.EFI',
    '::/loader/loader.conf',
    '::/loader/entries/a.conf',
    '::/a/vmlinuz',
    '::/a/initrd',
  ],
  'odroid-hc4': ['::/extlinux/extlinux.conf', '::/a/vmlinuz', '::/a/meson-sm1-odroid-hc4.dtb'],
  'raspberry-pi-4b': [
    '::/config.txt',
    '::/start4.elf',
    '::/starling-slot.txt',
    '::/a/cmdline.txt',
    '::/a/bcm2711-rpi-4-b.dtb',
    '::/a/overlays/pwm-2chan.dtbo',
  ],
};

for (const [id, expected] of Object.entries(expectedOnBoot)) {
  test(`${id}: its boot partition has what starts it, and the newest kernel`, async () => {
    using place = folder();
    rootWithKernel(place.path);
    const file = join(place.path, 'boot.fat');
    const cmdline = 'root=PARTUUID=x ro';
    await makeBootPartition(
      { root: place.path, boardsFolder, recipe: recipeOf(boardNamed(id)), cmdline },
      file,
      64,
    );
    const listing = execFileSync('mdir', ['-/', '-b', '-i', file, '::'], { encoding: 'utf8' }).split('\n');
    for (const path of expected)
      assert.ok(listing.includes(path), `${path} is not among ${listing.join(' ')}`);
    const kernel = execFileSync('mtype', ['-i', file, '::/a/vmlinuz'], { encoding: 'utf8' });
    assert.equal(kernel, 'boot/vmlinuz-6.12.10-arm64');
  });
}

test('the newest kernel is the one with the higher number, not the later letter', () => {
  using place = folder();
  rootWithKernel(place.path);
  assert.equal(kernelOf(place.path).version, '6.12.10-arm64');
});

test('whatever has content on a FAT lies before its end as the map counts it', async () => {
  using place = folder();
  const file = join(place.path, 'config');
  // It ends with zeros, which must be written all the same.
  await makeConfigPartition(file, new Map([['zeros', '\0'.repeat(300_000)]]));
  const length = 32 * 1024 * 1024;
  const { map } = mapImage(file, [{ offset: 0, end: contentEnd(file, length) }], length);
  const copy = join(place.path, 'copy');
  const bytes = Buffer.alloc(length, 0xff);
  const source = readFileSync(file);
  for (const { offset, bytes: size } of map) source.copy(bytes, offset, offset, offset + size);
  writeFileSync(copy, bytes);
  execFileSync('fsck.vfat', ['-n', copy], {
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  });
  assert.equal(execFileSync('mtype', ['-i', copy, '::zeros'], { encoding: 'latin1' }), '\0'.repeat(300_000));
});

test('what two want at the same time is made by one after the other, also when the first fails', async () => {
  using place = folder();
  const lock = join(place.path, 'lock');
  const order: string[] = [];
  const step = async (name: string): Promise<void> => {
    order.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    order.push(`${name} ends`);
  };
  const first = withLock(lock, async () => {
    await step('first');
    throw new Error('no room');
  });
  const second = withLock(lock, () => step('second'));
  await assert.rejects(first, /no room/);
  await second;
  const [begin] = order;
  const expected = begin === 'first begins' ? ['first', 'second'] : ['second', 'first'];
  assert.deepEqual(
    order,
    expected.flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
  await assert.rejects(
    withLock(join(place.path, 'none', 'lock'), () => Promise.resolve()),
    /cannot lock/,
  );
});

test('a manifest that is damaged is refused with what is wrong', async () => {
  using place = folder();
  const image = join(place.path, 'x.img');
  const range = (offset: number, bytes: number) => ({ offset, bytes, sha256: 'a'.repeat(64) });
  const good = {
    version: 1,
    board: 'virtual',
    boardName: 'x',
    role: 'camera',
    program: 'x',
    builtAt: 'x',
    rootKey: 'x',
    bytes: 1000,
    diskBytesMin: 900,
    sha256: 'b'.repeat(64),
    map: [range(0, 10), range(20, 10)],
    partitions: [],
    boot: { cmdline: '' },
  };
  const read = async (document: unknown): Promise<string> => {
    writeFileSync(`${image}.json`, typeof document === 'string' ? document : JSON.stringify(document));
    return readManifest(image).then(
      () => '',
      (error: unknown) => String(error),
    );
  };
  assert.equal(await read(good), '');
  assert.match(await read({ ...good, map: [range(0, 10), range(5, 10)] }), /range at 5 overlaps/);
  assert.match(await read({ ...good, map: [range(0, 2000)] }), /outside/);
  assert.match(await read({ ...good, map: [range(512, 10)] }), /first sector is not in the map/);
  assert.match(await read({ ...good, sha256: 'short' }), /damaged/);
  assert.match(await read('{'), /damaged/);
});
