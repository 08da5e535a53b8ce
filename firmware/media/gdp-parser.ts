/**
 * The GStreamer Data Protocol as `gdppay` writes it (GStreamer 1.x, `gstdpdefs.h`, `dataprotocol.c`): 62-byte
 * big-endian headers, each followed by its payload.
 *
 *   0 version major  1 minor  2 flags (1: header CRC)  4 type  6 length  10 PTS  18 duration  26 offset  34 offset end
 *   42 buffer flags (0x2000: delta unit)  44 DTS  52 reserved  58 header CRC  60 payload CRC
 *
 * Times on the wire are ns, 2^64 − 1 meaning none; what comes out is *running time* in µs: PTS − segment start
 * + segment base, the one clock that all tracks of a pipeline share. It may be negative before a segment starts.
 * Encoders start at 1000 hours, where ns are beyond 2^53: the subtraction is done on the two halves, which is exact.
 *
 * Invariants: any chunking of the stream yields the same packets; payloads are passed on by reference in the parts
 * they arrived in; no more than one unfinished packet is held; after a refusal the parser refuses for good, as
 * there is no way to find the next header.
 */
import { accept, type Result, reject } from '../base/result.ts';
import { sampleBytesMax } from './sample.ts';

/** What the stream carries; tags, gaps and other events are left out. */
export type GdpPacket =
  /** the format of the buffers that follow, for `parseCaps` */
  | { readonly type: 'caps'; readonly text: string }
  /** times are now relative to `startUs` */
  | { readonly type: 'segment'; readonly startUs: number }
  | GdpBuffer
  /** end of stream */
  | { readonly type: 'end' };

/** One access unit; times are µs of running time and undefined where the element gave none. */
export interface GdpBuffer {
  readonly type: 'buffer';
  readonly ptsUs: number | undefined;
  readonly dtsUs: number | undefined;
  readonly durationUs: number | undefined;
  /** not a keyframe */
  readonly delta: boolean;
  readonly payload: readonly Uint8Array[];
  readonly bytes: number;
}

const headerBytes = 62;
const textBytesMax = 65_536;
const bufferType = 1;
const capsType = 2;
const eventTypeMin = 64;
const deltaUnitFlag = 0x2000;

/** Event numbers (`GstEventType` >> 8). */
const segmentEvent = 70;
const endEvent = 110;

/** Turns chunks of a GDP stream into packets. */
export class GdpParser {
  private readonly header = Buffer.alloc(headerBytes);
  private headerFilled = 0;
  private type = 0;
  private payload: Uint8Array[] = [];
  private payloadBytes = 0;
  private missing = 0;
  private startHigh = 0;
  private startLow = 0;
  private baseNs = 0;
  private reason: string | undefined;

  /**
   * Takes the next bytes of the stream and returns the packets that they complete. Keep `chunk` unchanged: payloads
   * refer to it. Refuses a broken stream; the packets before the fault in the same chunk are lost with it.
   */
  push(chunk: Uint8Array): Result<GdpPacket[]> {
    const packets: GdpPacket[] = [];
    let at = 0;
    while (this.reason === undefined && at < chunk.length) {
      if (this.headerFilled < headerBytes) {
        const taken = Math.min(headerBytes - this.headerFilled, chunk.length - at);
        this.header.set(chunk.subarray(at, at + taken), this.headerFilled);
        this.headerFilled += taken;
        at += taken;
        if (this.headerFilled < headerBytes) break;
        this.reason = this.begin();
        if (this.reason !== undefined) break;
      }
      const taken = Math.min(this.missing, chunk.length - at);
      if (taken > 0) this.payload.push(chunk.subarray(at, at + taken));
      this.missing -= taken;
      at += taken;
      if (this.missing === 0) this.finish(packets);
    }
    return this.reason === undefined ? accept(packets) : reject(this.reason);
  }

