/**
 * The cameras this server manages [0060]–[0064]: it offers, the camera accepts with a new epoch, the server confirms
 * and from then on echoes. What it says about them goes into its origin row.
 *
 * Invariants: one link per unit; never more cameras attached than the server's capacity, nor more claims than its row
 * holds: offline ones go first, the oldest of them; a camera whose claim elsewhere has a higher epoch leaves this
 * server's row; a silent camera's link is closed after `linkSilenceMs`.
 */
import { cameraEchoMs, counterMax, leaseMs, linkSilenceMs, offerMs } from './constants.ts';
import type { Effect, LinkId } from './effects.ts';
import {
  camerasPerServerMax,
  type ManagedCamera,
  type Packet,
  type PacketBody,
  type PacketHeader,
} from './packets.ts';

interface CameraLink {
  readonly unit: string;
  readonly cameras: readonly string[];
  /** undefined until the camera has accepted */
  epoch: number | undefined;
  heardAt: number;
  echoAt: number;
  readonly offeredAt: number;
  readonly offeredEpoch: number;
}

export class ServedCameras {
  private readonly links = new Map<LinkId, CameraLink>();
  /** cameras managed here, or last managed here and offline */
  private readonly claims = new Map<string, ManagedCamera>();
  private readonly camerasMax: number;

  /** `camerasMax` is the server's capacity. */
  constructor(camerasMax: number) {
    this.camerasMax = Math.min(camerasMax, camerasPerServerMax);
  }

  /** The share of the capacity that other units than this one use, 0 to 1. */
  loadWithout(unit: string): number {
    return this.attachedWithout(unit) / this.camerasMax;
  }

  private attachedWithout(unit: string): number {
    let count = 0;
    for (const link of this.links.values()) {
      if (link.epoch !== undefined && link.unit !== unit) count += link.cameras.length;
    }
    return count;
  }

  /** For the origin row, by camera id. */
  rows(): ManagedCamera[] {
    return [...this.claims.values()].sort((a, b) => (a.camera < b.camera ? -1 : 1));
  }

  has(link: LinkId): boolean {
    return this.links.has(link);
  }

  /** The dialled camera answers: make the offer. */
  offer(
    now: number,
    link: LinkId,
    offer: { unit: string; cameras: readonly string[]; header: PacketHeader; nonce: Buffer; epoch: number },
  ): Effect[] {
    const { unit, cameras, header, nonce, epoch } = offer;
    const times = { heardAt: now, echoAt: now, offeredAt: now };
    this.links.set(link, { unit, cameras, epoch: undefined, offeredEpoch: epoch, ...times });
    return [{ type: 'send', link, packet: { name: 'cam-response', header, body: { nonce, epoch } } }];
  }

  /** The camera is alive, whatever it sent. */
  heard(now: number, link: LinkId): void {
    const camera = this.links.get(link);
    if (camera !== undefined) camera.heardAt = now;
  }

  /** `utcUs` is this server's clock for the confirmation and echoes. */
  packet(now: number, link: LinkId, packet: Packet, header: PacketHeader, utcUs: number): Effect[] {
    const camera = this.links.get(link);
    if (camera === undefined) return [];
    if (packet.header.sender !== camera.unit) {
      return [
        { type: 'refused', reason: 'a packet in another unit’s name', peer: camera.unit },
        ...this.drop(link, 'sender is not the certificate’s unit'),
      ];
    }
    camera.heardAt = now;
    if (packet.name !== 'cam-connection' || packet.body.stage !== 'accept') return [];
    if (camera.epoch !== undefined) return [];
    if (packet.body.epoch <= camera.offeredEpoch || packet.body.epoch > counterMax) {
      return [
        { type: 'refused', reason: 'an epoch that does not rise', peer: camera.unit },
        ...this.drop(link, 'an epoch that does not rise'),
      ];
    }
    if (this.attachedWithout(camera.unit) + camera.cameras.length > this.camerasMax) {
      return this.drop(link, 'no capacity left');
    }
    return this.accepted(link, camera, packet.body, header, utcUs);
  }

