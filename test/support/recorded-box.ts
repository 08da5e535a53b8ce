/**
 * Trees of `/proc`, `/sys` and `/run/udev` in the form that machines have them, written for the tests and not taken from
 * machines, in a folder that stands for `/`. The value of a path is what the file holds; `-> TARGET` makes a link.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { BoxFiles } from '../../firmware/boxcare/box-files.ts';
import { boxFiles } from '../../firmware/io/box-files.ts';

export type RecordedTree = Readonly<Record<string, string>>;

/** A tree in a temporary folder, read by the real reader. */
export class RecordedBox implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'starling-box-'));
  readonly files: BoxFiles = boxFiles(this.root);

  constructor(...trees: readonly RecordedTree[]) {
    for (const tree of trees) for (const [path, text] of Object.entries(tree)) this.put(path, text);
  }

  put(path: string, text: string): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    rmSync(file, { force: true });
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), file);
    else if (text === '/') mkdirSync(file, { recursive: true });
    else writeFileSync(file, `${text}\n`);
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

interface DiskTree {
  readonly name: string;
  /** MAJOR:MINOR of the whole disk; partition n has n added to the minor number */
  readonly device: string;
  /** below /sys/devices */
  readonly at: string;
  readonly sectors: number;
  readonly rotational: 0 | 1;
  /** partitions: label by name */
  readonly partitions?: Readonly<Record<string, string>>;
  /** files below `device/` */
  readonly about?: Readonly<Record<string, string>>;
  /** what udev knows of the disk */
  readonly udev?: readonly string[];
}

export function diskTree(disk: DiskTree): RecordedTree {
  const { name, device, at, sectors, rotational, partitions = {}, about = {}, udev = [] } = disk;
  const path = `/sys/devices/${at}/block/${name}`;
  const [major = '', minor = ''] = device.split(':');
  const tree: Record<string, string> = {
    [`${path}/dev`]: device,
    [`${path}/size`]: String(sectors),
    [`${path}/queue/rotational`]: String(rotational),
    [`/sys/class/block/${name}`]: `-> ../../devices/${at}/block/${name}`,
    [`/sys/dev/block/${device}`]: `-> ../../devices/${at}/block/${name}`,
    [`/run/udev/data/b${device}`]: ['S:disk/by-path/x', ...udev.map((line) => `E:${line}`)].join('\n'),
  };
  for (const [file, text] of Object.entries(about)) tree[`${path}/device/${file}`] = text;
  for (const [place, [partition, label]] of Object.entries(partitions).entries()) {
    const number = `${major}:${Number(minor) + place + 1}`;
    tree[`${path}/${partition}/partition`] = String(place + 1);
    tree[`${path}/${partition}/dev`] = number;
    tree[`/sys/class/block/${partition}`] = `-> ../../devices/${at}/block/${name}/${partition}`;
    tree[`/sys/dev/block/${number}`] = `-> ../../devices/${at}/block/${name}/${partition}`;
    tree[`/run/udev/data/b${number}`] = `E:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=${label}`;
    tree[`/sys/fs/ext4/${partition}/errors_count`] = '0';
  }
  return tree;
}

