/**
 * Machines and cables inside this one: Linux network namespaces, joined by switches. Each plug is a veth pair whose
 * far end is a bridge port in a namespace of its own, so a cable can be cut without either machine seeing its link go
 * down: what was sent is lost, and nothing says so.
 *
 * Invariants: every namespace is called starling-<pid>-<name>; all are gone when the process ends, however it ends:
 * those of a process that was killed go when the next one opens. Needs root.
 */
import { type ChildProcess, execFile, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HttpAnswer, parseAnswer } from './http-answer.ts';

const prefix = 'starling-';
const switchRoom = 'switches';
/** Port of a server's page, the default of unit.yaml. */
export const pagePort = 8300;
const askMs = 3_000;
const askBytesMs = 60_000;
/** Otherwise a bucket of tokens lets the first packets pass at once. */
const noBurst = ['burst', '1b', 'cburst', '1b'];

function sh(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
}

/** Why this machine cannot have namespaces, or cannot run one of `programs`; false when it can. */
export function namespacesMissing(...programs: string[]): string | false {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const program of ['ip', 'bridge', 'tc', ...programs]) {
    const folders = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];
    if (!folders.some((folder) => existsSync(join(folder, program)))) return `${program} is not installed`;
  }
  const probe = `${prefix}${process.pid}-probe`;
  try {
    sh('ip', 'netns', 'add', probe);
    sh('ip', 'netns', 'exec', probe, 'true');
    sh('ip', 'netns', 'del', probe);
    return false;
  } catch (error) {
    return `no network namespaces here: ${String(error).split('\n')[0]}`;
  }
}

/** The namespaces of this process; dispose it. */
export class Namespaces implements Disposable {
  /** for files; removed with the rest */
  readonly folder = mkdtempSync(join(tmpdir(), `${prefix}net-${process.pid}-`));
  readonly machines: Machine[] = [];
  private switches = 0;
  private readonly onEnd = (): void => this[Symbol.dispose]();
  private readonly onSignal = (signal: NodeJS.Signals): void => {
    this[Symbol.dispose]();
    process.kill(process.pid, signal);
  };

  constructor() {
    removeStale();
    process.once('exit', this.onEnd);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, this.onSignal);
    sh('ip', 'netns', 'add', nameOf(switchRoom));
  }

  /** A machine with nothing but its loopback; a router passes packets on. */
  machine(name: string, kind: 'host' | 'router' = 'host'): Machine {
    const machine = new Machine(name, kind);
    this.machines.push(machine);
    return machine;
  }

  /** A switch without a machine. A cable between two is a switch as well. */
  switch(): Switch {
    this.switches += 1;
    return new Switch(`s${this.switches}`);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.onEnd);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.onSignal);
    removeNamespaces((pid) => pid === process.pid);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function nameOf(machine: string): string {
  return `${prefix}${process.pid}-${machine}`;
}

/** Every namespace of a rig on this machine, also of other processes. */
export function namespaceNames(): string[] {
  return sh('ip', 'netns', 'list').match(/^starling-\d+-\S+/gm) ?? [];
}

/** Ends what runs in the namespaces of the processes that `isOurs`, then removes them. */
function removeNamespaces(isOurs: (pid: number) => boolean): void {
  const ours = namespaceNames().filter((name) => isOurs(Number(name.split('-')[1])));
  for (const name of ours) {
    for (const pid of sh('ip', 'netns', 'pids', name).split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // gone meanwhile
      }
    }
  }
  for (const name of ours) sh('ip', 'netns', 'del', name);
}

/** Removes what processes that are dead have left. */
export function removeStale(): void {
  const isDead = (pid: number): boolean => !existsSync(`/proc/${pid}`);
  removeNamespaces(isDead);
  for (const folder of readdirSync(tmpdir())) {
    const pid = /^starling-net-(\d+)-/.exec(folder)?.[1];
    if (pid !== undefined && isDead(Number(pid)))
      rmSync(join(tmpdir(), folder), { recursive: true, force: true });
  }
}

