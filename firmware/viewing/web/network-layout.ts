/**
 * Where servers stand on the picture of the network: linked ones near each other, all others apart. Deterministic (no
 * randomness), and stable: the same network is never moved, and a changed one begins where its servers stood. Pure.
 * Places are shares of the picture's width and height.
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Link {
  readonly source: string;
  readonly target: string;
}

export interface Placed {
  /** what was laid out; equal: nothing to do */
  readonly shape: string;
  readonly places: ReadonlyMap<string, Point>;
}

const stepsMax = 300;
/** node pairs looked at, at most, whatever their number */
const effortMax = 1_500_000;

/** Lays servers out, from where they stood before. */
export function layoutNetwork(servers: readonly string[], links: readonly Link[], before?: Placed): Placed {
  const ids = [...new Set(servers)].sort();
  const known = new Set(ids);
  const pairs = links
    .filter(({ source, target }) => known.has(source) && known.has(target) && source !== target)
    .map(({ source, target }) => [source, target].sort() as [string, string])
    .sort(([one, two], [other, third]) => (`${one} ${two}` < `${other} ${third}` ? -1 : 1));
  const shape = JSON.stringify([ids, pairs]);
  if (before?.shape === shape) return before;
  const points = ids.map((id, place) => start(id, { place, count: ids.length }, before));
  const index = new Map(ids.map((id, place) => [id, place]));
  const springs = pairs.map(([one, other]) => [index.get(one) ?? 0, index.get(other) ?? 0] as const);
  const steps = Math.min(stepsMax, Math.floor(effortMax / Math.max(1, ids.length ** 2)));
  for (let step = 0; step < steps; step += 1) relax(points, springs, 0.12 * (1 - step / steps) + 0.002);
  return { shape, places: fitted(ids, points) };
}

interface Mobile {
  x: number;
  y: number;
}

/** Where it stood; else on a circle, a little off it so that no two forces cancel. */
function start(id: string, { place, count }: { place: number; count: number }, before?: Placed): Mobile {
  const stood = before?.places.get(id);
  if (stood !== undefined) return { x: stood.x * 2 - 1, y: stood.y * 2 - 1 };
  const angle = (place / count) * 2 * Math.PI - Math.PI / 2 + 0.13;
  return { x: Math.cos(angle) * (1 + place * 0.001), y: Math.sin(angle) };
}

/** One step of springs against repulsion, in units where neighbours stand about 0.9 apart. */
function relax(
  points: readonly Mobile[],
  springs: readonly (readonly [number, number])[],
  reach: number,
): void {
  const forces = points.map(() => ({ x: 0, y: 0 }));
  const push = (one: number, other: number, strength: (distance: number) => number) => {
    const [a, b, f, g] = [points[one], points[other], forces[one], forces[other]];
    if (a === undefined || b === undefined || f === undefined || g === undefined) return;
    const distance = Math.max(0.05, Math.hypot(b.x - a.x, b.y - a.y));
    const by = strength(distance) / distance;
    f.x += (b.x - a.x) * by;
    f.y += (b.y - a.y) * by;
    g.x -= (b.x - a.x) * by;
    g.y -= (b.y - a.y) * by;
  };
  for (let one = 0; one < points.length; one += 1) {
    for (let other = one + 1; other < points.length; other += 1) {
      push(one, other, (distance) => -0.5 / distance);
    }
  }
  for (const [one, other] of springs) push(one, other, (distance) => distance ** 2);
  points.forEach((point, place) => {
    const force = forces[place] ?? { x: 0, y: 0 };
    // what has no link does not drift away
    const [x, y] = [force.x - point.x * 0.6, force.y - point.y * 0.6];
    const length = Math.max(1, Math.hypot(x, y));
    point.x += (x / length) * reach;
    point.y += (y / length) * reach;
  });
}

/** Stretched to the whole picture; what has no width or height stands in the middle of it. */
function fitted(ids: readonly string[], points: readonly Mobile[]): Map<string, Point> {
  const range = (values: readonly number[]) => {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return (value: number) => (most - least < 0.2 ? 0.5 : (value - least) / (most - least));
  };
  const x = range(points.map((point) => point.x));
  const y = range(points.map((point) => point.y));
  return new Map(ids.map((id, place) => [id, { x: x(points[place]?.x ?? 0), y: y(points[place]?.y ?? 0) }]));
}

/** Directions, in radians, for `count` things around a point, in the widest gap that the links leave. */
export function fanAround(linkAngles: readonly number[], count: number): number[] {
  const full = 2 * Math.PI;
  const sorted = linkAngles.map((angle) => ((angle % full) + full) % full).sort((one, other) => one - other);
  let [from, width] = [-Math.PI / 2 - Math.PI, full];
  sorted.forEach((angle, place) => {
    const next = sorted[place + 1] ?? (sorted[0] ?? 0) + full;
    if (place === 0 || next - angle > width) [from, width] = [angle, next - angle];
  });
  const step = Math.min(width / (count + 1), 0.72);
  const first = from + width / 2 - (step * (count - 1)) / 2;
  return Array.from({ length: count }, (_, place) => first + step * place);
}
