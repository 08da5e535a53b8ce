/**
 * What people may tell a server to do with cameras: how they stream, where they look, what they are called and how long
 * they are kept; and what the sensors of cameras tell the server. It follows the effects that these are about.
 */
import type { Clock } from '../base/clock.ts';
import type { CameraView } from '../overlay/views.ts';
import type { EventLog } from '../recording/event-log.ts';
import type { SiteSettings } from '../site/site-settings.ts';
import type { MountView, SteerAccess } from '../telemetry/steer-access.ts';
import type { LiveHub } from '../viewing/live-hub.ts';
import { steerCommandOf } from '../viewing/ptz-command.ts';
import { CameraControls } from './camera-controls.ts';
import { CameraEvents } from './camera-events.ts';
import { CameraSteering } from './camera-steering.ts';
import type { OverlayShell, RoleEffect } from './overlay-shell.ts';
import { SettingsDesk } from './settings-desk.ts';

export interface ServerControlsOptions {
  readonly clock: Clock;
  readonly shell: () => Pick<OverlayShell, 'control' | 'steer' | 'events' | 'write'>;
  readonly settings: SiteSettings;
  readonly eventLog: EventLog;
  readonly live: Pick<LiveHub, 'publishPointing'>;
  readonly cameras: () => readonly CameraView[];
}

export class ServerControls {
  readonly streams: CameraControls;
  readonly ptz: CameraSteering;
  readonly settings: SettingsDesk;
  readonly events: CameraEvents;
  private readonly site: SiteSettings;
  /** cameras of the units that are managed here */
  private readonly units = new Map<string, readonly string[]>();

  constructor({ clock, shell, settings, eventLog, live, cameras }: ServerControlsOptions) {
    this.site = settings;
    this.streams = new CameraControls({ clock, send: (body) => shell().control(body) });
    this.ptz = new CameraSteering({
      clock,
      send: (body) => shell().steer(body),
      onPointing: (camera, pointing) => live.publishPointing(camera, pointing),
      frameRate: (camera) => this.streams.frameRate(camera),
    });
    this.events = new CameraEvents({ log: eventLog, send: (body) => shell().events(body) });
    this.settings = new SettingsDesk({
      settings,
      write: ({ kind, id, value }) => shell().write(kind, id, value),
      utcUs: () => clock.utcMs() * 1_000,
      isListed: (camera) => cameras().some((view) => view.camera === camera),
    });
  }

  happened(effect: RoleEffect): void {
    if (effect.type === 'controlled') this.streams.controlled(effect.body);
    else if (effect.type === 'steered') this.ptz.steered(effect.body);
    else if (effect.type === 'events') this.events.told(effect.body);
    else if (effect.type === 'document') this.site.take(effect.rows);
    else if (effect.type === 'attached') this.units.set(effect.unit, effect.cameras);
    else if (effect.type === 'detached') this.gone(effect.unit);
  }

  /** For whoever steers by messages instead of requests. */
  steerAccess(): SteerAccess {
    const { ptz } = this;
    return {
      mount: (camera) => this.mountOf(camera),
      steer: async (camera, wish) => {
        if (ptz.of(camera) === undefined) return `${camera} cannot be turned`;
        return ptz.command(camera, steerCommandOf(wish));
      },
    };
  }

  /** A camera says first where it looks and then how it streams: when it has said only that, it stands still. */
  private mountOf(camera: string): MountView | null | undefined {
    return this.ptz.of(camera) ?? (this.streams.frameRate(camera) === undefined ? undefined : null);
  }

  private gone(unit: string): void {
    const cameras = this.units.get(unit) ?? [];
    this.units.delete(unit);
    this.ptz.gone(cameras);
    this.streams.gone(cameras);
    this.events.gone(cameras);
  }
}
