/**
 * One emulated machine: QEMU with its disks, its network, serial ports, watchdog, and the sockets by which a test works
 * it. The processor of another kind than ours is always translated (TCG); for ours the faster way is measured.
 *
 * Power cut: the emulator is killed. What the guest had in its memory is gone; what it had handed to its disk is in our
 * page cache and stays, in the order in which it came (cache mode `writeback`). A disk that loses or reorders what was
 * not flushed is another matter: test/power does that.
 */
import assert from 'node:assert';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tap } from '../namespaces.ts';
import { until } from '../network.ts';
import { type Accelerator, chooseAccelerator } from './accelerator.ts';
import { LineInjector } from './line-injector.ts';
import { MachineProtocol } from './machine-protocol.ts';
import { withoutControl } from './serial-line.ts';

/** An emulated disk. */
export interface GuestDisk {
  /** name of the device, for `unplug` */
  readonly id: string;
  /** raw image */
  readonly file: string;
  /** usb disks can be pulled */
  readonly bus: 'virtio' | 'usb';
}

interface GuestOptions {
  /** of the host's folder for sockets and traces, which must be there */
  readonly folder: string;
  readonly architecture: 'amd64' | 'arm64';
  readonly disks: readonly GuestDisk[];
  /** started directly, without the disk's boot loader */
  readonly direct?: { readonly kernel: string; readonly initrd: string; readonly commandLine: string };
  readonly tap: Tap;
  /** of its network interface */
  readonly macAddress?: string;
  readonly memoryMb?: number;
  readonly processors?: number;
  /** what its clock shows at the start, as `2020-01-01T00:00:00`; ours by default */
  readonly startsAt?: string;
}

const stopMs = 10_000;
/** Spares a translated processor what makes a start long and no unit different: tests of the kernel's ciphers, armour. */
const quickWords = [
  'mitigations=off',
  'cryptomgr.notests',
  'audit=0',
  'nokaslr',
  'nowatchdog',
  'tsc=reliable',
];
const errorCharactersMax = 4_000;
const gpioTraceFile = 'gpio.trace';
const serialLogFile = 'serial.log';

/** A machine that is switched on; disposing it switches it off. */
export class Guest implements AsyncDisposable {
  readonly accelerator: Accelerator;
  readonly protocol: MachineProtocol;
  /** path of the socket of its serial port; one at a time may be connected */
  readonly serialSocket: string;
  private readonly options: GuestOptions;
  private readonly emulator: ChildProcess;
  private injector: LineInjector | undefined;

  private constructor(parts: {
    accelerator: Accelerator;
    protocol: MachineProtocol;
    options: GuestOptions;
    emulator: ChildProcess;
  }) {
    this.accelerator = parts.accelerator;
    this.protocol = parts.protocol;
    this.options = parts.options;
    this.serialSocket = join(parts.options.folder, 'serial.sock');
    this.emulator = parts.emulator;
  }

  /** Switches it on: resolves when the processor runs, long before its system does. */
  static async start(options: GuestOptions): Promise<Guest> {
    const accelerator = options.architecture === 'amd64' ? await chooseAccelerator() : 'tcg';
    const program = options.architecture === 'amd64' ? 'qemu-system-x86_64' : 'qemu-system-aarch64';
    const emulator = options.tap.spawn(program, emulatorArguments(options, accelerator), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    emulator.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-errorCharactersMax);
    });
    const stopOnExit = (): void => void emulator.kill('SIGKILL');
    process.once('exit', stopOnExit);
    emulator.once('exit', () => process.off('exit', stopOnExit));
    try {
      const protocol = await MachineProtocol.open(join(options.folder, 'qmp.sock'));
      await protocol.execute('cont');
      return new Guest({ accelerator, protocol, options, emulator });
    } catch (error) {
      emulator.kill('SIGKILL');
      throw new Error(`${program} did not start: ${said.trim()}`, { cause: error });
    }
  }

  get isOn(): boolean {
    return this.emulator.exitCode === null && this.emulator.signalCode === null;
  }

  /** As if its plug was pulled. See the top of this file for what is lost. */
  async cutPower(): Promise<void> {
    if (!this.isOn) return;
    const ended = once(this.emulator, 'exit');
    this.emulator.kill('SIGKILL');
    await ended;
  }

  /** Presses its power button and waits until it has switched itself off. */
  async powerDown(limitMs: number): Promise<void> {
    const ended = once(this.emulator, 'exit', { signal: AbortSignal.timeout(limitMs) });
    await this.protocol.execute('system_powerdown');
    await ended;
  }

  /** All that came out of its serial port since it was switched on, readable. */
  serialText(): string {
    return withoutControl(readFileSync(join(this.options.folder, serialLogFile), 'latin1'));
  }

  /** Waits for this on its serial port, from the moment it was switched on. */
  async said(pattern: RegExp, limitMs: number): Promise<void> {
    const wait = until(`${pattern} on the serial port`, () => pattern.test(this.serialText()), limitMs);
    await wait.catch((error: unknown) => {
      throw new Error(`${String(error)}; it said:\n${this.serialText().slice(-errorCharactersMax)}`);
    });
  }

  /** Pulls a disk of bus `usb`, as a hand would: nothing is flushed, the guest only notices afterwards. */
  async unplug(disk: string): Promise<void> {
    await this.protocol.execute('device_del', { id: disk });
    await this.protocol.event('DEVICE_DELETED', stopMs);
  }

  /** Sets an input line of its GPIO chip (arm64) from outside. */
  async setInput(line: number, level: 0 | 1): Promise<void> {
    const chip = await this.protocol.find('pl061');
    assert(chip !== undefined, 'this machine has no PL061');
    this.injector ??= await LineInjector.open(join(this.options.folder, 'qtest.sock'));
    await this.injector.setInput(chip, line, level);
  }

  /** Text of the trace of its GPIO outputs (arm64), one change a line. */
  gpioTrace(): string {
    return readFileSync(join(this.options.folder, gpioTraceFile), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    this.protocol[Symbol.dispose]();
    this.injector?.[Symbol.dispose]();
  }
}

