/**
 * Many camera units in one process, for networks of more cameras than a machine can encode: each has a certificate, a
 * TLS port, an overlay node and an outbox of its own, all as in production; only the pictures are made up. Run as
 * `node --import tsx test/support/synthetic-units.ts UNIT.YAML …`; ends on SIGTERM or with its parent.
 *
 * A camera makes five samples a second, every fifth a keyframe; each payload begins with its sequence, 32 bits.
 */
import assert from 'node:assert';
import { type Capture, Outbox } from '../../firmware/capture/outbox.ts';
import type { CameraUnitConfig } from '../../firmware/config/unit-config.ts';
import { loadUnitConfig } from '../../firmware/io/config-file.ts';
import { openLog } from '../../firmware/io/log-output.ts';
import { beginIncarnation } from '../../firmware/io/state-file.ts';
import { UnitSurroundings } from '../../firmware/io/surroundings.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { systemRandom } from '../../firmware/io/system-random.ts';
import { loadIdentity } from '../../firmware/io/tls-identity.ts';
import { listenForLinks } from '../../firmware/io/tls-link.ts';
import { openFileMemory } from '../../firmware/io/unit-memory.ts';
import { CameraNode } from '../../firmware/overlay/camera-node.ts';
import { profiles } from '../../firmware/overlay/constants.ts';
import { advertisedAddress } from '../../firmware/roles/advertised-address.ts';
import { OverlayShell, type RoleEffect } from '../../firmware/roles/overlay-shell.ts';
import { UnitStream } from '../../firmware/roles/unit-stream.ts';
import { type Log, Refusals } from '../../firmware/runtime/log.ts';
import { ServiceStack } from '../../firmware/runtime/service-stack.ts';
import { videoTrack } from './media-samples.ts';
import { sampleOf } from './synthetic-sample.ts';

const frameMs = 200;
const framesPerGroup = 5;
const sampleBytes = 200;
/** Samples leave in batches, as those of a camera that nobody watches. */
const batchMs = 400;

/** The next unit starts when this one has a manager, or after this time: they are plugged in one after the other. */
const startMs = 500;

/** Fills one camera's outbox. */
class SyntheticCamera {
  readonly outbox: Outbox;
  private readonly capture: Capture;
  private sequence = 0;

  constructor(id: string, { camera }: CameraUnitConfig) {
    this.outbox = new Outbox(camera.outbox);
    const captureId = `${process.pid}.0`;
    this.capture = { captureId, tracks: [videoTrack(captureId, id)] };
  }

  frame(): void {
    const ptsUs = Math.round(systemClock.monotonicMs() * 1000);
    const offsetUs = Math.round((systemClock.utcMs() - systemClock.monotonicMs()) * 1000);
    const sequence = this.sequence++;
    const keyframe = sequence % framesPerGroup === 0;
    const payload = Buffer.alloc(sampleBytes);
    payload.writeUInt32BE(sequence);
    const durationUs = frameMs * 1000;
    const sample = {
      ...sampleOf({ sequence, ptsUs, durationUs, keyframe, bytes: sampleBytes }),
      payload: [payload],
    };
    const mapping = { offsetUs, uncertaintyUs: 1_000 };
    this.outbox.addSample({ capture: this.capture, trackId: 1, sample, mapping });
  }
}

/** The shell of one camera unit, and what it streams. */
class SyntheticUnit implements AsyncDisposable {
  private readonly config: CameraUnitConfig;
  private readonly log: Log;
  private readonly services = new ServiceStack();
  private readonly cameras: ReadonlyMap<string, SyntheticCamera>;
  private stream: UnitStream | undefined;
  private onManaged = (): void => undefined;

  constructor(config: CameraUnitConfig) {
    this.config = config;
    this.log = openLog(config.unit, config.log.level, true);
    this.cameras = new Map(config.camera.cameras.map(({ id }) => [id, new SyntheticCamera(id, config)]));
  }

  /** Resolves when it has a manager, or after `startMs`. */
  async start(): Promise<void> {
    const { config, log, services } = this;
    const identity = await loadIdentity(config);
    const refusals = new Refusals(log);
    const memory = await openFileMemory(config.data, { clock: systemClock, log });
    services.use(memory);
    const { incarnation, epoch } = beginIncarnation(config.data);
    const listener = await listenForLinks({
      identity,
      ...config.link,
      onLink: (link) => shell.accept(link),
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
    const { endpoints } = config.anycast;
    const surroundings = new UnitSurroundings({ identity, endpoints, dataFolder: config.data, memory, log });
    services.defer(() => surroundings[Symbol.dispose]());
    const onEffect = (effect: RoleEffect): void => this.perform(effect, shell);
    const { site } = identity;
    const shell = new OverlayShell({ node, site, surroundings, clock: systemClock, log, refusals, onEffect });
    services.use(shell);
    services.defer(() => this.stream?.flush());
    this.every(frameMs, () => {
      for (const [id, camera] of this.cameras) {
        camera.frame();
        this.stream?.sampled(id);
      }
    });
    this.every(batchMs, () => this.stream?.pump());
    shell.start();
    await new Promise<void>((resolve) => {
      this.onManaged = resolve;
      setTimeout(resolve, startMs);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.services[Symbol.asyncDispose]();
  }

  private perform(effect: RoleEffect, shell: OverlayShell): void {
    if (effect.type === 'managed') {
      this.onManaged();
      this.stream?.close();
      const outboxes = new Map([...this.cameras].map(([id, { outbox }]) => [id, outbox]));
      const send = (kind: number, parts: readonly Uint8Array[]): boolean => link?.send(kind, parts) ?? false;
      this.stream = new UnitStream({ send }, outboxes, systemClock);
      const link = shell.use(effect.link, this.stream);
      this.stream.pump();
    } else if (effect.type === 'unmanaged') {
      this.stream?.close();
      this.stream = undefined;
    }
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
const units: SyntheticUnit[] = [];
for (const path of process.argv.slice(2)) {
  const config = await loadUnitConfig(path);
  assert(config.role === 'camera', `${path} is no camera unit`);
  const unit = new SyntheticUnit(config);
  await unit.start();
  units.push(unit);
}
await stop;
await Promise.all(units.map((unit) => unit[Symbol.asyncDispose]()));
process.exit(0);
