/**
 * One row per server: what that server (the row's *origin*) says of itself, passed on unchanged by everyone else.
 * Who manages which camera, and which servers can be reached, are views computed from the rows.
 *
 * Invariants: a row is replaced only by a newer one, ordered by (incarnation, version); at most `originRowsMax` rows
 * and `originCamerasMax` cameras in them.
 */
import { originCamerasMax, originRowsMax } from './constants.ts';
import type { ManagedCamera, OriginRow } from './packets.ts';

/** A camera, and the server whose claim to it has the highest epoch. */
export interface CameraClaim extends ManagedCamera {
  readonly server: string;
}

function isNewer(a: OriginRow, b: OriginRow): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.version > b.version);
}

export class OriginRows {
  private readonly rows = new Map<string, OriginRow>();
  private cameraCount = 0;

  /** Keeps the row if it is news; true when it was. */
  merge(row: OriginRow): boolean {
    const known = this.rows.get(row.origin);
    if (known !== undefined && !isNewer(row, known)) return false;
    if (known === undefined && this.rows.size >= originRowsMax) return false;
    const more = row.cameras.length - (known?.cameras.length ?? 0);
    if (more > 0 && this.cameraCount + more > originCamerasMax) return false;
    this.cameraCount += more;
    this.rows.set(row.origin, row);
    return true;
  }

  get(origin: string): OriginRow | undefined {
    return this.rows.get(origin);
  }

  /** All rows, by origin. */
  all(): OriginRow[] {
    return [...this.rows.values()].sort((a, b) => (a.origin < b.origin ? -1 : 1));
  }

  /** Links between `self` and every server it can reach, by breadth-first search over the rows' neighbors. */
  hopsFrom(self: string): Map<string, number> {
    const hops = new Map([[self, 0]]);
    let frontier = [self];
    for (let distance = 1; frontier.length > 0; distance++) {
      const next: string[] = [];
      for (const server of frontier) {
        for (const neighbor of this.rows.get(server)?.neighbors ?? []) {
          if (hops.has(neighbor) || !this.rows.has(neighbor)) continue;
          hops.set(neighbor, distance);
          next.push(neighbor);
        }
      }
      frontier = next;
    }
    return hops;
  }

  /** Every camera with its present (or last) manager, by camera id; the highest epoch wins everywhere. */
  cameras(): CameraClaim[] {
    const claims = new Map<string, CameraClaim>();
    for (const row of this.all()) {
      for (const camera of row.cameras) {
        const known = claims.get(camera.camera);
        if (known === undefined || camera.epoch > known.epoch) {
          claims.set(camera.camera, { ...camera, server: row.origin });
        }
      }
    }
    return [...claims.values()].sort((a, b) => (a.camera < b.camera ? -1 : 1));
  }

  /** The highest epoch any server knows for a unit; 0 when it is unknown. */
  highestEpoch(unit: string): number {
    let epoch = 0;
    for (const row of this.rows.values()) {
      for (const camera of row.cameras) if (camera.unit === unit) epoch = Math.max(epoch, camera.epoch);
    }
    return epoch;
  }
}
