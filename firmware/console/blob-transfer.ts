/**
 * Carries a blob (an answer, an archive) over framed lines that may break. The receiver asks, the sender keeps no
 * state but the blob, so either may be started anew.
 *
 * A blob is numbered in units of `unitBytes`. A request names a window of `windowUnits` units, which of them are
 * missing (a bitmap, first unit in the highest bit), and how many neighbors may share a frame: long frames are cheap on a
 * clean line, short ones survive a noisy one. The answer is one data frame for each run. The receiver measures what
 * gets through and chooses.
 *
 * Invariants: nothing outside the blob is read or written; a unit is taken once; the receiver is done when it has every
 * unit, and then its digest says whether it is the blob.
 */
import { createHash } from 'node:crypto';

/** 48 characters of base64. */
export const unitBytes = 36;
const windowUnits = 192;
/** How many units may share a frame. */
const runLengths = [1, 2, 4, 8, 16, 32] as const;
/** Largest blob. */
const blobBytesMax = 256 * 1024 * 1024;
const digestBytes = 16;
/** What a frame adds to its base64, and the line break. */
const overheadCharacters = 25;
const unitCharacters = 48;
/** Fewer frames say nothing about the line. */
const framesJudged = 24;

export interface BlobDescription {
  readonly size: number;
  /** the first half of its SHA-256, hexadecimal */
  readonly digest: string;
}

/** A part of a blob. */
export interface BlobPart {
  /** number of its first unit */
  readonly unit: number;
  readonly bytes: Buffer;
}

export function describeBlob(blob: Buffer): BlobDescription {
  const digest = createHash('sha256')
    .update(blob)
    .digest('hex')
    .slice(0, 2 * digestBytes);
  return { size: blob.length, digest };
}

/** Few bytes, for a frame that has to get through. */
export function formatDescription({ size, digest }: BlobDescription): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(size);
  return Buffer.concat([head, Buffer.from(digest, 'hex')]);
}

/** Undefined for anything else. */
export function parseDescription(bytes: Buffer): BlobDescription | undefined {
  if (bytes.length !== 4 + digestBytes) return undefined;
  const size = bytes.readUInt32BE(0);
  return size > blobBytesMax ? undefined : { size, digest: bytes.toString('hex', 4) };
}

function unitsOf(size: number): number {
  return Math.ceil(size / unitBytes);
}

/** Which units of a window are wanted, at most how many in a frame. */
export interface BlobRequest {
  readonly window: number;
  readonly run: number;
  /** `windowUnits` bits */
  readonly missing: Buffer;
}

export function formatRequest({ window, run, missing }: BlobRequest): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(window, 0);
  head.writeUInt8(run, 4);
  return Buffer.concat([head, missing]);
}

/** Undefined for anything else. */
export function parseRequest(bytes: Buffer): BlobRequest | undefined {
  if (bytes.length !== 5 + windowUnits / 8) return undefined;
  const run = bytes.readUInt8(4);
  if (run < 1 || run > 32) return undefined;
  return { window: bytes.readUInt32BE(0), run, missing: bytes.subarray(5) };
}

