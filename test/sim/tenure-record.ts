/**
 * What histories are compared with: who really managed which camera with which epoch in this run, seen where it
 * happens, and whether the server must still know of it.
 */
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import { writtenSoonMs } from './sim-disk.ts';
import type { SimUnit } from './sim-unit.ts';
import type { SimWorld } from './world.ts';
import type { Watcher } from './world-options.ts';

/** A server has taken a camera's acceptance. */
export interface TrueTenure {
  readonly server: SimUnit;
  readonly camera: string;
  readonly epoch: number;
  readonly at: number;
  /** which of the server's lives, and how often its disk had lied by then */
  readonly life: number;
  readonly lies: number;
  /** the disk refused it, or its server's program ended so soon that it may not be on the disk */
  mayBeLost: boolean;
}

export class TenureRecord implements Watcher {
  private readonly world: SimWorld;
  private readonly tenures = new Map<string, TrueTenure>();

  constructor(world: SimWorld) {
    this.world = world;
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type !== 'attached') continue;
      const { cameras, epoch } = effect;
      const { lies, refuses } = unit.disk;
      const place = { server: unit, life: unit.starts, lies, at: this.world.now, mayBeLost: refuses };
      for (const camera of cameras)
        this.tenures.set(keyOf(camera, epoch, unit.id), { ...place, camera, epoch });
    }
  }

  ended(unit: SimUnit): void {
    for (const one of this.tenures.values()) {
      if (one.server !== unit || one.life !== unit.starts) continue;
      if (this.world.now - one.at <= writtenSoonMs) one.mayBeLost = true;
    }
  }

  /** Whether the server has really managed the camera with this epoch. */
  has(camera: string, epoch: number, server: string): boolean {
    return this.tenures.has(keyOf(camera, epoch, server));
  }

  /**
   * What live servers know of their own time with cameras, for it is in their memory or on their disks: not what began
   * within a second of a crash, nor what a disk has lost or refused. Of dead servers only they themselves may know.
   */
  known(): TrueTenure[] {
    return [...this.tenures.values()].filter(({ server, life, lies, mayBeLost }) => {
      if (!server.isAlive) return false;
      return server.starts === life || (!mayBeLost && server.disk.lies === lies);
    });
  }
}

function keyOf(camera: string, epoch: number, server: string): string {
  return `${camera} ${epoch} ${server}`;
}
