/**
 * The cameras of the recording bench: many camera units in one process, each with a certificate, a TLS port, an
 * overlay node, an outbox and a stream of its own, all as in production; only the pictures are made up. Started by
 * recording-field.ts with its order in the first argument; says what happens over the process's channel.
 *
 * Samples leave in batches, as those of cameras that nobody watches, each camera at another moment.
 */
import assert from 'node:assert';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from '../../firmware/base/codec.ts';
import { type FrameParts, joinParts } from '../../firmware/base/frames.ts';
import type { Capture } from '../../firmware/capture/backlog.ts';
import { Outbox } from '../../firmware/capture/outbox.ts';
import type { AnycastEndpoint } from '../../firmware/config/unit-config.ts';
import { openLog } from '../../firmware/io/log-output.ts';
import { beginIncarnation } from '../../firmware/io/state-file.ts';
import { UnitSurroundings } from '../../firmware/io/surroundings.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { systemRandom } from '../../firmware/io/system-random.ts';
import type { UnitIdentity } from '../../firmware/io/tls-identity.ts';
import { dialLink, listenForLinks } from '../../firmware/io/tls-link.ts';
import { openFileMemory } from '../../firmware/io/unit-memory.ts';
import { durableFrame, frameKinds } from '../../firmware/media/link-frames.ts';
import type { UtcMapping } from '../../firmware/media/sample.ts';
import { CameraNode } from '../../firmware/overlay/camera-node.ts';
import { profiles } from '../../firmware/overlay/constants.ts';
import { advertisedAddress } from '../../firmware/roles/advertised-address.ts';
import { OverlayShell, type RoleEffect } from '../../firmware/roles/overlay-shell.ts';
import { UnitStream } from '../../firmware/roles/unit-stream.ts';
import { Refusals } from '../../firmware/runtime/log.ts';
import { ServiceStack } from '../../firmware/runtime/service-stack.ts';
import { issueUnitCertificate } from '../../firmware/site/certificates.ts';
import { parseSealKeys } from '../../firmware/site/seal-keys.ts';
import { bytesBefore, framesPerSecond, sampleAt, trackOf } from './recording-stream.ts';

/** What the process is to do. */
export interface CamerasOrder {
  readonly siteFolder: string;
  readonly site: string;
  /** for what units keep */
  readonly folder: string;
  readonly cameras: number;
  readonly kbps: number;
  /** samples leave this often; default `batchMs` */
  readonly batchMs?: number;
  /** address that takes links */
  readonly host: string;
  readonly endpoints: readonly AnycastEndpoint[];
  /** no overlay: every camera streams to this server, which answers nothing */
  readonly floor?: { readonly host: string; readonly port: number };
}

/** What it says. Times are ms UTC. */
export type CamerasReport =
  | { readonly type: 'streaming' }
  /** the first acknowledgement of a camera by this server since it manages it */
  | { readonly type: 'durable'; readonly camera: string; readonly server: string; readonly at: number }
  /** `behindMs`: the oldest picture of any camera that no server has acknowledged is so old */
  | {
      readonly type: 'count';
      readonly bytes: number;
      readonly acknowledged: number;
      readonly behindMs: number;
    }
  /** the sequence that would have been next, of each camera; and how many samples the outboxes had to give up */
  | { readonly type: 'stopped'; readonly ends: readonly number[]; readonly overflowed: number };

export type CamerasCommand = 'count' | 'stop';

/** While nobody watches, samples leave this often. */
const batchMs = 400;
const tickMs = 5;
/** The next unit starts when this one has a manager, or after this time: they are plugged in one after the other. */
const startMs = 150;
/** How long the last samples may take to be acknowledged. */
const lastMs = 20_000;

const order = JSON.parse(process.argv[2] ?? '') as CamerasOrder;
const log = openLog('cameras', process.env['STARLING_TELL'] === undefined ? 'error' : 'debug', true);
const refusals = new Refusals(log);
const tell = (report: CamerasReport): void => void process.send?.(report);
const text = (name: string): string => readFileSync(join(order.siteFolder, name), 'utf8');
const authority = { site: order.site, certificate: text('ca.crt'), key: text('ca.key') };
const sealKeys = parseSealKeys(text('seal.key'));
assert(sealKeys.ok, 'seal.key');

