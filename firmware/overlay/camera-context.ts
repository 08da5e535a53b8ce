/**
 * What the parts of one camera unit share: who it is, what it remembers, its time, and the list of effects of the step
 * that is under way.
 */

import type { Profile } from './constants.ts';
import type { Effect, LinkId, Memory, Random } from './effects.ts';
import { KnownServers } from './known-servers.ts';
import {
  type Address,
  type NetworkId,
  type PacketBody,
  type PacketName,
  type PacketOf,
  protocolVersion,
} from './packets.ts';
import { Timers } from './timers.ts';

export interface CameraNodeOptions {
  readonly site: string;
  readonly unit: string;
  readonly cameras: readonly string[];
  /** bit rate of all of them */
  readonly kbps: number;
  /** where servers dial this unit */
  readonly link: Address;
  readonly incarnation: number;
  /** highest epoch accepted before, from the disk */
  readonly epoch: number;
  /** how long its outbox lasts: the time it may be without a manager */
  readonly outboxMs: number;
  readonly profile: Profile;
  readonly memory: Memory;
  readonly random: Random;
}

export class CameraContext {
  readonly options: CameraNodeOptions;
  readonly profile: Profile;
  readonly alarms = new Timers();
  readonly known: KnownServers;
  /** monotonic ms of the step under way */
  now = 0;
  /** the highest epoch accepted */
  epoch: number;
  /** the network it is in, or was in last */
  network: NetworkId | undefined;
  /** whose offer is waited for a little longer */
  lastManager: string | undefined;
  private effects: Effect[] = [];

  constructor(options: CameraNodeOptions) {
    const { memory } = options;
    this.options = options;
    this.profile = options.profile;
    this.epoch = options.epoch;
    this.network = memory.network;
    this.lastManager = memory.manager;
    this.known = new KnownServers(memory.known);
  }

  /** Takes the effects of this step. */
  takeEffects(): Effect[] {
    const { effects } = this;
    this.effects = [];
    return effects;
  }

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  story(text: string): void {
    this.emit({ type: 'story', text });
  }

  packet<K extends PacketName>(name: K, body: PacketBody<K>): PacketOf<K> {
    const { site, unit, incarnation } = this.options;
    const header = { version: protocolVersion, site, sender: unit, incarnation, network: this.network };
    return { name, header, body } as unknown as PacketOf<K>;
  }

  send<K extends PacketName>(link: LinkId, name: K, body: PacketBody<K>): void {
    this.emit({ type: 'send', link, packet: this.packet(name, body) });
  }
}
