/**
 * The camera unit: capture → outbox → stream to whichever server manages it. An ordered list of services; the parts
 * meet only here.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Board } from '../boards/board-schema.ts';
import { CaptureService } from '../capture/capture-service.ts';
import { Outbox } from '../capture/outbox.ts';
import { UtcKeeper } from '../capture/utc-mapping.ts';
import type { CameraConfig } from '../config/camera-section.ts';
import type { CameraUnitConfig } from '../config/unit-config.ts';
import type { CommandTable } from '../console/command-table.ts';
import { endedEvents } from '../gpio/event-outbox.ts';
import { captureStarter } from '../io/capture-child.ts';
import { eventKeeper, readEvents } from '../io/event-state.ts';
import { beginIncarnation } from '../io/state-file.ts';
import { readSteering, writeSteering } from '../io/steering-state.ts';
import { notedMs, readRecorded, readStream, writeRecorded, writeStream } from '../io/stream-state.ts';
import { systemRandom } from '../io/system-random.ts';
import { loadIdentity } from '../io/tls-identity.ts';
import { listenForLinks } from '../io/tls-link.ts';
import { openFileMemory } from '../io/unit-memory.ts';
import { changedStream, type StreamChange, type StreamSettings } from '../media/stream-settings.ts';
import { CameraNode } from '../overlay/camera-node.ts';
import { profiles } from '../overlay/constants.ts';
import type { LinkId } from '../overlay/effects.ts';
import type { Log } from '../runtime/log.ts';
import { Refusals } from '../runtime/log.ts';
import { ServiceStack } from '../runtime/service-stack.ts';
import { advertisedAddress } from './advertised-address.ts';
import { openClockCare, startBoxCare } from './box-watch.ts';
import { addCameraConsole } from './camera-console.ts';
import { openCameraGpio } from './camera-gpio.ts';
import { logCapture } from './capture-log.ts';
import { writtenUtcMs } from './clock-trust.ts';
import { addGpioConsole, type GpioConsoleParts } from './gpio-console.ts';
import { Handover } from './handover.ts';
import { OverlayUnit, type OverlayUnitOptions } from './overlay-unit.ts';
import { StreamControls, type StreamedCamera } from './stream-controls.ts';
import { cameraState, openServiceNotice } from './unit-notice.ts';
import { UnitSteering } from './unit-steering.ts';

/** While nobody watches, samples leave this often. */
const batchMs = 400;

export interface RoleOptions<C> {
  readonly config: C;
  /** the bundle, to start child processes from */
  readonly program: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  /** undefined when none is known */
  readonly board?: Board | undefined;
  /** what the field console may ask */
  readonly commands?: CommandTable;
}

