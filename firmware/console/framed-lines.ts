/**
 * Framed lines: bytes as printable text on a line that people, kernel messages and noise share.
 *
 *     @S:<kind><tag>.<number>:<base64>:<CRC-32>~
 *
 * kind is one letter, tag and number are base 36, the CRC is 8 hexadecimal digits over everything from the kind to the
 * colon before it. Whatever is not a whole frame with the right CRC is other people's text.
 *
 * Invariants: a scanner holds at most `frameCharactersMax` characters; nothing that arrives can make it throw; a frame
 * is found whatever came before it, and however the bytes were cut up on the way.
 */

const start = '@S:';
const end = '~';
/** Longest frame, in characters. */
export const frameCharactersMax = 2_048;

export interface Frame {
  /** one letter: what the frame is */
  readonly kind: string;
  /** which transfer or call it belongs to */
  readonly tag: number;
  readonly number: number;
  readonly payload: Buffer;
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** CRC-32 of ISO 3309 (as zlib and Ethernet have it) of text in Latin 1. */
export function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let at = 0; at < text.length; at++)
    crc = (crc >>> 8) ^ (table[(crc ^ text.charCodeAt(at)) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

export function formatFrame({ kind, tag, number, payload }: Frame): string {
  const body = `${kind}${tag.toString(36)}.${number.toString(36)}:${payload.toString('base64')}`;
  return `${start}${body}:${crc32(body).toString(16).padStart(8, '0')}${end}`;
}

const bodyPattern = /^([A-Za-z])([0-9a-z]{1,7})\.([0-9a-z]{1,7}):([A-Za-z0-9+/]*={0,2}):([0-9a-f]{8})$/;

/** The frame between `@S:` and `~`, or undefined when it is broken. */
function parseBody(text: string): Frame | undefined {
  const [, kind = '', tag = '', number = '', base64 = '', sum = ''] = bodyPattern.exec(text) ?? [];
  if (kind === '' || crc32(text.slice(0, -9)) !== Number.parseInt(sum, 16)) return undefined;
  return {
    kind,
    tag: Number.parseInt(tag, 36),
    number: Number.parseInt(number, 36),
    payload: Buffer.from(base64, 'base64'),
  };
}

/** What a scanner found, in the order in which it came. */
export type Scanned = { readonly frame: Frame } | { readonly text: string };

/** Finds frames in a stream of bytes. What is no frame comes out as text (Latin 1), as soon as it cannot become one. */
export class FrameScanner {
  /** begins with `@S:`, or with a part of that */
  private held = '';
  /** frames that began and were broken */
  broken = 0;

  push(bytes: Buffer): Scanned[] {
    const found: Scanned[] = [];
    let plain = '';
    const text = (): void => {
      if (plain !== '') found.push({ text: plain });
      plain = '';
    };
    for (const character of bytes.toString('latin1')) {
      this.held += character;
      if (this.held.length <= start.length) {
        if (start.startsWith(this.held)) continue;
        plain += this.release();
        continue;
      }
      if (character === end) {
        const frame = parseBody(this.held.slice(start.length, -1));
        if (frame === undefined) {
          this.broken += 1;
          plain += this.held;
        } else {
          text();
          found.push({ frame });
        }
        this.held = '';
      } else if (this.held.endsWith(start)) {
        // The frame before has lost its end.
        this.broken += 1;
        plain += this.held.slice(0, -start.length);
        this.held = start;
      } else if (this.held.length > frameCharactersMax) {
        this.broken += 1;
        plain += this.held;
        this.held = '';
      }
    }
    text();
    return found;
  }

  /** Gives up what may still become a frame, for instance when nothing has come for a while. */
  flush(): string {
    const { held } = this;
    this.held = '';
    return held;
  }

  /** What can be no beginning of a frame; its last characters may be one again. */
  private release(): string {
    const { held } = this;
    for (let keep = Math.min(held.length - 1, start.length - 1); keep >= 0; keep--) {
      const tail = held.slice(held.length - keep);
      if (keep === 0 || start.startsWith(tail)) {
        this.held = tail;
        return held.slice(0, held.length - keep);
      }
    }
    return '';
  }
}