/** An Odroid HC4: boots from an eMMC or SD card, records on two SATA disks. */
export const hc4: RecordedTree = {
  ...diskTree({
    name: 'mmcblk0',
    device: '179:0',
    at: 'platform/soc/ffe07000.mmc/mmc_host/mmc0/mmc0:0001',
    sectors: 61_071_360,
    rotational: 0,
    partitions: { mmcblk0p1: 'boot', mmcblk0p2: 'root', mmcblk0p3: 'data' },
    about: {
      name: 'DG4032',
      type: 'MMC',
      life_time: '0x02 0x01',
      pre_eol_info: '0x01',
      serial: '0x1a2b3c4d',
    },
  }),
  ...diskTree({
    name: 'sda',
    device: '8:0',
    at: 'platform/soc/fc000000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/ata1/host0/target0:0:0/0:0:0:0',
    sectors: 7_814_037_168,
    rotational: 1,
    partitions: { sda1: 'starling-1' },
    about: { model: 'WDC WD40EFRX-68N', vendor: 'ATA' },
    udev: ['ID_BUS=ata', 'ID_SERIAL_SHORT=WD-WCC7K0000001'],
  }),
  ...diskTree({
    name: 'sdb',
    device: '8:16',
    at: 'platform/soc/fc000000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/ata2/host1/target1:0:0/1:0:0:0',
    sectors: 7_814_037_168,
    rotational: 1,
    partitions: { sdb1: 'starling-2' },
    about: { model: 'WDC WD40EFRX-68N' },
    udev: ['ID_BUS=ata', 'ID_SERIAL_SHORT=WD-WCC7K0000002'],
  }),
  '/proc/self/mountinfo': [
    '22 1 179:2 / / ro,relatime shared:1 - ext4 /dev/mmcblk0p2 ro',
    '23 22 0:20 / /sys rw,nosuid - sysfs sysfs rw',
    '30 22 179:3 / /data rw,noatime shared:9 - ext4 /dev/mmcblk0p3 rw',
    '40 22 8:1 / /volumes/starling-1 rw,noatime shared:12 - ext4 /dev/sda1 rw,errors=remount-ro',
    '41 22 8:17 / /volumes/starling-2 rw,noatime shared:13 - ext4 /dev/sdb1 rw,errors=remount-ro',
  ].join('\n'),
  '/dev/sda1': '',
  '/dev/sdb1': '',
  '/volumes/starling-1': '/',
  '/volumes/starling-2': '/',
  '/data/starling': '/',
  '/sys/class/hwmon/hwmon0/name': 'cpu_thermal',
  '/sys/class/hwmon/hwmon0/temp1_input': '48500',
  '/sys/class/hwmon/hwmon0/temp1_crit': '110000',
  '/sys/class/hwmon/hwmon1/name': 'pwmfan',
  '/sys/class/hwmon/hwmon1/fan1_input': '2100',
  '/sys/class/leds/blue:status/brightness': '255',
  '/sys/class/leds/blue:status/max_brightness': '255',
  '/sys/class/leds/blue:status/trigger': 'none [heartbeat] timer mmc0',
  '/sys/class/watchdog/watchdog0/identity': 'Meson GXBB Watchdog',
  '/sys/class/watchdog/watchdog0/timeout': '30',
  '/sys/class/watchdog/watchdog0/state': 'active',
  '/sys/class/watchdog/watchdog0/bootstatus': '0',
};

/** A Raspberry Pi 4 with a weak supply, an SD card, and a disk in a USB enclosure. */
export const pi4: RecordedTree = {
  ...diskTree({
    name: 'mmcblk0',
    device: '179:0',
    at: 'platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa',
    sectors: 62_333_952,
    rotational: 0,
    partitions: { mmcblk0p1: 'boot', mmcblk0p2: 'root', mmcblk0p4: 'data' },
    about: { name: 'SC32G', type: 'SD', serial: '0x6f000001' },
  }),
  ...diskTree({
    name: 'sda',
    device: '8:0',
    at: 'platform/scb/fd500000.pcie/pci0000:00/0000:01:00.0/usb2/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0',
    sectors: 1_953_525_168,
    rotational: 1,
    partitions: { sda1: 'starling-1' },
    about: { model: 'Elements 25A2' },
    udev: ['ID_BUS=usb', 'ID_SERIAL_SHORT=575838'],
  }),
  '/proc/self/mountinfo': [
    '22 1 179:2 / / ro - ext4 /dev/root ro',
    '30 22 179:3 / /data rw,noatime - ext4 /dev/mmcblk0p4 rw',
    '40 22 8:1 / /volumes/starling-1 rw,noatime - ext4 /dev/sda1 rw',
  ].join('\n'),
  '/data/starling': '/',
  '/volumes/starling-1': '/',
  '/sys/class/hwmon/hwmon0/name': 'cpu_thermal',
  '/sys/class/hwmon/hwmon0/temp1_input': '82300',
  '/sys/class/hwmon/hwmon1/name': 'rpi_volt',
  '/sys/class/hwmon/hwmon1/in0_lcrit_alarm': '0',
  '/sys/devices/platform/soc/soc:firmware/get_throttled': '50000',
  '/sys/class/watchdog/watchdog0/identity': 'Broadcom BCM2835 Watchdog timer',
  '/sys/class/watchdog/watchdog0/timeout': '15',
  '/sys/class/watchdog/watchdog0/state': 'inactive',
  '/sys/class/watchdog/watchdog0/bootstatus': '32',
};