/** One camera unit with one camera of the same name. */
class Unit {
  readonly id: string;
  readonly outbox = new Outbox({ secondsMax: 60, bytesMax: 64 * 1024 * 1024 });
  readonly services = new ServiceStack();
  private readonly place: number;
  private readonly capture: Capture;
  /** it captures from here on */
  private startedMs = Number.POSITIVE_INFINITY;
  private readonly mapping: UtcMapping;
  private stream: UnitStream | undefined;
  private onManaged = (): void => undefined;
  /** ms of the monotonic clock at which the next batch leaves */
  private dueMs = 0;
  next = 0;
  acknowledged = 0;

  constructor(place: number) {
    this.place = place;
    this.id = `cam-${place}`;
    const captureId = `${process.pid}.${place}`;
    this.capture = { captureId, tracks: [trackOf(this.id, captureId)] };
    const offsetUs = Math.round((systemClock.utcMs() - systemClock.monotonicMs()) * 1000);
    this.mapping = { offsetUs, uncertaintyUs: 1_000 };
  }

  private async identity(): Promise<UnitIdentity> {
    const name = { unit: this.id, role: 'camera' } as const;
    const { certificate, key } = await issueUnitCertificate(authority, { ...name, cameras: [this.id] });
    const seals = sealKeys.ok ? sealKeys.value : [];
    return { site: order.site, ...name, ca: authority.certificate, certificate, key, sealKeys: seals };
  }

  /** Resolves when it has a manager, or after `startMs`. */
  async start(): Promise<void> {
    const identity = await this.identity();
    this.startedMs = systemClock.monotonicMs();
    if (order.floor === undefined) await this.join(identity);
    else await this.dial(identity, order.floor);
  }

  private async dial(identity: UnitIdentity, floor: { host: string; port: number }): Promise<void> {
    const link = await dialLink(identity, floor, new AbortController().signal);
    const stream = new UnitStream(link, new Map([[this.id, this.outbox]]), systemClock);
    const closed = (reason: string): void => log('debug', `${this.id}: ${reason}`);
    link.open({ frame: () => undefined, drained: () => stream.drained(), refused: () => undefined, closed });
    this.stream = stream;
    this.services.defer(() => link.end('done'));
    this.services.defer(() => stream.flush());
  }

  private async join(identity: UnitIdentity): Promise<void> {
    const { services } = this;
    const folder = join(order.folder, this.id);
    mkdirSync(folder, { recursive: true });
    const memory = await openFileMemory(folder, { clock: systemClock, log });
    services.use(memory);
    const { incarnation, epoch } = beginIncarnation(folder);
    const listener = await listenForLinks({
      identity,
      host: order.host,
      port: 0,
      onLink: (link) => shell.accept(link),
      onRefused: (reason, peer) => refusals.refuse(reason, peer),
    });
    services.use(listener);
    const node = new CameraNode({
      site: order.site,
      unit: this.id,
      cameras: [this.id],
      kbps: order.kbps,
      link: advertisedAddress({ host: order.host, port: 0, advertise: [] }, listener.port),
      incarnation,
      epoch,
      outboxMs: 60_000,
      profile: profiles.lan,
      memory: memory.loaded,
      random: systemRandom,
    });
    const { endpoints } = order;
    const surroundings = new UnitSurroundings({ identity, endpoints, dataFolder: folder, memory, log });
    services.defer(() => surroundings[Symbol.dispose]());
    const onEffect = (effect: RoleEffect): void => this.perform(effect, shell);
    const { site } = identity;
    const shell = new OverlayShell({ node, site, surroundings, clock: systemClock, log, refusals, onEffect });
    services.use(shell);
    services.defer(() => this.stream?.flush());
    shell.start();
    await new Promise<void>((resolve) => {
      this.onManaged = resolve;
      setTimeout(resolve, startMs);
    });
  }