function isSet(bitmap: Buffer, bit: number): boolean {
  return ((bitmap[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}

/** The parts that a request asks for, in order. */
export function* partsFor(blob: Buffer, { window, run, missing }: BlobRequest): Generator<BlobPart> {
  const first = window * windowUnits;
  const units = Math.min(windowUnits, unitsOf(blob.length) - first);
  for (let at = 0; at < units; ) {
    if (!isSet(missing, at)) {
      at += 1;
      continue;
    }
    let count = 1;
    while (count < run && at + count < units && isSet(missing, at + count)) count += 1;
    const unit = first + at;
    yield { unit, bytes: blob.subarray(unit * unitBytes, (unit + count) * unitBytes) };
    at += count;
  }
}

export class BlobReceiver {
  private readonly description: BlobDescription;
  private readonly bytes: Buffer;
  private readonly has: Uint8Array;
  private missingUnits: number;
  /** all units before this one are there */
  private firstMissing = 0;
  private run: number = runLengths[2];
  /** frames since the run length was chosen */
  private soundFrames = 0;
  private brokenFrames = 0;

  constructor(description: BlobDescription) {
    this.description = description;
    this.bytes = Buffer.alloc(description.size);
    this.has = new Uint8Array(unitsOf(description.size));
    this.missingUnits = this.has.length;
  }

  get done(): boolean {
    return this.missingUnits === 0;
  }

  /** Bytes that are there. */
  get received(): number {
    return Math.min(this.description.size, (this.has.length - this.missingUnits) * unitBytes);
  }

  /** How many units share a frame at present. */
  get runLength(): number {
    return this.run;
  }

  /** Requests for the first windows in which something is missing. */
  requests(windowsMax: number): BlobRequest[] {
    this.choose();
    while (this.has[this.firstMissing] === 1) this.firstMissing += 1;
    const requests: BlobRequest[] = [];
    const windows = Math.ceil(this.has.length / windowUnits);
    for (
      let window = Math.floor(this.firstMissing / windowUnits);
      window < windows && requests.length < windowsMax;
      window++
    ) {
      const request = this.requestFor(window);
      if (request !== undefined) requests.push(request);
    }
    return requests;
  }

  /** Takes a part; false when it is none of this blob. */
  take({ unit, bytes }: BlobPart): boolean {
    const from = unit * unitBytes;
    const count = unitsOf(bytes.length);
    const last = from + bytes.length === this.bytes.length;
    if (count === 0 || from + bytes.length > this.bytes.length) return false;
    if (bytes.length % unitBytes !== 0 && !last) return false;
    this.soundFrames += 1;
    bytes.copy(this.bytes, from);
    for (let at = unit; at < unit + count; at++) {
      if (this.has[at] === 1) continue;
      this.has[at] = 1;
      this.missingUnits -= 1;
    }
    return true;
  }

  /** Frames came that were broken. */
  heardBroken(count: number): void {
    this.brokenFrames += count;
  }

  /** The blob, or undefined when it is not the one that was described: then everything is missing again. */
  result(): Buffer | undefined {
    if (describeBlob(this.bytes).digest === this.description.digest) return this.bytes;
    this.has.fill(0);
    this.missingUnits = this.has.length;
    this.firstMissing = 0;
    return undefined;
  }

  private requestFor(window: number): BlobRequest | undefined {
    const missing = Buffer.alloc(windowUnits / 8);
    const first = window * windowUnits;
    let any = false;
    for (let at = 0; at < windowUnits && first + at < this.has.length; at++) {
      if (this.has[first + at] === 1) continue;
      any = true;
      missing[at >> 3] = (missing[at >> 3] ?? 0) | (0x80 >> (at & 7));
    }
    return any ? { window, run: this.run, missing } : undefined;
  }

  /**
   * What share of frames arrives tells what share of characters does; with that, the length that brings most bytes for
   * each character that is sent.
   */
  private choose(): void {
    const heard = this.soundFrames + this.brokenFrames;
    if (heard < framesJudged) return;
    const share = Math.min(0.9999, Math.max(0.02, this.soundFrames / heard));
    this.soundFrames = 0;
    this.brokenFrames = 0;
    const kept = share ** (1 / frameCharacters(this.run));
    this.run = runLengths.reduce((best, run) => (yieldOf(run, kept) > yieldOf(best, kept) ? run : best));
  }
}

function frameCharacters(run: number): number {
  return run * unitCharacters + overheadCharacters;
}

/** Bytes that arrive for each character sent, when each character arrives with the probability `kept`. */
function yieldOf(run: number, kept: number): number {
  return (run * unitBytes * kept ** frameCharacters(run)) / frameCharacters(run);
}
