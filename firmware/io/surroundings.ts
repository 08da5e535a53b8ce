/**
 * The world around a unit's overlay node: TLS links, datagrams, `state.json`, the unit's memory, and the anycast
 * address of a server. The simulator has another one.
 */
import { Failure, messageOf } from '../base/failure.ts';
import type { AnycastEndpoint } from '../config/unit-config.ts';
import type { MemoryRecord } from '../overlay/effects.ts';
import type { Address, Packet } from '../overlay/packets.ts';
import type { FrameLink, Surroundings } from '../overlay/surroundings.ts';
import type { Log } from '../runtime/log.ts';
import { sendAnycast } from './anycast.ts';
import type { AnycastAddress } from './anycast-address.ts';
import { readState, writeState } from './state-file.ts';
import type { UnitIdentity } from './tls-identity.ts';
import { dialLink } from './tls-link.ts';
import type { UnitMemory } from './unit-memory.ts';

export interface UnitSurroundingsOptions {
  readonly identity: UnitIdentity;
  readonly endpoints: readonly AnycastEndpoint[];
  readonly dataFolder: string;
  readonly memory: UnitMemory;
  /** absent on cameras */
  readonly address?: AnycastAddress;
  readonly log: Log;
}

export class UnitSurroundings implements Surroundings, Disposable {
  private readonly options: UnitSurroundingsOptions;
  private readonly dialling = new AbortController();
  private readonly failedEndpoints = new Set<string>();
  private diskRefused = false;

  constructor(options: UnitSurroundingsOptions) {
    this.options = options;
  }

  dial(address: Address, done: (result: FrameLink | string) => void): void {
    void this.dialAndTell(address, done);
  }

  anycast(packet: Packet, also: readonly Address[]): void {
    const { endpoints, identity, log } = this.options;
    const configured = new Set(endpoints.map(nameOf));
    const onFailed = (target: Address, reason: string): void => {
      const name = nameOf(target);
      if (!configured.has(name)) return log('debug', `cannot send a join to ${name}: ${reason}`);
      if (this.failedEndpoints.has(name)) return;
      this.failedEndpoints.add(name);
      log('warn', `cannot send joins to ${name} (${reason}); the other endpoints are still used`);
    };
    sendAnycast({ packet, keys: identity.sealKeys, endpoints, also, onFailed });
  }

  anycastAddress(up: boolean): void {
    this.options.address?.set(up);
  }

  persist(state: Readonly<Record<string, number>>): boolean {
    const { dataFolder, log } = this.options;
    try {
      writeState(dataFolder, { ...readState(dataFolder), ...state });
      this.diskRefused = false;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!this.diskRefused) log('error', `${error.message}. ${error.advice} The unit goes on without.`);
      this.diskRefused = true;
    }
    return !this.diskRefused;
  }

  remember(record: MemoryRecord): void {
    this.options.memory.remember(record);
  }

  /** Dials that are under way end. */
  [Symbol.dispose](): void {
    this.dialling.abort();
  }

  private async dialAndTell(address: Address, done: (result: FrameLink | string) => void): Promise<void> {
    const { identity } = this.options;
    done(await dialLink(identity, address, this.dialling.signal).catch(messageOf));
  }
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
