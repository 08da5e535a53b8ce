/**
 * Names of sites, units and cameras. They become file names, topics and URL parts, so the alphabet is narrow: a lower
 * case letter or digit, then up to 31 of those and hyphens.
 */
import { type Codec, shortAscii, text } from './codec.ts';
import { idPattern } from './id-pattern.ts';

/** Longest id, in bytes. */
export const idBytesMax = 32;

/** Whether `value` may name a site, a unit or a camera. */
export function isId(value: string): boolean {
  return idPattern.test(value);
}

/** An id on the wire; anything else is refused. */
export const id: Codec<string> = idOf(text(idBytesMax));

/** An id in a packet of the overlay, with one byte of length. */
export const shortId: Codec<string> = idOf(shortAscii(idBytesMax));

function idOf(raw: Codec<string>): Codec<string> {
  return {
    write: (writer, value) => raw.write(writer, value),
    read(reader) {
      const value = raw.read(reader);
      if (reader.reason === undefined && !isId(value)) reader.refuse('malformed id');
      return value;
    },
  };
}
