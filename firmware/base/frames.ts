/**
 * Length-prefixed frames on a byte stream: `u32 length | u16 kind | body`, where length counts kind and body.
 *
 * Kinds below 256 are overlay packets (the packet's number); from 256 on they are media frames. The reader hands a
 * body over in the parts it arrived in, by reference, unless a peer that dribbles makes them too many; where chunks
 * are `passing`, because their memory is used again, a body is one part that is good for the time of the call only. A
 * frame longer than the bound poisons the reader for good: after a wrong length nothing that follows can be trusted.
 */

/** Longest body: one slice of a sample (64 kB) and its header. */
export const frameBodyBytesMax = 64 * 1024 + 256;

/** A frame's body in order; the parts are views of what was received. */
export type FrameParts = readonly Buffer[];

const prefixBytes = 6;

const nothing = Buffer.alloc(0);

/** Parts of one body; more are joined, as each costs far more memory than the byte it may hold. */
const partsMax = 64;

/** The six bytes that go before a body of `bodyBytes`. */
export function framePrefix(kind: number, bodyBytes: number): Buffer {
  const prefix = Buffer.allocUnsafe(prefixBytes);
  prefix.writeUInt32BE(bodyBytes + 2, 0);
  prefix.writeUInt16BE(kind, 4);
  return prefix;
}

/** All parts as one buffer; copies only when there is more than one. */
export function joinParts(parts: FrameParts): Buffer {
  const only = parts[0];
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}

/** Splits `parts` after `bytes`: the head is contiguous (copied if need be), the tail stays in parts. */
export function splitParts(parts: FrameParts, bytes: number): { head: Buffer; tail: Buffer[] } {
  const head: Buffer[] = [];
  const tail: Buffer[] = [];
  let missing = bytes;
  for (const part of parts) {
    const taken = Math.min(missing, part.length);
    if (taken > 0) head.push(part.subarray(0, taken));
    if (taken < part.length) tail.push(part.subarray(taken));
    missing -= taken;
  }
  return { head: joinParts(head), tail };
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  private readonly onFrame: (kind: number, parts: FrameParts) => void;
  private readonly prefix = Buffer.alloc(prefixBytes);
  private prefixFilled = 0;
  private kind = 0;
  private remaining = 0;
  private parts: Buffer[] = [];
  private readonly passing: boolean;
  /** a body that began in an earlier chunk, where chunks are passing; `filled` bytes of it are there */
  private held: Buffer = nothing;
  private filled = 0;
  /** why the stream was given up; undefined while it is sound */
  reason: string | undefined;

  constructor(onFrame: (kind: number, parts: FrameParts) => void, chunks: 'lasting' | 'passing' = 'lasting') {
    this.onFrame = onFrame;
    this.passing = chunks === 'passing';
  }

  /** Takes the next bytes; false once the stream is given up. */
  push(chunk: Buffer): boolean {
    let offset = 0;
    while (offset < chunk.length && this.reason === undefined) {
      offset =
        this.prefixFilled < prefixBytes ? this.readPrefix(chunk, offset) : this.readBody(chunk, offset);
    }
    return this.reason === undefined;
  }

  private readPrefix(chunk: Buffer, offset: number): number {
    if (this.prefixFilled === 0 && offset + prefixBytes <= chunk.length) {
      this.prefixFilled = prefixBytes;
      this.beginBody(chunk, offset);
      return offset + prefixBytes;
    }
    const taken = Math.min(prefixBytes - this.prefixFilled, chunk.length - offset);
    chunk.copy(this.prefix, this.prefixFilled, offset, offset + taken);
    this.prefixFilled += taken;
    if (this.prefixFilled === prefixBytes) this.beginBody(this.prefix, 0);
    return offset + taken;
  }

  private beginBody(prefix: Buffer, at: number): void {
    const length = prefix.readUInt32BE(at);
    this.kind = prefix.readUInt16BE(at + 4);
    if (length < 2) this.reason = 'frame shorter than its kind';
    else if (length - 2 > frameBodyBytesMax) this.reason = 'over-long packet';
    this.remaining = length - 2;
    if (this.reason === undefined && this.remaining === 0) this.finish();
  }

  private readBody(chunk: Buffer, offset: number): number {
    const taken = Math.min(this.remaining, chunk.length - offset);
    if (this.passing && (this.filled > 0 || taken < this.remaining)) return this.hold(chunk, offset, taken);
    this.parts.push(chunk.subarray(offset, offset + taken));
    if (this.parts.length > partsMax) this.parts = [Buffer.concat(this.parts)];
    this.remaining -= taken;
    if (this.remaining === 0) this.finish();
    return offset + taken;
  }

  /** Puts a body together that does not come in one chunk. */
  private hold(chunk: Buffer, offset: number, taken: number): number {
    const bytes = this.filled + this.remaining;
    if (this.held.length < bytes) this.held = Buffer.allocUnsafeSlow(Math.min(2 * bytes, frameBodyBytesMax));
    chunk.copy(this.held, this.filled, offset, offset + taken);
    this.filled += taken;
    this.remaining -= taken;
    if (this.remaining > 0) return offset + taken;
    this.parts.push(this.held.subarray(0, this.filled));
    this.filled = 0;
    this.finish();
    return offset + taken;
  }

  private finish(): void {
    const parts = this.parts;
    this.parts = [];
    this.prefixFilled = 0;
    this.onFrame(this.kind, parts);
  }
}
