/**
 * The query table's substance [0037]: one row per server, said by that server (the row's *origin*) and passed on
 * unchanged. Who manages which camera and who can be reached are views of it.
 *
 * Even versions are the owner's. Whoever has buried a server, and a server that leaves, says the odd version after it;
 * a live owner that hears of an odd version of its own answers with the next even one. So news of a death needs no
 * owner, and a mistaken death is taken back by the one server that knows better.
 *
 * A row names its neighbors by 32-bit hashes. A path exists where both ends name each other: that is exact after two
 * small floods per lost link, where distances would be sent anew for every server behind it.
 *
 * Invariants: a row is replaced only by a newer one, ordered by (incarnation, version); at most `originRowsMax` rows
 * and `originUnitsMax` units in them; `digest` is the XOR of a hash of every row's (origin, incarnation, version).
 */
import { originRowsMax, originUnitsMax } from './constants.ts';
import { digestBytes, type OriginRow, type RowVersion, type UnitRow } from './packets.ts';
import { textHash } from './text-hash.ts';
import type { CameraView } from './views.ts';

/** FNV-1a, 32 bits: names a server where an id would be too long. */
export function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** Whether `a` says something newer than `b`. */
export function isNewer(a: Omit<RowVersion, 'origin'>, b: Omit<RowVersion, 'origin'>): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.version > b.version);
}

/** Buried by its neighbors, or gone by itself. */
export function isDead(row: OriginRow): boolean {
  return row.version % 2 === 1;
}

/** Bytes of a unit in a row, at most. */
export function unitBytes({ unit, link, cameras }: Pick<UnitRow, 'unit' | 'link' | 'cameras'>): number {
  let bytes = 20 + unit.length + Buffer.byteLength(link.host);
  for (const camera of cameras) bytes += 1 + camera.length;
  return bytes;
}

/** Rows are never changed, and each is measured many times: for every neighbor that it is passed on to. */
const measured = new WeakMap<OriginRow, number>();

/** Bytes of a row in a packet, at most. */
export function rowBytes(row: OriginRow): number {
  const known = measured.get(row);
  if (known !== undefined) return known;
  const { origin, link, pageUrl, neighbors, units } = row;
  let bytes =
    40 + origin.length + Buffer.byteLength(link.host) + Buffer.byteLength(pageUrl) + 4 * neighbors.length;
  for (const unit of units) bytes += unitBytes(unit);
  measured.set(row, bytes);
  return bytes;
}

/** The highest epoch at which these units have each camera. */
function epochsOf(units: readonly UnitRow[]): Map<string, number> {
  const epochs = new Map<string, number>();
  for (const { cameras, epoch } of units) {
    for (const camera of cameras) epochs.set(camera, Math.max(epoch, epochs.get(camera) ?? 0));
  }
  return epochs;
}

/** The highest epoch at which one of these units has the camera. */
function epochOf(units: readonly UnitRow[], camera: string): number | undefined {
  let highest: number | undefined;
  for (const { cameras, epoch } of units) {
    if (cameras.includes(camera)) highest = Math.max(epoch, highest ?? 0);
  }
  return highest;
}

/** Whether both have the same cameras at the same epochs, unit by unit. */
function sameClaims(a: readonly UnitRow[], b: readonly UnitRow[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ epoch, cameras }, at) => {
      const other = b[at];
      return (
        other?.epoch === epoch &&
        other.cameras.length === cameras.length &&
        cameras.every((camera, place) => other.cameras[place] === camera)
      );
    })
  );
}

/** Who claims a camera with the highest epoch. */
interface Claim {
  readonly epoch: number;
  readonly server: string;
}

export class OriginTable {
  private readonly self: string;
  private readonly rows = new Map<string, OriginRow>();
  private readonly hashes = new Map<string, Buffer>();
  /** ids by hash: nearly always one */
  private readonly byHash = new Map<number, Set<string>>();
  private readonly claims = new Map<string, Claim>();
  private readonly sum = Buffer.alloc(digestBytes);
  private unitCount = 0;
  /** raised with every change */
  private revision = 0;
  private paths:
    | { readonly from: string; readonly revision: number; readonly hops: Map<string, number> }
    | undefined;

  constructor(self: string) {
    this.self = self;
  }

  /** Keeps the row if it is news; true when it was. */
  merge(row: OriginRow): boolean {
    const known = this.rows.get(row.origin);
    if (known !== undefined && !isNewer(row, known)) return false;
    if (known === undefined && this.rows.size >= originRowsMax && !this.makeRoom()) return false;
    const more = row.units.length - (known?.units.length ?? 0);
    if (more > 0 && this.unitCount + more > originUnitsMax) return false;
    this.unitCount += more;
    this.rows.set(row.origin, row);
    this.name(row.origin);
    this.addToDigest(row);
    this.claim(row, known);
    this.revision += 1;
    return true;
  }

  /** Forgets a server that cannot be reached; false when all can. */
  private makeRoom(): boolean {
    const hops = this.hopsFrom(this.self);
    for (const [origin, row] of this.rows) {
      if (hops.has(origin)) continue;
      this.forget(row);
      return true;
    }
    return false;
  }

