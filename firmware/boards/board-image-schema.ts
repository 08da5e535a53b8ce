/** The part of board.yaml that says what the board's image is made of: packages, kernel, boot loader, partitions. */
import { choice, integer, listOf, section, textThat } from '../config/fields.ts';
import { filePath, packageName, word } from './names.ts';

const packages = listOf(packageName, 0, 100).default([]);

const aptSource = section({
  uri: textThat((text) => /^https?:\/\/[\w.-]+(\/[\w.+-]+)*\/?$/.test(text), 'expected http(s)://HOST/PATH'),
  suite: word,
  components: listOf(word, 1, 8),
  key: filePath
    .optional()
    .describe('file in the folder of the board with the key it is signed with; by default Debian keys'),
}).describe('where packages come from');

/** A file that the boot partition or the root needs and that no package puts there. */
const firmwareFile = section({
  source: filePath.describe('file in the folder of the board, or, with `package`, in that package'),
  package: packageName.optional(),
  partition: choice(['boot', 'root']).default('boot'),
  target: filePath.describe('where it goes on that partition'),
});

const partitions = section({
  bootMb: integer(32, 4096).default(256),
  rootMb: integer(256, 65_536).default(2048).describe('each of the two roots'),
  dataMinMb: integer(64, 1_000_000).default(512).describe('least that is left for the data partition'),
});

export const imageSection = section({
  suite: choice(['trixie']).default('trixie').describe('release of Debian'),
  apt: listOf(aptSource, 1, 8),
  kernel: packageName.describe('package of the kernel'),
  packages: section({ common: packages, camera: packages, server: packages })
    .prefault({})
    .describe('Debian packages: of every image of this board, and of one role'),
  firmwareFiles: listOf(firmwareFile, 0, 64).default([]),
  bootloader: choice(['pi-firmware', 'efi', 'extlinux', 'direct']).describe(
    "who starts the kernel: the Pi's own firmware, UEFI, U-Boot by extlinux.conf, or the emulator",
  ),
  deviceTree: filePath
    .optional()
    .describe('device tree of the board, below the folder of the kernel package'),
  cmdline: textThat(
    (text) => /^[\w\s,.:=/+@-]{0,1000}$/.test(text),
    'expected words of a kernel command line',
  )
    .default('')
    .describe('what the kernel is told, but for the root, which is added'),
  modules: listOf(
    textThat(
      (text) => /^[\w-]{1,64}( [\w.-]{1,64}=[\w,.:-]{1,64}){0,8}$/.test(text),
      'expected the name of a kernel module, and its options: vivid n_devs=1',
    ),
    0,
    32,
  )
    .default([])
    .describe('kernel modules that are loaded at boot, with their options'),
  partitions: partitions.prefault({}),
}).describe('what the image of this board is made of');
