/**
 * The overlay of a unit that runs on this machine: its node in its shell, with sockets and files around it, and how it
 * leaves. The same for cameras and servers.
 */
import type { Clock } from '../base/clock.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import type { AnycastAddress } from '../io/anycast-address.ts';
import { UnitSurroundings } from '../io/surroundings.ts';
import type { UnitIdentity } from '../io/tls-identity.ts';
import type { UnitMemory } from '../io/unit-memory.ts';
import { profiles } from '../overlay/constants.ts';
import type { OverlayNode, StoryAbout } from '../overlay/effects.ts';
import type { Log, Refusals } from '../runtime/log.ts';
import { OverlayShell, type RoleEffect } from './overlay-shell.ts';

/** A node that has not left by then, though it should have, is left behind. */
const leaveGraceMs = 1_000;

export interface OverlayUnitOptions {
  readonly config: UnitConfig;
  readonly identity: UnitIdentity;
  readonly node: OverlayNode;
  readonly memory: UnitMemory;
  /** a server's own anycast address */
  readonly address?: AnycastAddress;
  readonly clock: Clock;
  readonly log: Log;
  readonly refusals: Refusals;
  readonly onStory?: ((about: StoryAbout) => void) | undefined;
  readonly onEffect: (effect: Exclude<RoleEffect, { type: 'left' }>) => void;
}

export class OverlayUnit implements AsyncDisposable {
  readonly shell: OverlayShell;
  private readonly surroundings: UnitSurroundings;
  private readonly clock: Clock;
  private readonly leaveMs: number;
  private onLeft = (): void => undefined;

  constructor(options: OverlayUnitOptions) {
    const { config, identity, node, clock, log, refusals } = options;
    this.clock = clock;
    this.leaveMs = profiles[config.overlay.profile].leaveMs + leaveGraceMs;
    this.surroundings = new UnitSurroundings({
      identity,
      endpoints: config.anycast.endpoints,
      dataFolder: config.data,
      memory: options.memory,
      log,
      ...(options.address === undefined ? {} : { address: options.address }),
    });
    this.shell = new OverlayShell({
      node,
      site: identity.site,
      surroundings: this.surroundings,
      clock,
      log,
      refusals,
      onStory: options.onStory,
      onEffect: (effect) => {
        if (effect.type === 'left') this.onLeft();
        else options.onEffect(effect);
      },
    });
  }

  /** Leaves the network in good order; resolves when that is done, or has taken too long. */
  leave(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(this.leaveMs, resolve);
      this.onLeft = () => {
        cancel();
        resolve();
      };
      this.shell.leave();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.surroundings[Symbol.dispose]();
    await this.shell[Symbol.asyncDispose]();
  }
}
