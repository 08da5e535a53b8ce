/**
 * Finds whole fragments behind damage: looks for what every fragment of ours begins with (`prft`, ISO/IEC 14496-12
 * §8.16.5) and tries to read one there, all of which got to the disk. Bounded: `searchBytes` in memory, `candidatesMax` places tried, one stretch of
 * `fragmentsMax` listings at a time.
 */
import type { FragmentListing } from './fragment-listing.ts';
import { fragmentsMax, isAllThere, type ParsedInit, type ReadAt, walkFragments } from './mp4-scanner.ts';

const searchBytes = 1024 * 1024;
const candidatesMax = 10_000;

/** The next stretch of fragments at or behind `from` of a file of `size` bytes; undefined when there is none. */
export async function findFragments(
  read: ReadAt,
  size: number,
  { from, tracks }: { from: number; tracks: ParsedInit['tracks'] },
): Promise<FragmentListing[] | undefined> {
  let candidates = 0;
  for (let at = from; at + 8 < size; at += searchBytes) {
    // A box type may lie across the end of what is read at a time.
    const bytes = await read(at, Math.min(searchBytes + 8, size - at));
    for (let place = bytes.indexOf('prft', 4); place >= 0; place = bytes.indexOf('prft', place + 1)) {
      candidates += 1;
      if (candidates > candidatesMax) return undefined;
      const run: FragmentListing[] = [];
      for await (const { listing } of walkFragments(read, size, { initBytes: at + place - 4, tracks })) {
        if (run.length >= fragmentsMax || !(await isAllThere(read, listing))) break;
        run.push(listing);
      }
      if (run.length > 0) return run;
    }
  }
  return undefined;
}
