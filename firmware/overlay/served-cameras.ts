/**
 * The cameras this server manages [0060]–[0066]: it offers, the camera accepts with a new epoch, the server confirms
 * and from then on echoes, which renews the camera's lease. What it says about them goes into its origin row.
 *
 * Invariants: one link per unit; never more attached than the capacity; a camera whose claim elsewhere has a higher
 * epoch leaves this server's row; a silent camera is offline after `cameraSilenceMs`; an offer expires after `offerMs`.
 */
import { isGone } from './camera-deletion.ts';
import { offerMs } from './constants.ts';
import { counterMax, mayRise } from './counters.ts';
import type { LinkId } from './effects.ts';
import { unitBytes } from './origin-table.ts';
import {
  type Address,
  type KnownServer,
  type OriginRow,
  type Packet,
  type PacketBody,
  type PacketOf,
  type UnitRow,
  unitsPerServerMax,
} from './packets.ts';
import type { ServerContext } from './server-context.ts';

/** Units offered to and managed at one time. */
const linksMax = 2 * unitsPerServerMax;
/** What its units may take up in a server's row, bytes. */
const unitsBytesMax = 40_000;

/** A unit that is offered to, or managed. */
export interface CameraLink {
  readonly link: LinkId;
  readonly unit: string;
  readonly cameras: readonly string[];
  readonly address: Address;
  readonly kbps: number;
  readonly offeredEpoch: number;
  /** undefined until the camera has accepted */
  epoch: number | undefined;
  heardAt: number;
  echoedAt: number;
  /** last round trip */
  delayMs: number;
}

/** What a unit says of itself in its join, or its manager when it hands it over. */
export type Joiner = Pick<PacketBody<'cam-join'>, 'cameras' | 'kbps' | 'nonce' | 'epoch'> & {
  readonly unit: string;
};

export interface ServedCamerasHooks {
  /** the own row must be restated */
  changed(): void;
  attached(camera: CameraLink): void;
  detached(camera: CameraLink): void;
  /** a camera's word that is not about its connection */
  other(camera: CameraLink, packet: Packet): void;
}

export class ServedCameras {
  private readonly context: ServerContext;
  private readonly hooks: ServedCamerasHooks;
  private readonly links = new Map<LinkId, CameraLink>();
  /** units managed here, or last managed here and offline; the newest last */
  private readonly claims = new Map<string, UnitRow>();
  /** units promised a place, by whom; each for `offerMs` */
  private readonly promised = new Map<string, { cameras: number; readonly kbps: number }>();

  constructor(context: ServerContext, hooks: ServedCamerasHooks) {
    this.context = context;
    this.hooks = hooks;
  }

  /** The share of the capacity in use, 0 to 1 and above; `without` names a unit that does not count. */
  load(without?: string): number {
    return this.loadWith(0, 0, without);
  }

  private loadWith(cameras: number, kbps: number, without?: string): number {
    let [count, rate] = [cameras, kbps];
    for (const link of this.links.values()) {
      if (link.epoch === undefined || link.unit === without) continue;
      count += link.cameras.length;
      rate += link.kbps;
    }
    for (const one of this.promised.values()) {
      count += one.cameras;
      rate += one.cameras * one.kbps;
    }
    const { camerasMax, kbpsMax } = this.context.options;
    if (camerasMax <= 0 || kbpsMax <= 0 || !this.context.usable) return Number.POSITIVE_INFINITY;
    return Math.max(count / camerasMax, rate / kbpsMax);
  }

  /** Whether this server can record at all: others are told by its load. */
  setUsable(usable: boolean): void {
    if (usable === this.context.usable) return;
    this.context.usable = usable;
    this.context.story(
      usable
        ? 'recording is possible again: cameras are taken'
        : 'nothing can be recorded: no camera is taken',
    );
    this.hooks.changed();
  }

  /** What the load would be with this unit; undefined when it does not fit. */
  loadTaking(unit: string, cameras: number, kbps: number): number | undefined {
    const load = this.loadWith(cameras, kbps, unit);
    const others = this.attached().filter((one) => one.unit !== unit).length;
    const fits = load <= 1 && others < unitsPerServerMax && this.onlineBytes() < unitsBytesMax;
    return fits ? load : undefined;
  }

  private onlineBytes(): number {
    let bytes = 0;
    for (const claim of this.claims.values()) if (claim.online) bytes += unitBytes(claim);
    return bytes;
  }

  /** Keeps room for a while for so many cameras, of `kbps` each, that another server wants to hand over. */
  promise(server: string, cameras: number, kbps: number): void {
    this.promised.set(server, { cameras, kbps });
    this.context.timers.set(`promise:${server}`, this.context.now + offerMs, () =>
      this.promised.delete(server),
    );
  }