/** One option a line, as a person would type them. */
function emulatorArguments(options: GuestOptions, accelerator: Accelerator): string[] {
  const { folder, memoryMb = 1024, processors = 2, startsAt, direct } = options;
  const lines = [
    `-smp ${processors} -m ${memoryMb} -nodefaults -display none -S`,
    '-action watchdog=reset -device i6300esb',
    `-rtc base=${startsAt ?? 'utc'}`,
    `-qmp unix:${join(folder, 'qmp.sock')},server=on,wait=off`,
    '-device qemu-xhci',
  ];
  return [
    ...machine(options, accelerator),
    ...lines.flatMap((line) => line.split(' ')),
    ...(direct === undefined ? [] : kernel(direct)),
    ...serialPorts(options),
    ...network(options),
    ...options.disks.flatMap(disk),
  ];
}

function kernel({ kernel: file, initrd, commandLine }: NonNullable<GuestOptions['direct']>): string[] {
  return ['-kernel', file, '-initrd', initrd, '-append', [commandLine, ...quickWords].join(' ')];
}

function machine({ folder, architecture, direct }: GuestOptions, accelerator: Accelerator): string[] {
  const isAmd64 = architecture === 'amd64';
  const how = accelerator === 'kvm' ? '-accel kvm -cpu host' : '-accel tcg,thread=multi';
  const firmware = isAmd64 ? '/usr/share/ovmf/OVMF.fd' : '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd';
  const loader = direct === undefined ? ['-bios', firmware] : [];
  const translated = isAmd64 ? ' -cpu max' : ' -cpu cortex-a72';
  const kind = isAmd64 ? '-M q35,sata=off,smbus=off,i8042=off,hpet=off' : '-M virt';
  const words = `${kind} ${how}${accelerator === 'tcg' ? translated : ''}`.split(' ');
  if (isAmd64) return [...words, ...loader];
  const gpio = ['-trace', 'pl061_set_output', '-msg', 'timestamp=on', '-D', join(folder, gpioTraceFile)];
  const injection = ['-qtest', `unix:${join(folder, 'qtest.sock')},server=on,wait=off`, '-qtest-log', 'none'];
  return [...words, ...loader, ...gpio, ...injection];
}

function serialPorts({ folder, architecture }: GuestOptions): string[] {
  const socket = (name: string): string => `path=${join(folder, name)},server=on,wait=off`;
  const log = `logfile=${join(folder, serialLogFile)},logappend=off`;
  const first = ['-chardev', `socket,id=serial,${socket('serial.sock')},${log}`, '-serial', 'chardev:serial'];
  if (architecture === 'arm64') return first;
  // For whoever looks for a fault: with the kernel word systemd.debug_shell=ttyS1 there is a root shell.
  return [...first, '-chardev', `socket,id=shell,${socket('shell.sock')}`, '-serial', 'chardev:shell'];
}

function network({ tap, macAddress = '52:54:00:00:00:01' }: GuestOptions): string[] {
  const netdev = `tap,id=net0,ifname=${tap.interface},script=no,downscript=no`;
  return ['-netdev', netdev, '-device', `virtio-net-pci,netdev=net0,mac=${macAddress},romfile=`];
}

function disk({ id, file, bus }: GuestDisk): string[] {
  const drive = `file=${file},format=raw,if=none,id=drive-${id},cache=writeback,discard=unmap`;
  const device =
    bus === 'virtio'
      ? `virtio-blk-pci,drive=drive-${id},id=${id},serial=${id}`
      : `usb-storage,drive=drive-${id},id=${id},serial=${id},removable=on`;
  return ['-drive', drive, '-device', device];
}
