/**
 * Finds cards that lie: about their size (what is written beyond it overwrites something else, or goes nowhere), or about
 * having written anything at all (a worn-out card that still reads back what it held).
 *
 * Blocks of random bytes, new each time, are written all over the disk, and read back from the medium before the image
 * is written and, where the image does not lie, after it. A power of two apart, since address lines that are missing
 * make halves of a disk the same.
 */
import { randomBytes } from 'node:crypto';
import type { Medium } from './medium.ts';
import { Refusal } from './refusal.ts';

const probeBytes = 4096;
const evenlySpread = 16;

/** Where to probe: the last block, every power of two, and evenly in between; in rising order. */
export function probeOffsets(diskBytes: number): number[] {
  const last = Math.floor(diskBytes / probeBytes) - 1;
  const blocks = new Set<number>([last]);
  for (let block = 256; block < last; block *= 2) blocks.add(block).add(last - block);
  for (let part = 1; part < evenlySpread; part++) blocks.add(Math.floor((last * part) / evenlySpread));
  return [...blocks]
    .filter((block) => block >= 256)
    .sort((a, b) => a - b)
    .map((block) => block * probeBytes);
}

export class NonceProbes {
  private readonly medium: Medium;
  private readonly probes: readonly { offset: number; bytes: Buffer }[];

  constructor(medium: Medium, random: (size: number) => Buffer = randomBytes) {
    this.medium = medium;
    this.probes = probeOffsets(medium.bytes).map((offset) => ({ offset, bytes: random(probeBytes) }));
  }

  /** Writes them all, then reads them all back. Throws the Refusal card-lies. */
  async run(): Promise<void> {
    for (const { offset, bytes } of this.probes) await this.medium.write(bytes, offset);
    await this.medium.flush();
    await this.check(0);
  }

  /** Reads back those from `from` on, which nothing should have touched. Throws the Refusal card-lies. */
  async check(from: number): Promise<void> {
    const found = Buffer.alloc(probeBytes);
    for (const { offset, bytes } of this.probes) {
      if (offset < from) continue;
      await this.medium.read(found, offset);
      if (!found.equals(bytes)) throw lies(this.medium, offset, this.other(found));
    }
  }

  /** Leaves nothing behind in the space of the data partition. */
  async remove(from: number): Promise<void> {
    for (const { offset } of this.probes)
      if (offset >= from) await this.medium.write(Buffer.alloc(probeBytes), offset);
  }

  /** Where the block that was found belongs, when it is one of ours. */
  private other(found: Buffer): number | undefined {
    return this.probes.find(({ bytes }) => bytes.equals(found))?.offset;
  }
}

function lies({ path }: Medium, offset: number, other: number | undefined): Refusal {
  const where = `what was written at ${(offset / 1e9).toFixed(2)} GB`;
  const what =
    other === undefined
      ? `${where} is not there`
      : `${where} was overwritten by what was written at ${(other / 1e9).toFixed(2)} GB, so it is smaller than it says`;
  return new Refusal(
    'card-lies',
    `${path} lies: ${what}`,
    'It is a counterfeit, or worn out. Throw it away, and use another one.',
  );
}
