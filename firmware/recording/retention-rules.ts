/**
 * How much is kept: the settings of retention as questions. Bytes, µs. A limit that is not set is undefined; without
 * any settings only a disk that fills up makes the oldest recordings go.
 */

const gigabyte = 1_000_000_000;
const megabyte = 1_000_000;
const dayUs = 86_400_000_000;

/** Free space that is kept without a setting: a share of the volume, within bounds. */
const reserve = { share: 0.02, min: 256 * megabyte, max: 10 * gigabyte, shareMax: 0.1 } as const;

export interface RetentionSettings {
  readonly days?: number | undefined;
  /** of all recordings together */
  readonly gigabytes?: number | undefined;
  readonly reserveMb?: number | undefined;
  readonly cameras: readonly {
    readonly id: string;
    readonly days?: number | undefined;
    readonly gigabytes?: number | undefined;
  }[];
}

/** What people have set for the whole site while it runs; undefined: nothing. */
export interface SiteRetention {
  /** of this server */
  readonly days: number | undefined;
  readonly cameras: ReadonlyMap<
    string,
    { readonly days: number | undefined; readonly maxMb: number | undefined }
  >;
}

/**
 * What counts when the site's settings are laid over those of `unit.yaml`. Of the age, the first that is set: the camera's
 * in the site, the camera's in `unit.yaml`, this server's in the site, this server's in `unit.yaml`. Of a camera's size
 * the site's, then that in `unit.yaml`.
 */
export function withSite(settings: RetentionSettings, site: SiteRetention): RetentionSettings {
  const own = new Map(settings.cameras.map((camera) => [camera.id, camera]));
  const cameras = [...new Set([...own.keys(), ...site.cameras.keys()])].map((id) => {
    const [configured, set] = [own.get(id), site.cameras.get(id)];
    const setGigabytes = set?.maxMb === undefined ? undefined : (set.maxMb * megabyte) / gigabyte;
    return {
      id,
      days: set?.days ?? configured?.days,
      gigabytes: setGigabytes ?? configured?.gigabytes,
    };
  });
  return { ...settings, days: site.days ?? settings.days, cameras };
}

/** Bytes that stay free on a volume of this size: 2 %, at least 256 MB, at most 10 GB or a tenth of it. */
export function reserveBytesOf(totalBytes: number, reserveMb?: number): number {
  if (reserveMb !== undefined) return reserveMb * megabyte;
  const wanted = Math.min(Math.max(totalBytes * reserve.share, reserve.min), reserve.max);
  return Math.floor(Math.min(wanted, totalBytes * reserve.shareMax));
}

/** How long recordings of a camera are kept; its own setting counts before that of all. */
export function ageUsMaxOf({ days, cameras }: RetentionSettings, camera: string): number | undefined {
  const kept = cameras.find(({ id }) => id === camera)?.days ?? days;
  return kept === undefined ? undefined : kept * dayUs;
}

/** How much of one camera is kept. */
export function bytesMaxOf({ cameras }: RetentionSettings, camera: string): number | undefined {
  const gigabytes = cameras.find(({ id }) => id === camera)?.gigabytes;
  return gigabytes === undefined ? undefined : gigabytes * gigabyte;
}

/** How much of all cameras together is kept. */
export function bytesMaxOfAll({ gigabytes }: RetentionSettings): number | undefined {
  return gigabytes === undefined ? undefined : gigabytes * gigabyte;
}
