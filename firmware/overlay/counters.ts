/**
 * How far incarnations and epochs may rise. They travel in 32 bits, and only rise: whoever made others believe in one
 * near the end would have used up somebody's numbers.
 *
 * No honest unit comes near `honestMax`, were it started once a second for 68 years. So what a unit with a lost disk
 * is told of itself is always followed, however long its life was, and beyond that false claims lead only a little
 * further each time.
 */

/** A peer that claims a higher incarnation, version or epoch is refused. */
export const counterMax = 0xffff_0000;
const honestMax = 2 ** 31;
/** Beyond `honestMax`, what is further ahead is false. */
const jumpMax = 2 ** 16;

/** Whether somebody's claim that a number has risen from `known` to `claimed` may be followed. */
export function mayRise(known: number, claimed: number): boolean {
  return claimed <= Math.max(honestMax, known + jumpMax) && claimed <= counterMax;
}