/** One machine: a namespace. */
export class Machine {
  readonly name: string;
  readonly namespace: string;
  private plugs = 0;

  constructor(name: string, kind: 'host' | 'router') {
    this.name = name;
    this.namespace = nameOf(name);
    sh('ip', 'netns', 'add', this.namespace);
    // Duplicate address detection would make each address wait for a second.
    const settings = ['conf/all/accept_dad=0', 'conf/default/accept_dad=0'];
    if (kind === 'router') settings.push('conf/all/forwarding=1');
    const writes = settings.map((one) => {
      const [path, value] = one.split('=');
      return `echo ${value} > /proc/sys/net/ipv6/${path}`;
    });
    this.run('bash', '-c', writes.join('; '));
    this.ip('link', 'set', 'dev', 'lo', 'up');
  }

  /** Name of the next interface: eth0, eth1, … */
  nextInterface(): string {
    return `eth${this.plugs++}`;
  }

  /** `ip ARGS` in this machine. */
  ip(...args: string[]): string {
    return sh('ip', '-n', this.namespace, ...args);
  }

  /** Runs a short command in this machine and returns what it printed; throws when it fails. */
  run(command: string, ...args: string[]): string {
    return sh('ip', 'netns', 'exec', this.namespace, command, ...args);
  }

  /** Starts a process in this machine; its pid is that of `command` itself. */
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.namespace, command, ...args], options);
  }

  /** Like `run`, without blocking: for what takes longer. Rejects when it fails or after `limitMs`. */
  async runLong(command: string, args: readonly string[], limitMs = 20_000): Promise<string> {
    return (await this.output(command, args, limitMs)).toString('utf8');
  }

  private output(command: string, args: readonly string[], limitMs: number): Promise<Buffer> {
    const all = ['netns', 'exec', this.namespace, command, ...args];
    const options = { encoding: 'buffer', timeout: limitMs, maxBuffer: 2 ** 28 } as const;
    return new Promise((resolve, reject) => {
      execFile('ip', all, options, (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`${error.message} ${stderr.toString('utf8')}`)),
      );
    });
  }

  /** JSON of the API of the server on this machine, whose page only listens on its loopback. */
  async ask<T>(path: string, method: 'GET' | 'POST' = 'GET'): Promise<T> {
    const { body } = await this.askRaw(path, method, askMs);
    return JSON.parse(body.toString('utf8')) as T;
  }

  /** The same for what is no JSON and may take longer. */
  askBytes(path: string): Promise<HttpAnswer> {
    return this.askRaw(path, 'GET', askBytesMs);
  }

  private async askRaw(path: string, method: 'GET' | 'POST', limitMs: number): Promise<HttpAnswer> {
    const head = [`${method} ${path} HTTP/1.0`, `Host: 127.0.0.1:${pagePort}`, 'X-Starling: 1', '', ''];
    const request = head
      .map((line) => `${line}\\r\\n`)
      .slice(0, -1)
      .join('');
    // bash is everywhere, curl is not, and a Node for each question would be all this machine has time for.
    const script = `exec 3<>/dev/tcp/127.0.0.1/${pagePort} && printf '${request}' >&3 && exec cat <&3`;
    // Its standard input is a socket: bash would take that for a remote login and read the user's start-up file first.
    const answer = parseAnswer(await this.output('bash', ['--norc', '-c', script], limitMs));
    if (answer.status >= 200 && answer.status < 300) return answer;
    const said = answer.body.toString('utf8', 0, 200);
    throw new Error(`${this.name} ${path}: ${answer.status || 'no answer'} ${said}`);
  }
}

/** A port of a switch for a machine that is emulated. */
export interface Tap {
  /** name of its interface */
  readonly interface: string;
  /** Starts an emulator where the tap is; its pid is that of `command` itself. */
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
}

interface Plug {
  readonly machine: Machine;
  readonly port: string;
  /** at the machine's end */
  readonly interface: string;
}

