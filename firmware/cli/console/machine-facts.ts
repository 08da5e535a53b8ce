/**
 * What the machine says of itself without the unit's program: its network, clock, disks, memory, who made it. Everything
 * is read from the system's files and small programs; what is missing is left out, nothing here fails.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile, statfs } from 'node:fs/promises';
import { hostname, networkInterfaces, release, totalmem, uptime } from 'node:os';
import { promisify } from 'node:util';

const outputBytesMax = 512 * 1024;
const runMs = 5_000;

/** What a program prints on its standard output; undefined when it is not there, fails or takes too long. */
export async function outputOf(
  program: string,
  args: readonly string[],
  timeout = runMs,
): Promise<string | undefined> {
  try {
    const options = { timeout, maxBuffer: outputBytesMax, env: { ...process.env, LC_ALL: 'C' } };
    return (await promisify(execFile)(program, [...args], options)).stdout;
  } catch {
    return undefined;
  }
}

/** The text of a file of /proc or /sys; undefined when it is not there. */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).replaceAll('\0', ' ').trim();
  } catch {
    return undefined;
  }
}

export interface NetworkPort {
  readonly name: string;
  /** as the kernel has it: up, down, unknown … */
  readonly state: string;
  readonly carrier: boolean;
  readonly speedMbps: number | null;
  readonly mac: string;
  readonly addresses: readonly string[];
}

/** Every network interface but loopback. */
export async function networkPorts(): Promise<NetworkPort[]> {
  const folder = '/sys/class/net';
  const names = (await readdir(folder).catch(() => [])).filter((name) => name !== 'lo').sort();
  const known = networkInterfaces();
  return Promise.all(
    names.slice(0, 32).map(async (name) => {
      const [state, carrier, speed, mac] = await Promise.all(
        ['operstate', 'carrier', 'speed', 'address'].map((file) => textOf(`${folder}/${name}/${file}`)),
      );
      const speedMbps = Number(speed);
      return {
        name,
        state: state ?? 'unknown',
        carrier: carrier === '1',
        speedMbps: speedMbps > 0 ? speedMbps : null,
        mac: mac ?? '',
        addresses: (known[name] ?? []).map(({ cidr, address }) => cidr ?? address),
      };
    }),
  );
}

/** Routes out of the own network, such as `default via 192.0.2.1 dev eth0`. */
export async function defaultRoutes(): Promise<string[]> {
  const [four, six] = await Promise.all([
    outputOf('ip', ['-4', 'route', 'show', 'default']),
    outputOf('ip', ['-6', 'route', 'show', 'default']),
  ]);
  return `${four ?? ''}\n${six ?? ''}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, 8);
}

export interface ClockFacts {
  readonly utc: string;
  /** null where nobody says */
  readonly synchronized: boolean | null;
  readonly source: string | null;
  /** null on a board without a clock of its own */
  readonly rtc: string | null;
}

export async function clockFacts(): Promise<ClockFacts> {
  const [tracking, ntp, rtcDate, rtcTime] = await Promise.all([
    outputOf('chronyc', ['-c', 'tracking']),
    outputOf('timedatectl', ['show', '-p', 'NTPSynchronized', '--value']),
    textOf('/sys/class/rtc/rtc0/date'),
    textOf('/sys/class/rtc/rtc0/time'),
  ]);
  // Reference id, its name, stratum …; 7F7F0101 is the own clock.
  const [reference = '', name = '', stratum = ''] = tracking?.split(',') ?? [];
  const chrony = tracking === undefined ? null : reference !== '00000000' && Number(stratum) > 0;
  return {
    utc: new Date().toISOString(),
    synchronized: chrony ?? (ntp === undefined ? null : ntp.trim() === 'yes'),
    source: chrony === true ? `chrony, ${name || reference}, stratum ${stratum}` : null,
    rtc: rtcDate === undefined ? null : `${rtcDate} ${rtcTime ?? ''}`.trim(),
  };
}

export interface SpaceFacts {
  readonly folder: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export async function spaceOf(folder: string): Promise<SpaceFacts | undefined> {
  try {
    const { bsize, blocks, bavail } = await statfs(folder);
    return { folder, totalBytes: bsize * blocks, freeBytes: bsize * bavail };
  } catch {
    return undefined;
  }
}

/** Bytes by name of /proc/meminfo. */
export async function memoryFacts(): Promise<{
  totalBytes: number;
  availableBytes: number;
  cmaFreeBytes: number | null;
}> {
  const text = (await textOf('/proc/meminfo')) ?? '';
  const bytes = (name: string): number | null => {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  };
  return {
    totalBytes: bytes('MemTotal') ?? totalmem(),
    availableBytes: bytes('MemAvailable') ?? 0,
    cmaFreeBytes: (bytes('CmaTotal') ?? 0) > 0 ? bytes('CmaFree') : null,
  };
}

export async function machineFacts(): Promise<Record<string, unknown>> {
  const [model, product, vendor, os] = await Promise.all([
    textOf('/proc/device-tree/model'),
    textOf('/sys/class/dmi/id/product_name'),
    textOf('/sys/class/dmi/id/sys_vendor'),
    textOf('/etc/os-release'),
  ]);
  return {
    host: hostname(),
    machine: model ?? [vendor, product].filter((part) => part !== undefined).join(' '),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(os ?? '')?.[1] ?? null,
    kernel: release(),
    uptimeSeconds: Math.round(uptime()),
  };
}
