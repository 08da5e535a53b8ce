/**
 * BIRD on a machine of the test rig: OSPFv3 over its cables, with BFD, announcing one anycast /128 for as long as the
 * machine's loopback has it, by the configuration that server images use.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { birdConfig } from '../../firmware/boxcare/bird-config.ts';
import type { Machine, Namespaces } from './namespaces.ts';

export interface BirdOptions {
  readonly anycast: string;
  /** OSPF cost of each of the machine's interfaces that lead somewhere */
  readonly costs: Readonly<Record<string, number>>;
}

/** Configures and starts BIRD. It ends with the machine. */
export async function startBird(rig: Namespaces, machine: Machine, options: BirdOptions): Promise<void> {
  const file = join(rig.folder, `bird-${machine.name}.conf`);
  const socket = socketOf(rig, machine);
  const { anycast, costs } = options;
  const links = Object.entries(costs).map(([name, cost]) => ({ name, cost, isCable: true }));
  const text = birdConfig({ unit: machine.name, addresses: [{ host: anycast, interface: 'lo' }], links });
  writeFileSync(file, text ?? '');
  const child = machine.spawn('bird', ['-f', '-c', file, '-s', socket], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-4_000);
  });
  await once(child, 'spawn');
  child.once('exit', (code) => {
    if (code !== null) console.error(`bird on ${machine.name} ended with ${code}: ${said}`);
  });
}

function socketOf(rig: Namespaces, machine: Machine): string {
  return join(rig.folder, `bird-${machine.name}.ctl`);
}

/**
 * Whether OSPF, as a machine sees it, has been quiet long enough to tell the next change at once: a router may speak
 * of itself only every 5 s (RFC 2328 MinLSInterval).
 */
export function birdSettled(rig: Namespaces, machine: Machine): boolean {
  const socket = socketOf(rig, machine);
  const rows = machine
    .run('birdc', '-s', socket, 'show', 'ospf', 'lsadb')
    .matchAll(/^ 2001 .* (\d+) +\w+$/gm);
  const ages = [...rows].map((row) => Number(row[1]));
  return ages.length > 1 && ages.every((age) => age >= 6);
}

/** The interface and next hop by which a machine would send to an address; undefined without a route. */
export function routeOf(machine: Machine, address: string): string | undefined {
  try {
    const route = machine.ip('-6', 'route', 'get', address);
    return /(via \S+ )?dev \S+/.exec(route)?.[0];
  } catch {
    return undefined;
  }
}

/** Whether a machine has an address on its loopback. */
export function hasAddress(machine: Machine, address: string): boolean {
  return machine.ip('-6', '-o', 'addr', 'show', 'dev', 'lo').includes(` ${address}/128 `);
}

/** When an address appeared on a machine's loopback and when it went. */
interface AddressEvent {
  readonly at: number;
  readonly is: 'up' | 'down';
}

/** Watches an address from now on; the list grows. The watcher ends with the machine. */
export function addressEvents(machine: Machine, address: string): readonly AddressEvent[] {
  const events: AddressEvent[] = [];
  const child = machine.spawn('ip', ['-o', 'monitor', 'address'], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout !== null) {
    createInterface(child.stdout).on('line', (line) => {
      if (!line.includes(` ${address}/128 `)) return;
      events.push({ at: Date.now(), is: line.startsWith('Deleted') ? 'down' : 'up' });
    });
  }
  return events;
}
