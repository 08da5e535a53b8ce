/**
 * A unit of the simulated network: a machine with a disk and a clock, and the program that runs on it: the production
 * node in the production shell. The machine outlives the program, the disk outlives both.
 */

import type { Effect, Memory, OverlayEvent, OverlayNode, Random } from '../../firmware/overlay/effects.ts';
import type { Address, Packet } from '../../firmware/overlay/packets.ts';
import type { FrameLink, Surroundings } from '../../firmware/overlay/surroundings.ts';
import { OverlayShell, type RoleEffect } from '../../firmware/roles/overlay-shell.ts';
import { type Log, Refusals } from '../../firmware/runtime/log.ts';
import { NonceCache } from '../../firmware/site/nonce-cache.ts';
import { type ClockFault, Life, type Timeline } from './life.ts';
import { Stream } from './randomness.ts';
import { SimDisk } from './sim-disk.ts';
import type { Host, SimLinkEnd } from './sim-link.ts';

/** What a node is made from when its unit starts. */
export interface Birth {
  readonly unit: string;
  readonly link: Address;
  readonly incarnation: number;
  readonly epoch: number;
  readonly memory: Memory;
  readonly random: Random;
  readonly utcUs: () => number;
  readonly clockTrusted: () => boolean;
}

/** The network around a unit. */
export interface Outside {
  readonly timeline: Timeline;
  readonly seed: number;
  readonly site: string;
  dial(unit: SimUnit, life: Life, address: Address, done: (result: FrameLink | string) => void): void;
  anycast(unit: SimUnit, packet: Packet, also: readonly Address[]): void;
  started(unit: SimUnit): void;
  ended(unit: SimUnit): void;
  event(unit: SimUnit, event: OverlayEvent): void;
  effects(unit: SimUnit, event: OverlayEvent, effects: readonly Effect[]): void;
  story(unit: SimUnit, text: string): void;
}

/** A camera unit's manager, as the recorder would see it. */
export interface Management {
  readonly server: string;
  readonly epoch: number;
  readonly sinceMs: number;
}

const noncesMax = 4_096;
/** Closed links are forgotten when there are so many. */
const endsTidied = 64;
/** After a graceful leave the program ends; its links have this long to end. */
const stopMs = 1_000;

export class SimUnit implements Host {
  readonly id: string;
  readonly role: 'camera' | 'server';
  readonly address: Address;
  readonly disk = new SimDisk();
  readonly clockFault: ClockFault = { monotonicStartMs: 0, rate: 1, utcOffMs: 0, trusted: true };
  private readonly ends = new Set<SimLinkEnd>();
  isOn = false;
  skipsFrom: number | undefined;
  /** server: how many cameras it takes */
  camerasMax = 0;
  /** camera unit: its cameras */
  cameraIds: readonly string[] = [];
  /** newer firmware: its first frame on every link is one that nobody here knows */
  speaksUnknown = false;
  life: Life | undefined;
  /** the production node, as it is, of the program that runs or ran last */
  node: OverlayNode | undefined;
  shell: OverlayShell | undefined;
  /** the anycast address is announced from here */
  routed = false;
  /** camera: who records it */
  management: Management | undefined;
  /** the highest incarnation it ever had */
  incarnationMax = 0;
  nonces = new NonceCache(noncesMax);
  sent = { packets: 0, bytes: 0, byKind: new Map<number, number>() };
  private lives = 0;
  private readonly outside: Outside;
  private readonly make: (birth: Birth) => OverlayNode;

  constructor(outside: Outside, id: string, role: 'camera' | 'server', make: (birth: Birth) => OverlayNode) {
    this.outside = outside;
    this.id = id;
    this.role = role;
    this.make = make;
    this.address = { host: id, port: 7400 };
  }

  get isAlive(): boolean {
    return this.life?.alive === true;
  }

  /** How often it was started. */
  get starts(): number {
    return this.lives;
  }