  private perform(effect: RoleEffect, shell: OverlayShell): void {
    if (effect.type === 'managed') {
      this.onManaged();
      this.stream?.close();
      const send = (kind: number, parts: readonly Uint8Array[]): boolean => link?.send(kind, parts) ?? false;
      const stream = new UnitStream({ send }, new Map([[this.id, this.outbox]]), systemClock);
      this.stream = stream;
      let isFirst = true;
      const frame = (kind: number, parts: FrameParts): string | undefined => {
        if (kind === frameKinds.durable) {
          if (isFirst) tell({ type: 'durable', camera: this.id, server: effect.server, at: Date.now() });
          isFirst = false;
          this.acknowledge(parts);
        }
        return stream.frame(kind, parts);
      };
      const link = shell.use(effect.link, { frame, drained: () => stream.drained() });
      stream.pump();
    } else if (effect.type === 'unmanaged') {
      this.stream?.close();
      this.stream = undefined;
    }
  }

  private acknowledge(parts: FrameParts): void {
    const frame = decode(durableFrame, joinParts(parts));
    if (!frame.ok || frame.value.captureId !== this.capture.captureId) return;
    for (const { through } of frame.value.tracks)
      this.acknowledged = Math.max(this.acknowledged, through + 1);
  }

  /** Captures what is due, and sends it when a batch is. */
  tick(nowMs: number): void {
    if (nowMs < this.dueMs || nowMs < this.startedMs) return;
    const every = order.batchMs ?? batchMs;
    this.dueMs = this.dueMs === 0 ? nowMs + (every * this.place) / order.cameras : this.dueMs + every;
    this.captureUntil(nowMs);
    this.stream?.pump();
  }

  captureUntil(nowMs: number): void {
    const firstPtsUs = Math.round(this.startedMs * 1000);
    const end = Math.floor(((nowMs - this.startedMs) * framesPerSecond) / 1000);
    for (; this.next < end; this.next++) {
      const sample = sampleAt(this.place, this.next, order.kbps, firstPtsUs);
      this.outbox.addSample({ capture: this.capture, trackId: 1, sample, mapping: this.mapping });
    }
  }
}

const units = Array.from({ length: order.cameras }, (_, place) => new Unit(place + 1));
const running: Unit[] = [];
const timer = setInterval(() => {
  const nowMs = systemClock.monotonicMs();
  for (const unit of running) unit.tick(nowMs);
}, tickMs);

async function stop(): Promise<void> {
  clearInterval(timer);
  const nowMs = systemClock.monotonicMs();
  // A server makes a group durable when the next one begins: the last sample of all is a keyframe's first neighbour.
  for (const unit of running) unit.captureUntil(nowMs);
  const deadline = nowMs + lastMs;
  await Promise.all(
    running.map((unit) =>
      Promise.race([
        unit.services[Symbol.asyncDispose](),
        new Promise((resolve) => setTimeout(resolve, deadline - systemClock.monotonicMs())),
      ]),
    ),
  );
  tell({
    type: 'stopped',
    ends: units.map(({ next }) => next),
    overflowed: units.reduce((sum, { outbox }) => sum + outbox.overflowed, 0),
  });
  process.disconnect?.();
  process.exit(0);
}

process.on('message', (command: CamerasCommand) => {
  if (command === 'stop') void stop();
  const bytes = units.reduce((sum, { next }) => sum + bytesBefore(next, order.kbps), 0);
  const acknowledged = units.reduce((sum, unit) => sum + unit.acknowledged, 0);
  const behind = Math.max(...units.map((unit) => unit.next - unit.acknowledged));
  if (command === 'count')
    tell({ type: 'count', bytes, acknowledged, behindMs: (behind * 1000) / framesPerSecond });
});
process.once('disconnect', () => process.exit(1));
for (const unit of units) {
  running.push(unit);
  await unit.start();
}
tell({ type: 'streaming' });
