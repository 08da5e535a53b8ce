/**
 * /sys/class/gpio and /sys/class/pwm as kernels show them on boards, in a folder of their own. The listings are recorded:
 * Raspberry Pi 4 (`gpioinfo`, /sys/class/gpio of Raspberry Pi OS) and Raspberry Pi 5 (raspberrypi/linux#5638 for 6.1, whose
 * numbers count down from 511; WiringPi#280 and raspberrypi/linux#6818 for 6.6, and the order of 6.12, which count up
 * from 512), the emulated boards by QEMU.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Sysfs, sysfsAt } from '../../firmware/io/sysfs.ts';

interface Chip {
  readonly base: number;
  readonly lines: number;
  readonly label: string;
}

export interface SysfsTree {
  readonly kernel: string;
  readonly board: string;
  readonly gpio: readonly Chip[];
  /** name → device, channels */
  readonly pwm: Readonly<Record<string, readonly [device: string, channels: number]>>;
  /** where line 0 of the header is */
  readonly headerBase: number;
  /** which chip makes servo pulses; undefined when the kernel has no PWM there */
  readonly servoChip: string | undefined;
}

const pi4 = 'raspberry-pi-4b';
const pi5 = 'raspberry-pi-5';
const bcm2711 = (base: number): Chip => ({ base, lines: 58, label: 'pinctrl-bcm2711' });
const expander = (base: number): Chip => ({ base, lines: 8, label: 'raspberrypi-exp-gpio' });
const rp1 = (base: number): Chip => ({ base, lines: 54, label: 'pinctrl-rp1' });
const brcmstb = (base: number, lines: number, at: string): Chip => {
  return { base, lines, label: `gpio-brcmstb@${at}` };
};
const pi4Pwm = { pwmchip0: ['fe20c000.pwm', 2] } as const;

export const sysfsTrees: readonly SysfsTree[] = [
  {
    kernel: '6.1',
    board: pi4,
    gpio: [bcm2711(0), expander(504)],
    pwm: pi4Pwm,
    headerBase: 0,
    servoChip: 'pwmchip0',
  },
  {
    kernel: '6.6',
    board: pi4,
    gpio: [bcm2711(512), expander(570)],
    pwm: pi4Pwm,
    headerBase: 512,
    servoChip: 'pwmchip0',
  },
  {
    kernel: '6.12',
    board: pi4,
    gpio: [bcm2711(512), expander(570)],
    // without dtoverlay=pwm-2chan
    pwm: {},
    headerBase: 512,
    servoChip: undefined,
  },
  {
    kernel: '6.1',
    board: pi5,
    gpio: [
      rp1(399),
      brcmstb(453, 17, '107d517c00'),
      brcmstb(470, 6, '107d517c20'),
      brcmstb(476, 4, '107d508520'),
      brcmstb(480, 32, '107d508500'),
    ],
    pwm: { pwmchip0: ['107d517a80.pwm', 2], pwmchip2: ['1f00098000.pwm', 4] },
    headerBase: 399,
    servoChip: 'pwmchip2',
  },
  {
    kernel: '6.6',
    board: pi5,
    gpio: [
      brcmstb(512, 32, '107d508500'),
      brcmstb(544, 4, '107d508520'),
      brcmstb(548, 17, '107d517c00'),
      brcmstb(565, 6, '107d517c20'),
      rp1(571),
    ],
    pwm: {
      pwmchip0: ['107d517a80.pwm', 2],
      pwmchip2: ['1f00098000.pwm', 4],
      pwmchip6: ['1f0009c000.pwm', 4],
    },
    headerBase: 571,
    servoChip: 'pwmchip2',
  },
  {
    kernel: '6.12',
    board: pi5,
    gpio: [
      brcmstb(512, 15, '107d517c00'),
      brcmstb(527, 6, '107d517c20'),
      brcmstb(533, 32, '107d508500'),
      brcmstb(565, 4, '107d508520'),
      rp1(569),
    ],
    pwm: { pwmchip0: ['1f00098000.pwm', 4] },
    headerBase: 569,
    servoChip: 'pwmchip0',
  },
  {
    kernel: '6.12',
    board: 'qemu-virt-arm64',
    gpio: [{ base: 512, lines: 8, label: '9030000.pl061' }],
    pwm: {},
    headerBase: 512,
    servoChip: undefined,
  },
];

export function treeOf(kernel: string, board: string): SysfsTree {
  const tree = sysfsTrees.find((one) => one.kernel === kernel && one.board === board);
  if (tree === undefined) throw new Error(`no tree of ${board} with ${kernel}`);
  return tree;
}

/** A folder that looks like /sys to whoever looks for chips; gone when it is disposed of. */
export interface SysfsFolder extends Disposable {
  readonly root: string;
  readonly sysfs: Sysfs;
}

export function sysfsFolder(tree: Pick<SysfsTree, 'gpio' | 'pwm'>): SysfsFolder {
  const root = mkdtempSync(join(tmpdir(), 'starling-sysfs-'));
  writeTree(root, tree);
  const gone = (): void => rmSync(root, { recursive: true, force: true });
  return { root, sysfs: sysfsAt(root), [Symbol.dispose]: gone };
}

/** Writes the chips of a tree below `root`. */
export function writeTree(root: string, { gpio, pwm }: Pick<SysfsTree, 'gpio' | 'pwm'>): void {
  const put = (path: string, text: string): void => writeFileSync(join(root, path), text);
  mkdirSync(join(root, 'class/gpio'), { recursive: true });
  mkdirSync(join(root, 'class/pwm'), { recursive: true });
  for (const file of ['export', 'unexport']) put(`class/gpio/${file}`, '');
  for (const { base, lines, label } of gpio) {
    const folder = `class/gpio/gpiochip${base}`;
    mkdirSync(join(root, folder));
    put(`${folder}/label`, `${label}\n`);
    put(`${folder}/base`, `${base}\n`);
    put(`${folder}/ngpio`, `${lines}\n`);
  }
  for (const [name, [device, channels]] of Object.entries(pwm)) {
    const folder = `class/pwm/${name}`;
    mkdirSync(join(root, 'devices', device), { recursive: true });
    mkdirSync(join(root, folder));
    put(`${folder}/npwm`, `${channels}\n`);
    symlinkSync(join('..', '..', '..', 'devices', device), join(root, folder, 'device'));
  }
}