  /** One of the promised cameras comes. */
  fulfil(server: string): void {
    const promise = this.promised.get(server);
    if (promise === undefined) return;
    promise.cameras -= 1;
    if (promise.cameras > 0) return;
    this.promised.delete(server);
    this.context.timers.clear(`promise:${server}`);
  }

  /** For the origin row, by unit. */
  units(): UnitRow[] {
    return [...this.claims.values()].sort((a, b) => (a.unit < b.unit ? -1 : 1));
  }

  /** Units managed now. */
  attached(): CameraLink[] {
    return [...this.links.values()].filter(({ epoch }) => epoch !== undefined);
  }

  attachedCamera(camera: string): CameraLink | undefined {
    return this.attached().find(({ cameras }) => cameras.includes(camera));
  }

  has(link: LinkId): boolean {
    return this.links.has(link);
  }

  /** The dialled camera answers: make the offer. */
  offer(link: LinkId, joiner: Joiner, address: Address): void {
    const { context } = this;
    const { unit, kbps, nonce } = joiner;
    const cameras = joiner.cameras.filter((camera) => !this.isOthers(camera, unit));
    if (cameras.length === 0 || this.links.size >= linksMax) {
      return context.emit({ type: 'close', link, reason: 'none of its cameras is wanted here' });
    }
    // A camera knows its own epoch, but for a lost disk; a claim far above it is false.
    const known = cameras
      .map((camera) => context.rows.claimTo(camera)?.epoch ?? 0)
      .filter((claimed) => mayRise(joiner.epoch, claimed));
    const epoch = Math.min(Math.max(joiner.epoch, ...known), counterMax);
    const times = { heardAt: context.now, echoedAt: context.now, delayMs: 0 };
    const camera: CameraLink = {
      link,
      unit,
      cameras,
      address,
      kbps,
      offeredEpoch: epoch,
      epoch: undefined,
      ...times,
    };
    this.links.set(link, camera);
    context.send(link, 'cam-response', { nonce, epoch });
    this.wake(camera, offerMs);
  }

  /** A camera belongs to the unit that it is online with: another unit cannot take its place. */
  private isOthers(camera: string, unit: string): boolean {
    const owner = this.context.rows.ownerOf(camera);
    if (owner === undefined || owner === unit) return false;
    this.context.emit({ type: 'refused', reason: `${camera} is a camera of ${owner}`, peer: unit });
    return true;
  }

  private wake(camera: CameraLink, delayMs: number): void {
    const { timers, now } = this.context;
    timers.set(`camera:${camera.link}`, now + delayMs, () => this.due(camera));
  }

  /** An offer expires; a silent camera is offline; the others are echoed. */
  private due(camera: CameraLink): void {
    const { context } = this;
    if (camera.epoch === undefined) return this.drop(camera, 'the offer was not taken');
    const silentMs = context.now - camera.heardAt;
    if (silentMs >= context.profile.cameraSilenceMs * context.health.factor(context.now))
      return this.drop(camera, `silent for ${Math.round(silentMs)} ms`);
    camera.echoedAt = context.now;
    const herd = Math.min(this.links.size, 0xffff);
    context.send(camera.link, 'cam-echo', { reply: false, utcUs: context.options.utcUs(), herd });
    this.wake(camera, context.profile.cameraEchoMs);
  }

  /** The camera is alive, whatever it sent. */
  heard(link: LinkId): void {
    const camera = this.links.get(link);
    if (camera !== undefined) camera.heardAt = this.context.now;
  }

  /** This server did not run for so long. */
  wasAway(ms: number): void {
    for (const camera of this.links.values())
      camera.heardAt = Math.min(this.context.now, camera.heardAt + ms);
  }

  packet(link: LinkId, packet: Packet): void {
    const camera = this.links.get(link);
    if (camera === undefined) return;
    if (packet.header.sender !== camera.unit) {
      this.context.emit({ type: 'refused', reason: 'a packet in another unit’s name', peer: camera.unit });
      return this.drop(camera, 'sender is not the certificate’s unit');
    }
    camera.heardAt = this.context.now;
    if (packet.name === 'cam-connection') return this.accepted(camera, packet);
    // A unit answers for its own cameras only.
    const { name } = packet;
    const isOfOne = name === 'cam-control' || name === 'cam-steer' || name === 'cam-event';
    if (isOfOne && !camera.cameras.includes(packet.body.camera)) return;
    if (packet.name !== 'cam-echo') return this.hooks.other(camera, packet);
    if (packet.body.reply) camera.delayMs = this.context.now - camera.echoedAt;
    else this.context.send(link, 'cam-echo', { ...packet.body, reply: true });
  }

