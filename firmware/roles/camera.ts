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
import { beginIncarnation } from '../io/state-file.ts';
import { systemRandom } from '../io/system-random.ts';
import { loadIdentity } from '../io/tls-identity.ts';
import { listenForLinks } from '../io/tls-link.ts';
import { openFileMemory } from '../io/unit-memory.ts';
import { CameraNode } from '../overlay/camera-node.ts';
import { profiles } from '../overlay/constants.ts';
import type { PacketBody } from '../overlay/packets.ts';
import type { Log } from '../runtime/log.ts';
import { Refusals } from '../runtime/log.ts';
import { ServiceStack } from '../runtime/service-stack.ts';
import { advertisedAddress } from './advertised-address.ts';
import { Handover } from './handover.ts';
import { OverlayUnit, type OverlayUnitOptions } from './overlay-unit.ts';

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

    const memory = await openFileMemory(config.data, { clock, log });
    services.use(memory);

    const handover = new Handover(outboxes, clock, (link, stream) => overlay.shell.use(link, stream));
    const onEffect: OverlayUnitOptions['onEffect'] = (effect) => {
      if (effect.type === 'managed') handover.managed(effect.link, effect.server);
      else if (effect.type === 'unmanaged') handover.unmanaged(effect.server);
      else if (effect.type === 'control') overlay.shell.control(refused(effect.body));
    };

    const { host, port } = config.link;
    const listener = await listenForLinks({
      identity,
      host,
      port,
      onLink: (link) => overlay.shell.accept(link),
      onRefused: (reason, peer) => refusals.refuse(reason, peer),
    });
    services.use(listener);

    const node = new CameraNode({
      site: identity.site,
      unit: config.unit,
      cameras: cameras.map(({ id }) => id),
      kbps: cameras.reduce((sum, { bitrateKbps }) => sum + bitrateKbps, 0),
      link: advertisedAddress(config.link, listener.port),
      incarnation,
      epoch,
      outboxMs: bounds.secondsMax * 1_000,
      profile: profiles[config.overlay.profile],
      memory: memory.loaded,
      random: systemRandom,
    });
    const overlay = new OverlayUnit({ config, identity, node, memory, clock, log, refusals, onEffect });
    services.use(overlay);

    // When the unit stops, what was captured last is sent before it says goodbye and the links are closed.
    services.defer(async () => {
      await handover.flush();
      await overlay.leave();
    });

    for (const [place, camera] of cameras.entries()) {
      const outbox = outboxes.get(camera.id) as Outbox;
      const capture = new CaptureService({
        camera,
        hue: hueOf(camera.id, place),
        bootId,
        outbox,
        clock,
        start: captureStarter(options.program),
        onSample: () => handover.sampled(camera.id),
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
      handover.pump();
      cancelBatch = clock.after(batchMs, batch);
    };
    batch();
    services.defer(() => cancelBatch());
    overlay.shell.start();
    log('info', `camera unit ${config.unit} listens on ${host} port ${listener.port}`);
    return services;
  } catch (error) {
    await services[Symbol.asyncDispose]();
    throw error;
  }
}

/** There is nothing in this unit that moves. */
function refused(body: PacketBody<'cam-control'>): PacketBody<'cam-control'> {
  return { ...body, reply: true, refusal: 'this unit has no pan-tilt mount' };
}

/** Test pictures of different cameras differ in colour: by the number at the end of the id, else by the letters. */
function hueOf(camera: string, place: number): number {
  const number = /(\d+)$/.exec(camera)?.[1];
  if (number !== undefined) return ((Number(number) - 1) * 80 + 205) % 360;
  let hash = place * 80;
  for (const letter of camera) hash = (hash * 31 + letter.charCodeAt(0)) % 360;
  return hash;
}
