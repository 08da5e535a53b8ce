/**
 * Where a flock lives: a machine of its own for each member (a network namespace, test/support/namespaces.ts), all on
 * one switch, on which a member can be cut off without its carrier going down, and its traffic counted.
 *
 * Invariants: members are numbered from 1 and have 10.77.x.y/16; traffic is what passes a member's interface, Ethernet
 * headers included, and none of it is chatter of the kernel's own; a member's process ends with this one.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { type Machine, Namespaces, namespacesMissing } from '../../test/support/namespaces.ts';

/** Most ports a Linux bridge has. */
const membersMax = 1_000;

/** What one member has sent and received since the field was opened. */
export interface Traffic {
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
}

interface InterfaceStatistics {
  readonly flags: readonly string[];
  readonly stats64: Record<'rx' | 'tx', { readonly bytes: number; readonly packets: number }>;
}

/** Every loss is on the one interface that a member has. */
const device = 'eth0';

export class Field implements Disposable {
  readonly size: number;
  private readonly namespaces: Namespaces;
  private readonly switch;
  private readonly machines: readonly Machine[];
  private readonly restoreLimits: () => void;

  /** Throws when this machine cannot have namespaces. */
  constructor(size: number) {
    const missing = size > membersMax ? `a bridge has no room for ${size} members` : namespacesMissing();
    if (missing !== false) throw new Error(`this bench cannot run here: ${missing}`);
    this.size = size;
    this.restoreLimits = raiseNeighborLimits(size);
    this.namespaces = new Namespaces();
    this.switch = this.namespaces.switch();
    this.machines = Array.from({ length: size }, (_, place) => this.plug(place + 1));
  }

  /** Starts a program at a member. It is killed when this process ends, however that happens, even while stopped. */
  spawn(member: number, file: string, args: readonly string[]): ChildProcess {
    const all = ['--pdeathsig', 'KILL', file, ...args];
    return this.machine(member).spawn('setpriv', all, { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** The member's machine, to ask it something. */
  machine(member: number): Machine {
    const machine = this.machines[member - 1];
    if (machine === undefined) throw new Error(`there is no member ${member}`);
    return machine;
  }

  /** From now on nothing passes to or from the member, and nothing says so. */
  cut(member: number): void {
    this.switch.cut(this.machine(member));
  }

  /** Connects all members again. */
  heal(): void {
    this.switch.heal();
  }

  /** Whether the member's interface is up and has a carrier. */
  hasCarrier(member: number): boolean {
    return this.statistics(member).flags.includes('LOWER_UP');
  }

  /** Of every member, the first one at 0. */
  traffic(): Traffic[] {
    return this.machines.map((_, place) => {
      const { rx, tx } = this.statistics(place + 1).stats64;
      return {
        sentBytes: tx.bytes,
        sentPackets: tx.packets,
        receivedBytes: rx.bytes,
        receivedPackets: rx.packets,
      };
    });
  }

  [Symbol.dispose](): void {
    this.namespaces[Symbol.dispose]();
    this.restoreLimits();
  }

  private plug(member: number): Machine {
    const machine = this.namespaces.machine(`bench-${member}`);
    const quiet = '/proc/sys/net/ipv6/conf/default/router_solicitations';
    machine.run('sh', '-c', `echo 0 >${quiet}`);
    this.switch.plug(machine, `${addressOf(member)}/16`);
    // Multicast without a named interface needs a route.
    machine.ip('route', 'add', 'default', 'dev', device);
    return machine;
  }

  private statistics(member: number): InterfaceStatistics {
    const shown = this.machine(member).ip('-s', '-j', 'link', 'show', 'dev', device);
    const [found] = JSON.parse(shown) as InterfaceStatistics[];
    if (found === undefined) throw new Error(`member ${member} has lost its interface`);
    return found;
  }
}

/** The address of a member. */
export function addressOf(member: number): string {
  return `10.77.${member >> 8}.${member & 255}`;
}

/**
 * The kernel bounds the ARP and neighbor-discovery entries of all namespaces together; a hundred members that all talk
 * to each other need more than the default. Returns what puts the limits back; a run that is killed leaves them raised,
 * which only lets the kernel remember more.
 */
function raiseNeighborLimits(size: number): () => void {
  const files = ['ipv4', 'ipv6'].flatMap((family) =>
    [3, 2, 1].map((level) => `/proc/sys/net/${family}/neigh/default/gc_thresh${level}`),
  );
  const before = files.map((file) => readFileSync(file, 'utf8').trim());
  for (const [place, file] of files.entries()) {
    writeFileSync(file, String(Math.max(Number(before[place]), 2 * size * size)));
  }
  return () => {
    for (const [place, file] of files.entries()) writeFileSync(file, before[place] ?? '');
  };
}
