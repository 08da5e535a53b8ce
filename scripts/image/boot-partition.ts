/**
 * The boot partition: a FAT with the kernel and initrd of root A below `a/` (there is room for B), and whatever starts them
 * on this board: systemd-boot for UEFI, extlinux.conf for U-Boot and Petitboot, the Pi's own firmware, or nothing when
 * the emulator is given the kernel itself.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Failure } from '../../firmware/base/failure.ts';
import { makeFat } from './fat.ts';
import type { Recipe } from './recipe.ts';

export interface BootOptions {
  /** where the root of the image is mounted; its /boot has the kernel */
  readonly root: string;
  /** the folder `boards` of the source tree */
  readonly boardsFolder: string;
  readonly recipe: Recipe;
  readonly cmdline: string;
}

/** Kernel and initrd of a root. Throws the Failure FILE_MISSING. */
export function kernelOf(root: string): { kernel: string; initrd: string; version: string } {
  const names = existsSync(join(root, 'boot')) ? readdirSync(join(root, 'boot')) : [];
  const kernels = names.filter((name) => name.startsWith('vmlinuz-'));
  // 6.12.10 is newer than 6.12.9.
  const kernel = kernels.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  const version = kernel?.slice('vmlinuz-'.length) ?? '';
  const initrd = names.find((name) => name === `initrd.img-${version}`);
  if (kernel === undefined || initrd === undefined) {
    const advice = 'Check `kernel` in the board.yaml, and remove the cached root.';
    throw new Failure('FILE_MISSING', 'the root has no kernel with an initrd in /boot', { advice });
  }
  return { kernel: join(root, 'boot', kernel), initrd: join(root, 'boot', initrd), version };
}

/** Makes the partition as a file of `megabytes`. Throws the Failures FILE_MISSING and FILE_IO. */
export async function makeBootPartition(
  options: BootOptions,
  file: string,
  megabytes: number,
): Promise<void> {
  const stage = mkdtempSync(join(tmpdir(), 'starling-boot-'));
  try {
    stageSlot(options, stage);
    stageLoader(options, stage);
    stageFirmwareFiles(options, stage);
    await makeFat({ file, megabytes, label: 'BOOT', folder: stage });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function stageSlot({ root, recipe, cmdline }: BootOptions, stage: string): void {
  const { kernel, initrd, version } = kernelOf(root);
  const slot = join(stage, 'a');
  mkdirSync(slot);
  cpSync(kernel, join(slot, 'vmlinuz'));
  cpSync(initrd, join(slot, 'initrd'));
  writeFileSync(join(slot, 'cmdline.txt'), `${cmdline}\n`);
  const { deviceTree } = recipe.image;
  if (deviceTree === undefined) return;
  const trees = join(root, 'usr/lib', `linux-image-${version}`);
  const source = join(trees, deviceTree);
  if (!existsSync(source)) {
    const advice = 'Correct `deviceTree` in the board.yaml.';
    throw new Failure('FILE_MISSING', `the kernel package has no ${deviceTree}`, { advice });
  }
  cpSync(source, join(slot, deviceTree.split('/').at(-1) ?? 'board.dtb'));
  if (existsSync(join(trees, 'overlays')))
    cpSync(join(trees, 'overlays'), join(slot, 'overlays'), { recursive: true });
}

function stageLoader({ root, recipe, cmdline }: BootOptions, stage: string): void {
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    writeFileSync(join(stage, path), text);
  };
  const { image, board } = recipe;
  if (image.bootloader === 'efi') {
    const [source, target] =
      board.architecture === 'amd64'
        ? ['systemd-bootx64.efi', 'BOOTX64.EFI']
        : ['systemd-bootaa64.efi', 'BOOTAA64.EFI'];
    mkdirSync(join(stage, 'EFI/BOOT'), { recursive: true });
    cpSync(join(root, 'usr/lib/systemd/boot/efi', source), join(stage, 'EFI/BOOT', target));
    write('loader/loader.conf', 'default a.conf\ntimeout 0\neditor no\n');
    write(
      'loader/entries/a.conf',
      `title Starling A\nlinux /a/vmlinuz\ninitrd /a/initrd\noptions ${cmdline}\n`,
    );
  } else if (image.bootloader === 'extlinux') {
    const tree = image.deviceTree === undefined ? '' : `  fdt /a/${image.deviceTree.split('/').at(-1)}\n`;
    write(
      'extlinux/extlinux.conf',
      `default a\ntimeout 1\nlabel a\n  linux /a/vmlinuz\n  initrd /a/initrd\n${tree}  append ${cmdline}\n`,
    );
  } else if (image.bootloader === 'pi-firmware') {
    const firmware = join(root, 'usr/lib/raspi-firmware');
    if (existsSync(firmware)) cpSync(firmware, stage, { recursive: true });
    // The firmware finds all of a slot behind this prefix; another slot is another word.
    write('starling-slot.txt', 'os_prefix=a/\nkernel=vmlinuz\ninitramfs initrd followkernel\n');
  }
}

function stageFirmwareFiles({ root, boardsFolder, recipe }: BootOptions, stage: string): void {
  for (const { source, package: fromPackage, partition, target } of recipe.image.firmwareFiles) {
    const from = fromPackage === undefined ? join(boardsFolder, recipe.board.id, source) : join(root, source);
    const to = join(partition === 'boot' ? stage : root, target);
    if (!existsSync(from)) {
      const advice = 'Correct `firmwareFiles` in the board.yaml.';
      throw new Failure('FILE_MISSING', `${from} is missing`, { advice });
    }
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to);
  }
  const config = join(stage, 'config.txt');
  if (recipe.image.bootloader === 'pi-firmware' && existsSync(config))
    writeFileSync(config, `${readFileSync(config, 'utf8').trimEnd()}\n[all]\ninclude starling-slot.txt\n`);
}
