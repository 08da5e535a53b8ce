/**
 * A mark by which a fragment shows that all of it got to the disk.
 *
 * After a power cut a file may be as long as it was meant to be, with blocks in the middle that read as zeros: the file
 * system had noted the length, and not yet that the data was there (ext4, XFS). The boxes of such a fragment are whole,
 * its pictures are gone. The mark covers every byte of the header and, of the payload, `sampleBytes` in every
 * `strideBytes` and the last: at least one sample lies in every sector of 512 bytes. It finds lost sectors, not bits
 * that have turned over; a sum over all of the payload would cost what recording costs otherwise.
 */
const strideBytes = 256;
const sampleBytes = 4;
const prime = 0x01000193;

/** Mark of a fragment whose header has zeros where the mark will be. The parts follow one another. */
export function fragmentMark(header: Uint8Array, payload: readonly Uint8Array[]): number {
  let mark = 0x811c9dc5;
  for (const byte of header) mark = Math.imul(mark ^ byte, prime);
  const total = payload.reduce((sum, part) => sum + part.length, 0);
  let start = 0;
  for (const part of payload) {
    const end = start + part.length;
    // Samples may begin in the part before.
    for (let sample = start - (start % strideBytes); sample < end; sample += strideBytes) {
      const from = Math.max(sample, start);
      const to = Math.min(sample + sampleBytes, end);
      for (let at = from; at < to; at++) mark = Math.imul(mark ^ (part[at - start] as number), prime);
    }
    for (let at = Math.max(start, total - sampleBytes); at < end; at++) {
      mark = Math.imul(mark ^ (part[at - start] as number), prime);
    }
    start = end;
  }
  return mark >>> 0;
}