  /** Open ends of links. */
  openEnds(): SimLinkEnd[] {
    return [...this.ends].filter((end) => end.isOpen);
  }

  adopt(end: SimLinkEnd): void {
    if (this.ends.size >= endsTidied) for (const old of this.ends) if (!old.isOpen) this.ends.delete(old);
    this.ends.add(end);
  }

  /** So many joins later. */
  forgetNonces(): void {
    this.nonces = new NonceCache(noncesMax);
  }

  start(): void {
    if (this.isAlive) return;
    const { outside } = this;
    const { counters, memory } = this.disk.read();
    const incarnation = (counters['incarnation'] ?? 0) + 1;
    this.disk.persist(outside.timeline.now, { incarnation });
    this.incarnationMax = Math.max(this.incarnationMax, incarnation);
    const life = new Life(outside.timeline, this.clockFault, ++this.lives);
    this.isOn = true;
    this.life = life;
    this.management = undefined;
    this.nonces = new NonceCache(noncesMax);
    this.node = this.make({
      unit: this.id,
      link: this.address,
      incarnation,
      epoch: counters['epoch'] ?? 0,
      memory,
      random: new Stream(outside.seed, 'node', this.id, this.lives),
      utcUs: () => Math.round(life.utcMs() * 1000),
      clockTrusted: () => this.clockFault.trusted,
    });
    const log: Log = (level, message) => {
      if (level !== 'debug') outside.story(this, message);
    };
    this.shell = new OverlayShell({
      node: this.watched(life, this.node),
      site: outside.site,
      surroundings: this.surroundings(life),
      clock: life,
      log,
      refusals: new Refusals(log),
      onEffect: (effect) => this.perform(life, effect),
    });
    outside.started(this);
    this.shell.start();
  }

  /** The program ends at once; with the machine, nobody is told. */
  crash(machineToo: boolean): void {
    const { life } = this;
    if (life === undefined || !life.alive) {
      if (machineToo) this.isOn = false;
      return;
    }
    life.end();
    this.management = undefined;
    if (machineToo) this.isOn = false;
    else for (const end of this.ends) end.programEnded();
    this.ends.clear();
    this.outside.ended(this);
  }

  private watched(life: Life, node: OverlayNode): OverlayNode {
    return {
      step: (now, event) => {
        if (!life.alive) return [];
        this.outside.event(this, event);
        const effects = node.step(now, event);
        this.outside.effects(this, event, effects);
        return effects;
      },
      wakeAt: () => (life.alive ? node.wakeAt() : Number.POSITIVE_INFINITY),
    };
  }

  private surroundings(life: Life): Surroundings {
    const { outside } = this;
    return {
      dial: (address, done) => {
        if (life.alive) outside.dial(this, life, address, done);
      },
      anycast: (packet, also) => {
        if (life.alive) outside.anycast(this, packet, also);
      },
      anycastAddress: (up) => {
        if (life.alive) this.routed = up;
      },
      persist: (state) => {
        if (!life.alive) return false;
        this.incarnationMax = Math.max(this.incarnationMax, state['incarnation'] ?? 0);
        return this.disk.persist(outside.timeline.now, state);
      },
      remember: (record) => {
        if (life.alive) this.disk.remember(outside.timeline.now, record);
      },
    };
  }

  private perform(life: Life, effect: RoleEffect): void {
    if (!life.alive) return;
    const { outside } = this;
    if (effect.type === 'managed') {
      this.management = { server: effect.server, epoch: effect.epoch, sinceMs: outside.timeline.now };
    } else if (effect.type === 'unmanaged') {
      this.management = undefined;
    } else if (effect.type === 'control') {
      this.shell?.control({ ...effect.body, reply: true });
    } else if (effect.type === 'left') {
      const { shell } = this;
      outside.timeline.heap.plan(outside.timeline.now, () => void shell?.[Symbol.asyncDispose]());
      outside.timeline.heap.plan(outside.timeline.now + stopMs, () => {
        if (this.life === life) this.crash(false);
      });
    }
  }
}
