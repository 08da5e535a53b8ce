/**
 * Every packet that is sent: counted, hashed, decoded for the log, and the fuses that end a program at a step of a
 * protocol.
 */
import { decodePacketBody } from '../../firmware/overlay/packet-codec.ts';
import { numbers, type Packet, type PacketName } from '../../firmware/overlay/packets.ts';
import type { LinkWatcher, SimLinkEnd } from './sim-link.ts';
import type { SimUnit } from './sim-unit.ts';
import { TraceHash } from './trace-hash.ts';

export interface PacketLogEntry {
  readonly at: number;
  readonly from: string;
  /** a unit, or `anycast` */
  readonly to: string;
  readonly packet: Packet;
}

/** The program ends right after the `count`-th packet of this name. */
export interface Fuse {
  readonly unit: string;
  readonly packet: PacketName;
  readonly way: 'sent' | 'received';
  readonly count: number;
  readonly machineToo: boolean;
}

/** A TLS record and TCP/IP headers around each frame, and the frame's own prefix. */
const packetOverheadBytes = 22 + 52 + 6;

export class Traffic implements LinkWatcher {
  readonly log: PacketLogEntry[] = [];
  readonly hash = new TraceHash();
  sentPackets = 0;
  private readonly now: () => number;
  private readonly record: boolean;
  private readonly onFuse: (fuse: Fuse) => void;
  private fuses: { readonly fuse: Fuse; readonly burned: () => void; left: number }[] = [];

  constructor(options: { now: () => number; record: boolean; onFuse: (fuse: Fuse) => void }) {
    this.now = options.now;
    this.record = options.record;
    this.onFuse = options.onFuse;
  }

  light(fuse: Fuse, burned: () => void): void {
    this.fuses.push({ fuse, burned, left: fuse.count });
  }

  /** Fuses of this unit that have not burned yet never will. */
  quench(unit: string): void {
    this.fuses = this.fuses.filter(({ fuse }) => fuse.unit !== unit);
  }

  sent(end: SimLinkEnd, kind: number, body: Buffer): void {
    const { unit: to } = end.peer;
    this.count(end.host as SimUnit, to, kind, body);
    if (this.record) {
      const decoded = decodePacketBody(kind, body);
      if (decoded.ok && decoded.value !== undefined) {
        this.log.push({ at: this.now(), from: end.host.id, to, packet: decoded.value });
      }
    }
    this.burn(end.host.id, 'sent', kind);
  }

  received(end: SimLinkEnd, kind: number): void {
    this.burn(end.host.id, 'received', kind);
  }

  joinSent(unit: SimUnit, packet: Packet, bytes: Buffer): void {
    const kind = numbers[packet.name];
    this.count(unit, 'anycast', kind, bytes);
    if (this.record) this.log.push({ at: this.now(), from: unit.id, to: 'anycast', packet });
    this.burn(unit.id, 'sent', kind);
  }

  private count(unit: SimUnit, to: string, kind: number, body: Buffer): void {
    const { hash } = this;
    hash.number(this.now());
    hash.text(unit.id);
    hash.text(to);
    hash.number(kind);
    hash.bytes(body);
    this.sentPackets++;
    unit.sent.packets++;
    unit.sent.bytes += body.length + packetOverheadBytes;
    unit.sent.byKind.set(kind, (unit.sent.byKind.get(kind) ?? 0) + 1);
  }

  private burn(unit: string, way: 'sent' | 'received', kind: number): void {
    if (this.fuses.length === 0) return;
    for (const entry of this.fuses) {
      const { fuse } = entry;
      if (fuse.unit !== unit || fuse.way !== way || numbers[fuse.packet] !== kind || --entry.left > 0)
        continue;
      this.fuses = this.fuses.filter((other) => other !== entry);
      this.onFuse(fuse);
      entry.burned();
    }
  }
}
