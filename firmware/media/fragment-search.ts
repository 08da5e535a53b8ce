/**
 * Finds whole fragments behind damage: looks for what every fragment of ours begins with (`prft`, ISO/IEC 14496-12
 * §8.16.5) and tries to read one there, all of which got to the disk. Bounded: `searchBytes` in memory, `candidatesMax`
 * places tried between two stretches, `fragmentsMax` listings held at a time.
 */
import type { FragmentListing } from './fragment-listing.ts';
import { fragmentsMax, isAllThere, type ReadAt, readFragmentHead } from './mp4-scanner.ts';

const searchBytes = 1024 * 1024;
const candidatesMax = 10_000;

/** Where to look, and how many tracks the file has; undefined when its head, which says so, is lost. */
export interface FragmentSearch {
  readonly from: number;
  readonly trackCount: number | undefined;
}

/** All stretches of whole fragments at or behind `from` of a file of `size` bytes, in order. */
export async function* wholeStretches(
  read: ReadAt,
  size: number,
  { from, trackCount }: FragmentSearch,
): AsyncGenerator<[FragmentListing, ...FragmentListing[]], void, void> {
  for (let at = from; ; ) {
    const stretch = await findFragments(read, size, { from: at, trackCount });
    const [first, ...rest] = stretch ?? [];
    if (first === undefined) return;
    yield [first, ...rest];
    const last = rest.at(-1) ?? first;
    at = last.offset + last.bytes;
  }
}

/** The next stretch of fragments at or behind `from` of a file of `size` bytes; undefined when there is none. */
export async function findFragments(
  read: ReadAt,
  size: number,
  { from, trackCount }: FragmentSearch,
): Promise<FragmentListing[] | undefined> {
  let candidates = 0;
  for (let at = from; at + 8 < size; at += searchBytes) {
    // A box type may lie across the end of what is read at a time.
    const bytes = await read(at, Math.min(searchBytes + 8, size - at));
    for (let place = bytes.indexOf('prft', 4); place >= 0; place = bytes.indexOf('prft', place + 1)) {
      candidates += 1;
      if (candidates > candidatesMax) return undefined;
      const stretch = await stretchAt(read, size, { from: at + place - 4, trackCount });
      if (stretch.length > 0) return stretch;
    }
  }
  return undefined;
}

/** The whole fragments that follow one another from this place on. */
async function stretchAt(
  read: ReadAt,
  size: number,
  { from, trackCount = Number.POSITIVE_INFINITY }: FragmentSearch,
): Promise<FragmentListing[]> {
  const stretch: FragmentListing[] = [];
  for (let at = from; at < size && stretch.length < fragmentsMax; ) {
    const scanned = await readFragmentHead(read, size, at);
    if (!scanned.ok || scanned.value.runs.some(({ trackId }) => trackId > trackCount)) break;
    const { listing } = scanned.value;
    if (!(await isAllThere(read, listing))) break;
    stretch.push(listing);
    at += listing.bytes;
  }
  return stretch;
}