/** Runs until disposed. Rejects with a Failure when it cannot start. */
export async function startCamera(options: RoleOptions<CameraUnitConfig>): Promise<AsyncDisposable> {
  const { config, clock, log } = options;
  const services = new ServiceStack();
  try {
    const notice = openServiceNotice(clock, log);
    services.use(notice);
    const identity = await loadIdentity(config);
    const refusals = new Refusals(log);
    const { incarnation, epoch } = beginIncarnation(config.data);
    const bootId = randomBytes(4).toString('hex');
    const { cameras, outbox: bounds } = config.camera;
    const outboxes = new Map(cameras.map((camera) => [camera.id, new Outbox(bounds)]));

    const clockCare = await openClockCare(options);
    services.use(clockCare);
    const certain = config.clock.trusted === 'yes';
    const utc = new UtcKeeper({ clock, trusted: clockCare.trusted, certain, writtenUtcMs });
    const recorded = new Map(readRecorded(config.data));
    const overridesOf = ({ id }: CameraConfig): StreamChange => readStream(config.data, id);
    const settingsOf = (camera: CameraConfig): StreamSettings => changedStream(camera, overridesOf(camera));
    const streams = new Map<string, StreamedCamera>();
    const controls = new StreamControls(streams, (camera, overrides) =>
      writeStream(config.data, camera, overrides),
    );

    const memory = await openFileMemory(config.data, { clock, log });
    services.use(memory);

    const sensing = config.camera.gpio.camera ?? cameras[0]?.id ?? '';
    const livedUs = Math.max((clockCare.livedUtcMs ?? 0) * 1_000, ...recorded.values());
    const gpio = await openCameraGpio({
      config: config.camera.gpio,
      camera: sensing,
      board: options.board,
      program: options.program,
      clock,
      log,
      utcUs: (ms) => (utc.known ? Math.round(ms * 1000) + utc.mapping().offsetUs : undefined),
      send: (body) => overlay.shell.events(body),
      kept: endedEvents(readEvents(config.data, sensing), livedUs),
      keep: eventKeeper(config.data, sensing, (why) => log('warn', `events are not kept: ${why}`)),
    });
    services.defer(() => gpio[Symbol.dispose]());
    const handover = new Handover(outboxes, clock, (link, stream) => overlay.shell.use(link, stream));
    const captures = new Map<string, CaptureService>();
    let samples = 0;
    const steering = new UnitSteering({
      cameras,
      clock,
      kept: readSteering(config.data),
      keep: (kept) => writeSteering(config.data, kept),
      servos: gpio.turns,
      aim: (camera, position) => captures.get(camera)?.aim(position),
      tell: (body) => overlay.shell.steer(body),
    });
    services.defer(() => steering[Symbol.dispose]());
    gpio.followEndStops((axis, side, hit) => steering.endStop(axis, side, hit));
    const managed = (link: LinkId, server: string): void => {
      handover.managed(link, server);
      notice.now();
      gpio.managed();
      steering.announce();
      for (const camera of streams.keys()) overlay.shell.control(controls.told(camera));
    };
    const unmanaged = (server: string): void => {
      handover.unmanaged(server);
      // One that is handed over has its new manager already.
      if (node.manager() !== undefined) return;
      steering.unmanaged();
      gpio.lost();
    };
    const onEffect: OverlayUnitOptions['onEffect'] = (effect) => {
      if (effect.type === 'managed') managed(effect.link, effect.server);
      else if (effect.type === 'unmanaged') unmanaged(effect.server);
      else if (effect.type === 'events') gpio.confirmed(effect.body);
      else if (effect.type === 'control')
        overlay.shell.control(steering.control(effect.body) ?? controls.control(effect.body));
      else if (effect.type === 'steer') overlay.shell.steer(steering.wish(effect.body));
      else if (effect.type === 'timed') {
        utc.timed(effect);
        for (const capture of captures.values()) capture.clockHeard();
      }
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
      kbps: cameras.reduce((sum, camera) => sum + settingsOf(camera).bitrateKbps, 0),
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
      note();
    });
    const note = (): void => {
      for (const [camera, outbox] of outboxes) {
        const durableUs = outbox.durableUs();
        if (durableUs !== undefined) recorded.set(camera, durableUs);
      }
      writeRecorded(config.data, recorded);
    };

    for (const [place, camera] of cameras.entries()) {
      const capture = new CaptureService({
        camera: { ...camera, ...settingsOf(camera) },
        hue: hueOf(camera.id, place),
        bootId,
        outbox: outboxes.get(camera.id) as Outbox,
        utc,
        offSinceUs: recorded.get(camera.id),
        clock,
        aim: steering.aim(camera.id),
        board: options.board?.capture,
        start: captureStarter(options.program),
        onSample: () => {
          samples += 1;
          handover.sampled(camera.id);
        },
        onState: (state) => {
          if (state.is !== 'silent') gpio.flowing(camera.id, state.is === 'flowing');
          logCapture(log, camera, state);
        },
      });
      capture.open();
      services.use(capture);
      captures.set(camera.id, capture);
      streams.set(camera.id, { configured: camera, overrides: overridesOf(camera), capture });
    }

    const folders = () => [{ folder: config.data, totalBytes: 0, freeBytes: 0 }];
    startBoxCare(options, { clockCare, folders }, services);
    if (options.commands !== undefined) {
      const { secondsMax: outboxSecondsMax } = bounds;
      const parts = { clock, cameras, captures, outboxes, outboxSecondsMax, node, utc, steering, refusals };
      services.defer(addCameraConsole(options.commands, parts));
      const axisOf: GpioConsoleParts['axisOf'] = (axis) => steering.axis(gpio.camera, axis);
      addGpioConsole(options.commands, { gpio, clock, axisOf });
    }

    services.defer(every(batchMs, clock, () => handover.pump()));
    services.defer(every(notedMs, clock, note));
    overlay.shell.start();
    notice.started(
      cameraState({ clock, manager: () => node.manager(), samples: () => samples, cameras: cameras.length }),
    );
    services.defer(() => notice.stopping());
    log('info', `camera unit ${config.unit} listens on ${host} port ${listener.port}`);
    return services;
  } catch (error) {
    await services[Symbol.asyncDispose]();
    throw error;
  }
}

/** Does it now and from time to time; call the result to stop. */
function every(ms: number, clock: Clock, task: () => void): () => void {
  let cancel = (): void => undefined;
  const turn = (): void => {
    task();
    cancel = clock.after(ms, turn);
  };
  turn();
  return () => cancel();
}

/** Test pictures of different cameras differ in colour: by the number at the end of the id, else by the letters. */
function hueOf(camera: string, place: number): number {
  const number = /(\d+)$/.exec(camera)?.[1];
  if (number !== undefined) return ((Number(number) - 1) * 80 + 205) % 360;
  let hash = place * 80;
  for (const letter of camera) hash = (hash * 31 + letter.charCodeAt(0)) % 360;
  return hash;
}
