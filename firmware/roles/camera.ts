/**
 * The camera unit: capture → outbox → stream to whichever server manages it. An ordered list of services; the parts
 * meet only here.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { CaptureService } from '../capture/capture-service.ts';
import { Outbox } from '../capture/outbox.ts';
import type { CameraUnitConfig } from '../config/unit-config.ts';
import { captureStarter } from '../io/capture-child.ts';
import { systemRandom } from '../io/system-random.ts';
import { loadIdentity } from '../io/tls-identity.ts';
import { listenForLinks, type TlsLink } from '../io/tls-link.ts';
import { CameraNode } from '../overlay/camera-node.ts';
import type { Log } from '../runtime/log.ts';
import { Refusals } from '../runtime/log.ts';
import { ServiceStack } from '../runtime/service-stack.ts';
import { advertisedAddress } from './advertised-address.ts';
import { beginIncarnation, OverlayShell, type RoleEffect } from './overlay-shell.ts';
import { UnitStream } from './unit-stream.ts';

/** While nobody watches, samples leave this often. */
const batchMs = 400;

export interface RoleOptions<C> {
  readonly config: C;
  /** the bundle, to start child processes from */
  readonly program: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs until disposed. Rejects with a Failure when it cannot start. */
export async function startCamera(options: RoleOptions<CameraUnitConfig>): Promise<AsyncDisposable> {
  const { config, clock, log } = options;
  const services = new ServiceStack();
  try {
    const identity = await loadIdentity(config);
    const refusals = new Refusals(log);
    const { incarnation, epoch } = beginIncarnation(config.data);
    const bootId = randomBytes(4).toString('hex');
    const { cameras, outbox: bounds } = config.camera;
    const outboxes = new Map(cameras.map((camera) => [camera.id, new Outbox(bounds)]));

    let stream: UnitStream | undefined;
    const onEffect = (effect: RoleEffect): void => {
      if (effect.type === 'managed') {
        const send: TlsLink['send'] = (kind, parts) => link?.send(kind, parts) ?? false;
        stream = new UnitStream({ send }, outboxes, clock);
        const link = shell.use(effect.link, stream);
        stream.pump();
      } else if (effect.type === 'unmanaged') {
        stream?.close();
        stream = undefined;
      }
    };

    const { host, port } = config.link;
    const listener = await listenForLinks({
      identity,
      host,
      port,
      onLink: (link) => shell.accept(link),
      onRefused: (reason, peer) => refusals.refuse(reason, peer),
    });
    services.use(listener);

    const node = new CameraNode({
      network: identity.site,
      unit: config.unit,
      cameras: cameras.map(({ id }) => id),
      link: advertisedAddress(config.link, listener.port),
      incarnation,
      epoch,
      random: systemRandom,
    });
    const { endpoints } = config.anycast;
    const shell = new OverlayShell({
      node,
      identity,
      endpoints,
      dataFolder: config.data,
      clock,
      log,
      refusals,
      onEffect,
    });
    services.use(shell);

    // When the unit stops, what was captured last is sent before the links are closed.
    services.defer(() => stream?.flush());

    for (const [place, camera] of cameras.entries()) {
      const outbox = outboxes.get(camera.id) as Outbox;
      const capture = new CaptureService({
        camera,
        hue: hueOf(camera.id, place),
        bootId,
        outbox,
        clock,
        start: captureStarter(options.program),
        onSample: () => stream?.sampled(camera.id),
        onState: (state) => {
          if (state.is === 'flowing') log('info', `camera ${camera.id}: frames flow`);
          else if (state.is === 'ended')
            log('info', `camera ${camera.id}: the source came to its end, it begins again`);
          else log('error', `${state.failure.message}. ${state.failure.advice}`);
        },
      });
      capture.open();
      services.use(capture);
    }

    let cancelBatch = (): void => undefined;
    const batch = (): void => {
      stream?.pump();
      cancelBatch = clock.after(batchMs, batch);
    };
    batch();
    services.defer(() => cancelBatch());
    shell.start();
    log('info', `camera unit ${config.unit} listens on ${host} port ${listener.port}`);
    return services;
  } catch (error) {
    await services[Symbol.asyncDispose]();
    throw error;
  }
}

/** Test pictures of different cameras differ in colour: by the number at the end of the id, else by the letters. */
function hueOf(camera: string, place: number): number {
  const number = /(\d+)$/.exec(camera)?.[1];
  if (number !== undefined) return ((Number(number) - 1) * 80 + 205) % 360;
  let hash = place * 80;
  for (const letter of camera) hash = (hash * 31 + letter.charCodeAt(0)) % 360;
  return hash;
}