  /** Reads a whole header; returns why it is refused. */
  private begin(): string | undefined {
    const { header } = this;
    if (header[0] !== 1 || header[1] !== 0) return `GDP version ${header[0]}.${header[1]}`;
    if (((header[2] ?? 0) & 1) !== 0 && headerCrc(header) !== header.readUInt16BE(58))
      return 'GDP header CRC';
    this.type = header.readUInt16BE(4);
    const length = header.readUInt32BE(6);
    const known = this.type === bufferType || this.type === capsType || this.type >= eventTypeMin;
    if (!known) return `GDP packet of type ${this.type}`;
    if (length > (this.type === bufferType ? sampleBytesMax : textBytesMax))
      return `GDP packet of ${length} bytes`;
    this.payload = [];
    this.payloadBytes = length;
    this.missing = length;
    return undefined;
  }

  /** Hands on the packet whose payload is complete. */
  private finish(packets: GdpPacket[]): void {
    this.headerFilled = 0;
    if (this.type === bufferType) {
      packets.push(this.buffer());
    } else if (this.type === capsType) {
      packets.push({ type: 'caps', text: this.text() });
    } else if ((this.type - eventTypeMin) >> 8 === segmentEvent) {
      const startUs = this.segment();
      if (startUs !== undefined) packets.push({ type: 'segment', startUs });
    } else if ((this.type - eventTypeMin) >> 8 === endEvent) {
      packets.push({ type: 'end' });
    }
    this.payload = [];
  }

  private buffer(): GdpBuffer {
    const { header } = this;
    const durationUs = micros(header.readUInt32BE(18) * 0x1_0000_0000 + header.readUInt32BE(22));
    return {
      type: 'buffer',
      ptsUs: this.runningTime(10),
      dtsUs: this.runningTime(44),
      durationUs: isNone(header, 18) ? undefined : durationUs,
      delta: (header.readUInt16BE(42) & deltaUnitFlag) !== 0,
      payload: this.payload,
      bytes: this.payloadBytes,
    };
  }

  /** The time at `at` in the header as running time, µs. */
  private runningTime(at: number): number | undefined {
    if (isNone(this.header, at)) return undefined;
    const high = this.header.readUInt32BE(at) - this.startHigh;
    const low = this.header.readUInt32BE(at + 4) - this.startLow;
    const timeUs = micros(high * 0x1_0000_0000 + low + this.baseNs);
    if (!Number.isSafeInteger(timeUs)) this.reason = 'GDP time out of range';
    return timeUs;
  }

  /** Takes over the segment's start and base; returns the start in µs. A segment not in time is refused. */
  private segment(): number | undefined {
    const text = this.text();
    const start = /\bstart=\(guint64\)(\d{1,20})/.exec(text)?.[1];
    const base = /\bbase=\(guint64\)(\d{1,20})/.exec(text)?.[1] ?? '0';
    if (start === undefined || !/\bformat=\(GstFormat\)time\b/.test(text)) {
      this.reason = 'GDP segment without a start in time';
      return undefined;
    }
    const startNs = BigInt.asUintN(64, BigInt(start));
    this.startHigh = Number(startNs >> 32n);
    this.startLow = Number(startNs & 0xffff_ffffn);
    this.baseNs = Number(base);
    return Number(startNs / 1000n);
  }

  /** The payload as text, without the terminating zero. */
  private text(): string {
    const text = Buffer.concat(this.payload).toString('latin1');
    return text.endsWith('\0') ? text.slice(0, -1) : text;
  }
}

function isNone(header: Buffer, at: number): boolean {
  return header.readUInt32BE(at) === 0xffff_ffff && header.readUInt32BE(at + 4) === 0xffff_ffff;
}

function micros(ns: number): number {
  return Math.floor(ns / 1000);
}

/** CRC-16/GENIBUS of the header up to the CRC: polynomial 0x1021, begun with all ones and inverted at the end. */
function headerCrc(header: Buffer): number {
  let crc = 0xffff;
  for (let i = 0; i < 58; i++) {
    crc = ((crc << 8) & 0xffff) ^ (crcTable[(crc >> 8) ^ (header[i] ?? 0)] ?? 0);
  }
  return crc ^ 0xffff;
}

const crcTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});
