/**
 * Whether guests run on this machine's processor (KVM) or are translated (TCG). That /dev/kvm opens says little: inside
 * of another virtual machine it may then run nothing, or slower than TCG. So both run the same boot sector, and the
 * faster one is taken.
 *
 * STARLING_GUEST_ACCELERATOR=kvm or tcg spares the trial.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Accelerator = 'kvm' | 'tcg';

const trialMs = 15_000;
/** What the emulator ends with when the boot sector has written 0x10 to its exit port. */
const doneCode = (0x10 << 1) | 1;
const countTo = 100_000_000;
/** Each one leaves the guest, which is what costs where virtual machines are nested. */
const portWrites = 20_000;

/** Real-mode code: counts down, writes to a port, ends the emulator. Padded to a sector with the boot mark. */
function bootSector(): Buffer {
  const code = Buffer.concat([
    Buffer.from('fa66b9', 'hex'), // cli; mov ecx, countTo
    littleEndian(countTo),
    Buffer.from('664975fc', 'hex'), // again: dec ecx; jnz again
    Buffer.from('66b9', 'hex'), // mov ecx, portWrites
    littleEndian(portWrites),
    Buffer.from('e680664975fa', 'hex'), // more: out 0x80, al; dec ecx; jnz more
    Buffer.from('b010e6f4', 'hex'), // mov al, 0x10; out 0xf4, al
    Buffer.from('f4ebfd', 'hex'), // rest: hlt; jmp rest
  ]);
  const sector = Buffer.alloc(512);
  code.copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** What a trial gave: how long it took, ms, or undefined when it did not end as it should. */
interface AcceleratorTrial {
  readonly kvmMs: number | undefined;
  readonly tcgMs: number | undefined;
  readonly chosen: Accelerator;
}

let trial: Promise<AcceleratorTrial> | undefined;

/** The better one of this machine for amd64 guests, measured once in a process. */
export async function chooseAccelerator(): Promise<Accelerator> {
  const wanted = process.env['STARLING_GUEST_ACCELERATOR'];
  if (wanted === 'kvm' || wanted === 'tcg') return wanted;
  trial ??= tryAccelerators();
  return (await trial).chosen;
}

/** Boots the sector with both. */
async function tryAccelerators(): Promise<AcceleratorTrial> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-accelerator-'));
  try {
    const disk = join(folder, 'sector');
    writeFileSync(disk, bootSector());
    const tcgMs = await boot('tcg', disk, trialMs);
    // Where it would be slower it is not waited for: often it runs nothing at all.
    const kvmMs = existsSync('/dev/kvm') ? await boot('kvm', disk, tcgMs ?? trialMs) : undefined;
    return { kvmMs, tcgMs, chosen: isFaster(kvmMs, tcgMs) ? 'kvm' : 'tcg' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isFaster(kvmMs: number | undefined, tcgMs: number | undefined): boolean {
  return kvmMs !== undefined && (tcgMs === undefined || kvmMs < tcgMs);
}

async function boot(accelerator: Accelerator, disk: string, limitMs: number): Promise<number | undefined> {
  const drive = `file=${disk},format=raw,if=ide,snapshot=on`;
  const args = ['-accel', accelerator, '-M', 'pc', '-m', '32', '-display', 'none', '-nodefaults'];
  const exitPort = 'isa-debug-exit,iobase=0xf4,iosize=0x01';
  const startedMs = performance.now();
  const child = spawn('qemu-system-x86_64', [...args, '-drive', drive, '-device', exitPort], {
    stdio: 'ignore',
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code === doneCode ? performance.now() - startedMs : undefined;
  } catch {
    return undefined; // the emulator is not installed
  } finally {
    clearTimeout(limit);
  }
}