  private drop(link: LinkId, reason: string): Effect[] {
    return [{ type: 'close', link, reason }, ...this.forget(link, reason)];
  }

  private accepted(
    link: LinkId,
    camera: CameraLink,
    body: PacketBody<'cam-connection'>,
    header: PacketHeader,
    utcUs: number,
  ): Effect[] {
    const effects: Effect[] = [];
    for (const [other, known] of this.links) {
      if (other === link || known.unit !== camera.unit) continue;
      effects.push(...this.drop(other, 'the camera has a newer link here'));
    }
    camera.epoch = body.epoch;
    for (const id of camera.cameras) {
      // The newest come last, so that the oldest are found first.
      this.claims.delete(id);
      this.claims.set(id, { camera: id, unit: camera.unit, epoch: body.epoch, online: true });
    }
    this.forgetOfflineClaims();
    const confirm = { stage: 'confirm' as const, epoch: body.epoch, leaseMs, utcUs };
    effects.push({ type: 'send', link, packet: { name: 'cam-connection', header, body: confirm } });
    effects.push({ type: 'attached', link, unit: camera.unit, cameras: camera.cameras, epoch: body.epoch });
    effects.push({ type: 'story', text: `manages ${camera.unit}, epoch ${body.epoch}` });
    return effects;
  }

  private forgetOfflineClaims(): void {
    for (const { camera, online } of this.claims.values()) {
      if (this.claims.size <= camerasPerServerMax) return;
      if (!online) this.claims.delete(camera);
    }
  }

  /** The link is gone: its cameras are offline until they are seen again, here or elsewhere. */
  forget(link: LinkId, reason: string): Effect[] {
    const camera = this.links.get(link);
    this.links.delete(link);
    if (camera?.epoch === undefined) return [];
    for (const id of camera.cameras) {
      const claim = this.claims.get(id);
      if (claim?.epoch === camera.epoch) this.claims.set(id, { ...claim, online: false });
    }
    return [
      { type: 'detached', link, unit: camera.unit, reason },
      { type: 'story', text: `${camera.unit} is gone (${reason})` },
    ];
  }

  /** Drops claims that another server holds with a higher epoch, and the links behind them. */
  yieldTo(claims: readonly ManagedCamera[]): Effect[] {
    const effects: Effect[] = [];
    for (const claim of claims) {
      const own = this.claims.get(claim.camera);
      if (own === undefined || own.epoch >= claim.epoch) continue;
      this.claims.delete(claim.camera);
      for (const [link, camera] of this.links) {
        if (camera.epoch === undefined || camera.epoch >= claim.epoch) continue;
        if (!camera.cameras.includes(claim.camera)) continue;
        effects.push(...this.drop(link, 'it has a newer manager'));
      }
    }
    return effects;
  }

  /** Echoes, expired offers, silent cameras. */
  tick(now: number, header: PacketHeader, utcUs: number): Effect[] {
    const effects: Effect[] = [];
    for (const [link, camera] of this.links) {
      const expired = camera.epoch === undefined && now - camera.offeredAt >= offerMs;
      if (expired || now - camera.heardAt >= linkSilenceMs) {
        const reason = expired ? 'the offer was not taken' : `silent for ${linkSilenceMs} ms`;
        effects.push(...this.drop(link, reason));
      } else if (camera.epoch !== undefined && now >= camera.echoAt) {
        camera.echoAt = now + cameraEchoMs;
        const packet: Packet = { name: 'cam-echo', header, body: { reply: false, utcUs } };
        effects.push({ type: 'send', link, packet });
      }
    }
    return effects;
  }

  wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const camera of this.links.values()) {
      at = Math.min(at, camera.epoch === undefined ? camera.offeredAt + offerMs : camera.echoAt);
    }
    return at;
  }
}