/** An Ethernet switch, or with two machines a cable. */
export class Switch {
  private readonly name: string;
  private readonly room = nameOf(switchRoom);
  private readonly plugs: Plug[] = [];
  private parts = 1;
  private taps = 0;

  constructor(name: string) {
    this.name = name;
    this.makeBridge(name);
  }

  /** Plugs a machine in and gives it an address with prefix length; returns the name of its interface. */
  plug(machine: Machine, address: string): string {
    const port = `${this.name}p${this.plugs.length}`;
    const device = machine.nextInterface();
    const peer = ['peer', 'name', device, 'netns', machine.namespace];
    sh('ip', '-n', this.room, 'link', 'add', 'name', port, 'type', 'veth', ...peer);
    sh('ip', '-n', this.room, 'link', 'set', 'dev', port, 'master', this.name, 'up');
    machine.ip('link', 'set', 'dev', device, 'up');
    machine.ip('addr', 'add', address, 'dev', device, 'nodad');
    this.plugs.push({ machine, port, interface: device });
    return device;
  }

  /** A port for an emulator; it stays when the emulator ends. */
  tap(): Tap {
    const device = `${this.name}t${this.taps++}`;
    sh('ip', '-n', this.room, 'tuntap', 'add', 'dev', device, 'mode', 'tap');
    sh('ip', '-n', this.room, 'link', 'set', 'dev', device, 'master', this.name, 'up');
    return {
      interface: device,
      spawn: (command, args, options) => spawn('ip', ['netns', 'exec', this.room, command, ...args], options),
    };
  }

  /** From now on nothing passes to or from these machines, and no link goes down. */
  cut(...machines: Machine[]): void {
    for (const { port } of this.plugsOf(machines))
      sh('ip', '-n', this.room, 'link', 'set', 'dev', port, 'nomaster');
  }

  /** These machines on one side, all others on the other; no link goes down. */
  split(...machines: Machine[]): void {
    this.parts += 1;
    const other = `${this.name}x${this.parts}`;
    this.makeBridge(other);
    for (const { port } of this.plugsOf(machines)) {
      sh('ip', '-n', this.room, 'link', 'set', 'dev', port, 'master', other);
    }
  }

  /** Everybody reaches everybody again. */
  heal(): void {
    for (const { port } of this.plugs)
      sh('ip', '-n', this.room, 'link', 'set', 'dev', port, 'master', this.name);
  }

  /**
   * From now on each machine sends no more than this through this switch, one packet after the other, so that a
   * handshake through it takes a while; what neighbors say among themselves, as routers do, passes at once. (Every
   * kernel has what this needs; netem, which delays, is often missing.)
   */
  slow(kbps: number): void {
    for (const { machine, interface: device } of this.plugs) {
      const tc = (...args: string[]): string => sh('tc', '-n', machine.namespace, ...args);
      const shaped = (id: string, rate: string): string =>
        tc('class', 'replace', 'dev', device, 'parent', '1:', 'classid', id, 'htb', 'rate', rate, ...noBurst);
      tc('qdisc', 'replace', 'dev', device, 'root', 'handle', '1:', 'htb', 'default', '1');
      shaped('1:1', `${kbps}kbit`);
      shaped('1:2', '1gbit');
      const linkLocal = ['u32', 'match', 'ip6', 'src', 'fe80::/10', 'flowid', '1:2'];
      tc('filter', 'add', 'dev', device, 'parent', '1:', 'protocol', 'ipv6', ...linkLocal);
    }
  }

  private plugsOf(machines: readonly Machine[]): Plug[] {
    const found = this.plugs.filter(({ machine }) => machines.includes(machine));
    if (found.length < machines.length) throw new Error(`not plugged into ${this.name}`);
    return found;
  }

  private makeBridge(name: string): void {
    // Without a querier, snooping would lose groups after some minutes.
    sh('ip', '-n', this.room, 'link', 'add', 'name', name, 'type', 'bridge', 'mcast_snooping', '0');
    sh('ip', '-n', this.room, 'link', 'set', 'dev', name, 'up');
  }
}
