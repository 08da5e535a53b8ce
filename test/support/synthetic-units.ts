/**
 * Many camera units in one process, for networks of more cameras than a machine can encode: each has a certificate, a
 * TLS port, an overlay node and an outbox of its own, all as in production; only the pictures are made up. Run as
 * `node --import tsx test/support/synthetic-units.ts [--load JSON] UNIT.YAML …`, where JSON is a `SyntheticLoad` and
 * little by default; ends on SIGTERM or with its parent, after it has sent what it has.
 */
import assert from 'node:assert';
import { UtcKeeper } from '../../firmware/capture/utc-mapping.ts';
import type { CameraUnitConfig } from '../../firmware/config/unit-config.ts';
import { loadUnitConfig } from '../../firmware/io/config-file.ts';
import { openLog } from '../../firmware/io/log-output.ts';
import { beginIncarnation } from '../../firmware/io/state-file.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { systemRandom } from '../../firmware/io/system-random.ts';
import { loadIdentity } from '../../firmware/io/tls-identity.ts';
import { listenForLinks } from '../../firmware/io/tls-link.ts';
import { openFileMemory } from '../../firmware/io/unit-memory.ts';
import { CameraNode } from '../../firmware/overlay/camera-node.ts';
import { profiles } from '../../firmware/overlay/constants.ts';
import { advertisedAddress } from '../../firmware/roles/advertised-address.ts';
import { clockTrust, writtenUtcMs } from '../../firmware/roles/clock-trust.ts';
import { Handover } from '../../firmware/roles/handover.ts';
import { OverlayUnit } from '../../firmware/roles/overlay-unit.ts';
import { type Log, Refusals } from '../../firmware/runtime/log.ts';
import { ServiceStack } from '../../firmware/runtime/service-stack.ts';
import { lightLoad, SyntheticCamera, type SyntheticLoad } from './synthetic-camera.ts';

/** Samples leave in batches, as those of a camera that nobody watches. */
const batchMs = 400;

/** The next unit starts when this one has a manager, or after this time: they are plugged in one after the other. */
const startMs = 500;

/** The overlay of one camera unit, and what it streams. */
class SyntheticUnit implements AsyncDisposable {
  private readonly config: CameraUnitConfig;
  private readonly log: Log;
  private readonly services = new ServiceStack();
  private readonly cameras: ReadonlyMap<string, SyntheticCamera>;
  private readonly utc: UtcKeeper;
  private readonly frameMs: number;
  private manager: string | undefined;
  private onManaged = (): void => undefined;

  constructor(config: CameraUnitConfig, load: SyntheticLoad) {
    this.config = config;
    this.frameMs = load.frameMs;
    this.log = openLog(config.unit, config.log.level, true);
    const { cameras, outbox } = config.camera;
    const trusted = clockTrust(config.clock, systemClock);
    const certain = config.clock.trusted === 'yes';
    const utc = new UtcKeeper({ clock: systemClock, trusted, certain, writtenUtcMs });
    this.utc = utc;
    this.cameras = new Map(cameras.map(({ id }) => [id, new SyntheticCamera(id, outbox, { load, utc })]));
  }

  /** Resolves when it has a manager, or after `startMs`. */
  async start(): Promise<void> {
    const { config, log, services } = this;
    const identity = await loadIdentity(config);
    const refusals = new Refusals(log);
    const memory = await openFileMemory(config.data, { clock: systemClock, log });
    services.use(memory);
    const { incarnation, epoch } = beginIncarnation(config.data);
    const outboxes = new Map([...this.cameras].map(([id, { outbox }]) => [id, outbox]));
    const handover = new Handover(outboxes, systemClock, (link, stream) => overlay.shell.use(link, stream));
    const listener = await listenForLinks({
      identity,
      ...config.link,
      onLink: (link) => overlay.shell.accept(link),
      onRefused: (reason, peer) => refusals.refuse(reason, peer),
    });
    services.use(listener);
    const node = new CameraNode({
      site: identity.site,
      unit: config.unit,
      cameras: [...this.cameras.keys()],
      kbps: config.camera.cameras.reduce((sum, { bitrateKbps }) => sum + bitrateKbps, 0),
      link: advertisedAddress(config.link, listener.port),
      incarnation,
      epoch,
      outboxMs: config.camera.outbox.secondsMax * 1000,
      profile: profiles.lan,
      memory: memory.loaded,
      random: systemRandom,
    });
    const overlay: OverlayUnit = new OverlayUnit({
      config,
      identity,
      node,
      memory,
      clock: systemClock,
      log,
      refusals,
      onEffect: (effect) => {
        if (effect.type === 'managed') {
          this.manager = effect.server;
          this.onManaged();
          handover.managed(effect.link, effect.server);
        } else if (effect.type === 'unmanaged') {
          if (this.manager === effect.server) this.manager = undefined;
          handover.unmanaged(effect.server);
        } else if (effect.type === 'timed') {
          this.utc.timed(effect);
          for (const camera of this.cameras.values()) camera.clockHeard();
        }
      },
    });
    services.use(overlay);
    services.defer(async () => {
      await handover.flush();
      for (const camera of this.cameras.values()) camera.end(this.manager !== undefined);
      await overlay.leave();
    });
    this.every(this.frameMs, () => {
      for (const [id, camera] of this.cameras) {
        camera.capturePast();
        handover.sampled(id);
      }
    });
    this.every(batchMs, () => handover.pump());
    overlay.shell.start();
    await new Promise<void>((resolve) => {
      this.onManaged = resolve;
      setTimeout(resolve, startMs);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.services[Symbol.asyncDispose]();
  }

  private every(ms: number, task: () => void): void {
    const timer = setInterval(task, ms);
    this.services.defer(() => clearInterval(timer));
  }
}

const stop = new Promise<void>((resolve) => {
  process.once('SIGTERM', resolve);
  process.once('disconnect', resolve);
});
const args = process.argv.slice(2);
const load: SyntheticLoad =
  args[0] === '--load' ? { ...lightLoad, ...JSON.parse(args.splice(0, 2)[1] ?? '{}') } : lightLoad;
const units: SyntheticUnit[] = [];
for (const path of args) {
  const config = await loadUnitConfig(path);
  assert(config.role === 'camera', `${path} is no camera unit`);
  const unit = new SyntheticUnit(config, load);
  await unit.start();
  units.push(unit);
}
await stop;
await Promise.all(units.map((unit) => unit[Symbol.asyncDispose]()));
process.exit(0);