  private forget(row: OriginRow): void {
    const { origin } = row;
    this.rows.delete(origin);
    this.byHash.get(hashOf(origin))?.delete(origin);
    this.unitCount -= row.units.length;
    const hash = this.hashes.get(origin);
    this.hashes.delete(origin);
    for (let at = 0; at < digestBytes; at++) this.sum[at] = (this.sum[at] ?? 0) ^ (hash?.[at] ?? 0);
    this.claim({ ...row, units: [] }, row);
  }

  private name(origin: string): void {
    const hash = hashOf(origin);
    const ids = this.byHash.get(hash);
    if (ids === undefined) this.byHash.set(hash, new Set([origin]));
    else ids.add(origin);
  }

  private addToDigest({ origin, incarnation, version }: OriginRow): void {
    const hash = textHash(`${origin} ${incarnation} ${version}`);
    const old = this.hashes.get(origin);
    for (let at = 0; at < digestBytes; at++) {
      this.sum[at] = (this.sum[at] ?? 0) ^ (hash[at] ?? 0) ^ (old?.[at] ?? 0);
    }
    this.hashes.set(origin, hash);
  }

  /** Keeps the highest epoch of each camera at hand. */
  private claim(row: OriginRow, known: OriginRow | undefined): void {
    // Most rows tell of links: their units are those that are known.
    if (known !== undefined && sameClaims(row.units, known.units)) return;
    const claimed = epochsOf(row.units);
    // What the origin claims no longer, or with a lower epoch, may belong to somebody else now.
    for (const { cameras } of known?.units ?? []) {
      for (const camera of cameras) {
        const best = this.claims.get(camera);
        if (best?.server !== row.origin || (claimed.get(camera) ?? -1) >= best.epoch) continue;
        this.claims.delete(camera);
        for (const other of this.rows.values()) {
          const epoch = epochOf(other.units, camera);
          if (epoch !== undefined) this.raise(camera, { epoch, server: other.origin });
        }
      }
    }
    for (const [camera, epoch] of claimed) this.raise(camera, { epoch, server: row.origin });
  }

  /** At equal epochs, which no sound network has, the lower id counts, so that all servers agree. */
  private raise(camera: string, claim: Claim): void {
    const best = this.claims.get(camera);
    const better =
      best === undefined ||
      claim.epoch > best.epoch ||
      (claim.epoch === best.epoch && claim.server < best.server);
    if (better) this.claims.set(camera, claim);
  }

  get(origin: string): OriginRow | undefined {
    return this.rows.get(origin);
  }

  get size(): number {
    return this.rows.size;
  }

  /** All rows, by origin. */
  all(): OriginRow[] {
    return [...this.rows.values()].sort((a, b) => (a.origin < b.origin ? -1 : 1));
  }

  versions(): RowVersion[] {
    return this.all().map(({ origin, incarnation, version }) => ({ origin, incarnation, version }));
  }

  digest(): Buffer {
    return this.sum;
  }

  /** Links between `self` and every live server it has a path to. Do not change the result. */
  hopsFrom(self: string): ReadonlyMap<string, number> {
    if (this.paths?.from === self && this.paths.revision === this.revision) return this.paths.hops;
    const hops = new Map([[self, 0]]);
    let frontier = [self];
    for (let distance = 1; frontier.length > 0; distance++) {
      const next: string[] = [];
      for (const server of frontier) {
        const hash = hashOf(server);
        for (const id of this.namedBy(server)) {
          const row = this.rows.get(id);
          if (hops.has(id) || row === undefined || isDead(row) || !row.neighbors.includes(hash)) continue;
          hops.set(id, distance);
          next.push(id);
        }
      }
      frontier = next;
    }
    this.paths = { from: self, revision: this.revision, hops };
    return hops;
  }

  /** Whom a server names as its neighbors; whoever only has the same hash does not name it back. */
  private namedBy(server: string): string[] {
    const ids: string[] = [];
    for (const hash of this.rows.get(server)?.neighbors ?? []) ids.push(...(this.byHash.get(hash) ?? []));
    return ids;
  }

  /** The highest epoch anybody claims for a camera, and who; undefined when nobody does. */
  claimTo(camera: string): Claim | undefined {
    return this.claims.get(camera);
  }

  /** The unit that a camera is online with, at a server that lives; undefined when it is with none. */
  ownerOf(camera: string): string | undefined {
    const row = this.rows.get(this.claims.get(camera)?.server ?? '');
    if (row === undefined || isDead(row)) return undefined;
    return row.units.find(({ online, cameras }) => online && cameras.includes(camera))?.unit;
  }

  /** Every camera with its present (or last) manager, by camera id; the highest epoch wins everywhere. */
  cameras(): CameraView[] {
    const views: CameraView[] = [];
    for (const [camera, { server, epoch }] of this.claims) {
      const unit = this.rows
        .get(server)
        ?.units.find((one) => one.epoch === epoch && one.cameras.includes(camera));
      if (unit !== undefined)
        views.push({ camera, unit: unit.unit, manager: server, epoch, online: unit.online });
    }
    return views.sort((a, b) => (a.camera < b.camera ? -1 : 1));
  }
}