  private accepted(camera: CameraLink, { body }: PacketOf<'cam-connection'>): void {
    const { context } = this;
    if (body.stage !== 'accept' || camera.epoch !== undefined) return;
    if (body.epoch <= camera.offeredEpoch || body.epoch > counterMax) {
      context.emit({ type: 'refused', reason: 'an epoch that does not rise', peer: camera.unit });
      return this.drop(camera, 'an epoch that does not rise');
    }
    // It may have accepted elsewhere since: its answer to an old offer can be held up by a cut for seconds.
    const later = camera.cameras.map((one) => context.rows.claimTo(one)?.epoch ?? 0);
    if (later.some((epoch) => epoch >= body.epoch && mayRise(body.epoch, epoch)))
      return this.drop(camera, 'it has accepted another offer since');
    if (this.loadTaking(camera.unit, camera.cameras.length, camera.kbps) === undefined)
      return this.drop(camera, 'no capacity left');
    for (const other of this.links.values()) {
      if (other !== camera && other.unit === camera.unit)
        this.drop(other, 'the camera has a newer link here');
    }
    camera.epoch = body.epoch;
    const { unit, cameras, address, epoch } = camera;
    this.claims.delete(unit);
    // A broken unit that this one replaces.
    for (const [id, claim] of this.claims) {
      if (!claim.online && claim.cameras.every((one) => cameras.includes(one))) this.claims.delete(id);
    }
    this.claims.set(unit, { unit, epoch, online: true, link: address, cameras: [...cameras] });
    this.forgetOffline();
    context.send(camera.link, 'cam-connection', {
      stage: 'confirm',
      epoch,
      leaseMs: context.profile.leaseMs,
      utcUs: context.options.utcUs(),
      herd: Math.min(this.links.size, 0xffff),
      known: this.known(),
    });
    context.emit({ type: 'attached', link: camera.link, unit, cameras, epoch });
    context.story(`manages ${unit}, epoch ${epoch}`);
    this.hooks.changed();
    this.hooks.attached(camera);
    this.wake(camera, context.profile.cameraEchoMs);
  }

  /** Whom a camera may ask when nobody answers its joins: this server and its neighbors. */
  private known(): KnownServer[] {
    const { self, reachableAt, neighbors } = this.context;
    const others = neighbors.all().map(({ server, address }) => ({ server, link: address }));
    return [{ server: self, link: reachableAt }, ...others].slice(0, 8);
  }

  /** Somebody took a camera off the lists: it is claimed no longer, unless it is back. */
  removed(camera: string): void {
    for (const [unit, claim] of this.claims) {
      if (claim.online || !claim.cameras.includes(camera)) continue;
      if (!isGone(this.context.document, camera, claim.epoch)) continue;
      const cameras = claim.cameras.filter((one) => one !== camera);
      if (cameras.length === 0) this.claims.delete(unit);
      else this.claims.set(unit, { ...claim, cameras });
      this.hooks.changed();
    }
  }

  private forgetOffline(): void {
    let bytes = 0;
    for (const claim of this.claims.values()) bytes += unitBytes(claim);
    for (const claim of this.claims.values()) {
      if (this.claims.size <= unitsPerServerMax && bytes <= unitsBytesMax) return;
      if (claim.online) continue;
      this.claims.delete(claim.unit);
      bytes -= unitBytes(claim);
    }
  }

  private drop(camera: CameraLink, reason: string): void {
    this.context.emit({ type: 'close', link: camera.link, reason });
    this.closed(camera.link, reason);
  }

  /** The link is gone: its cameras are offline until they are seen again, here or elsewhere. */
  closed(link: LinkId, reason: string): void {
    const camera = this.links.get(link);
    this.links.delete(link);
    this.context.timers.clear(`camera:${link}`);
    if (camera?.epoch === undefined) return;
    const { unit, epoch } = camera;
    const claim = this.claims.get(unit);
    if (claim?.epoch === epoch) this.claims.set(unit, { ...claim, online: false });
    this.context.emit({ type: 'detached', link, unit, reason });
    this.context.story(`${unit} is gone (${reason})`);
    this.hooks.changed();
    this.hooks.detached(camera);
  }

  /**
   * Drops claims that another server holds with a higher epoch, and the links behind them. An equal epoch means that
   * a disk was lost somewhere: the camera must take a new one, above both.
   */
  yieldTo(row: OriginRow): void {
    for (const { unit, cameras, epoch } of row.units) {
      const own = this.claims.get(unit);
      const overtaken =
        own !== undefined && own.epoch <= epoch && cameras.some((one) => own.cameras.includes(one));
      if (!overtaken || !mayRise(own.epoch, epoch)) continue;
      const reason =
        own.epoch < epoch ? `${row.origin} manages it now` : `its epoch is known from ${row.origin}`;
      for (const camera of this.attached()) {
        if (camera.unit === unit && (camera.epoch ?? 0) <= epoch) this.drop(camera, reason);
      }
      this.claims.delete(unit);
      this.hooks.changed();
    }
  }
}
