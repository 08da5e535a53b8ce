/**
 * Retention over a real folder and a real index, with volumes of a made-up size: what is free is what the files there
 * leave of it. A log says in which order files, directories and rows went.
 */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../../firmware/base/failure.ts';
import { realDisk } from '../../firmware/io/disk.ts';
import type { SegmentListing } from '../../firmware/recording/archive.ts';
import { Retention, type RetentionOptions } from '../../firmware/recording/retention.ts';
import type { RetentionSettings, SiteRetention } from '../../firmware/recording/retention-rules.ts';
import type { Volume, VolumeState, VolumeStatus } from '../../firmware/recording/volumes.ts';
import { IndexRig, listingOf } from './index-rig.ts';
import { VirtualClock } from './virtual-clock.ts';

export class RetentionRig implements AsyncDisposable {
  readonly index: IndexRig;
  readonly clock = new VirtualClock();
  readonly volumes: Volume[];
  readonly states = new Map<number, VolumeState>();
  readonly sizes = new Map<number, number>();
  /** which volumes share a file system */
  devices = new Map<number, string>();
  readonly failures: string[] = [];
  readonly log: string[] = [];
  readonly open: { volume: number; camera: string; bytes: number }[] = [];
  readonly protected: { camera: string; fromUs: number; toUs: number }[] = [];
  protectionVersion = 0;
  /** how often the volumes were asked to look again */
  checks = 0;
  clockTrusted = true;
  /** unlinking a path that contains this fails */
  failRemove = '\0';
  /** what is unlinked is kept by a snapshot, or not free yet */
  snapshot = false;
  /** called whenever a file is unlinked */
  onRemove: () => Promise<void> = async () => undefined;
  /** bytes that are unlinked and not free */
  kept = 0;
  /** the marker of this volume is gone */
  missing = -1;
  retention: Retention;

  private readonly site: (() => SiteRetention) | undefined;

  private constructor(
    index: IndexRig,
    volumes: Volume[],
    settings: RetentionSettings,
    site: (() => SiteRetention) | undefined,
  ) {
    this.index = index;
    this.volumes = volumes;
    this.site = site;
    this.retention = new Retention(this.options(settings));
  }

  static async open(
    settings: Partial<RetentionSettings> = {},
    { sizes = [10_000_000], site }: { sizes?: number[]; site?: () => SiteRetention } = {},
  ): Promise<RetentionRig> {
    const index = await IndexRig.open();
    const volumes = sizes.map((_, number) => ({
      number,
      id: `${number}`,
      folder: join(index.folder, `v${number}`),
    }));
    const rig = new RetentionRig(index, volumes, { reserveMb: 0, cameras: [], ...settings }, site);
    for (const [number, size] of sizes.entries()) {
      rig.sizes.set(number, size);
      await mkdir(join(index.folder, `v${number}`));
    }
    // Ages are not believed at first.
    await rig.retention.keepLimits();
    rig.clock.advance(3_600_000);
    return rig;
  }

  /** A sealed segment with its file. */
  async record(camera: string, minute: number, bytes = 1_000, volume = 0): Promise<SegmentListing> {
    const listing = listingOf(camera, minute, { bytes });
    await this.file(volume, camera, listing.name, bytes);
    await this.index.seal(volume, listing);
    return listing;
  }

  async file(volume: number, camera: string, name: string, bytes: number): Promise<void> {
    const path = join(this.index.folder, `v${volume}`, camera, `${name}.mp4`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.alloc(bytes));
  }

  /** Minutes of the segments that are still listed, by camera. */
  async left(camera: string): Promise<number[]> {
    const refs = await this.index.ledger.oldestOf(camera, 10_000);
    return refs.map(({ name }) => Number(name.split('-').at(-1)));
  }

  /** Everything below the volumes, as paths. */
  async files(): Promise<string[]> {
    const all = await Promise.all(
      this.volumes.map(async ({ number, folder }) =>
        (await readdir(folder, { recursive: true })).map((path) => `v${number}/${path}`),
      ),
    );
    return all.flat().sort();
  }

  /** As after a restart. */
  async restart(settings: Partial<RetentionSettings> = {}): Promise<void> {
    await this.index.reopen();
    this.retention = new Retention(this.options({ reserveMb: 0, cameras: [], ...settings }));
  }

  protect(camera: string, fromUs: number, toUs: number): void {
    this.protected.push({ camera, fromUs, toUs });
    this.protectionVersion += 1;
  }

  state(volume: number): VolumeState {
    return this.states.get(volume) ?? { is: 'ok' };
  }

  private options(settings: RetentionSettings): RetentionOptions {
    return {
      ...this.parts(),
      settings,
      site: this.site,
      openBytes: () => this.open,
      protections: {
        version: () => this.protectionVersion,
        isProtected: (camera, range) =>
          this.protected.some(
            (one) => one.camera === camera && one.fromUs < range.toUs && one.toUs > range.fromUs,
          ),
      },
      clock: this.clock,
      clockTrusted: () => this.clockTrusted,
    };
  }

  /** What a recorder would bring. */
  parts(): Pick<RetentionOptions, 'disk' | 'ledger' | 'volumes'> {
    const out = (volume: Volume, is: 'full' | 'failed', reason: string): void => {
      this.states.set(volume.number, { is, reason, sinceUtcUs: 0 });
    };
    return {
      disk: {
        remove: async (path) => {
          if (path.includes(this.failRemove)) {
            throw new Failure('FILE_IO', `${path}: fails as the test wants`, { advice: 'Nothing.' });
          }
          if (this.snapshot) this.kept += (await stat(path)).size;
          await realDisk.remove(path);
          await this.onRemove();
          this.log.push('remove');
        },
        syncDirectory: async (path) => {
          await realDisk.syncDirectory(path);
          this.log.push('sync');
        },
        removeDirectory: (path) => realDisk.removeDirectory(path),
        usage: (path) => this.usage(path),
      },
      ledger: this.index.ledger,
      volumes: {
        byNumber: (number) => this.volumes[number],
        verify: async (volume) => {
          if (volume.number !== this.missing) return;
          throw new Failure('FILE_MISSING', `${volume.folder}: not mounted`, { advice: 'Mount it.' });
        },
        failed: (volume, failure) => {
          this.failures.push(failure.code);
          out(volume, 'failed', failure.message);
        },
        full: (volume, reason) => out(volume, 'full', reason),
        status: () => this.volumes.map((volume) => this.status(volume)),
        check: async () => {
          this.checks += 1;
        },
      },
    };
  }

  private status(volume: Volume): VolumeStatus {
    const none = { totalBytes: 0, freeBytes: 0, recordedBytes: 0, reserveBytes: 0 };
    return { ...volume, ...none, state: this.state(volume.number) };
  }

  private async usage(path: string): Promise<{ totalBytes: number; freeBytes: number; device: string }> {
    const { number } = this.volumes.find(({ folder }) => folder === path) ?? { number: 0 };
    const device = this.devices.get(number) ?? `dev-${number}`;
    const sharing = this.volumes.filter(
      (one) => (this.devices.get(one.number) ?? `dev-${one.number}`) === device,
    );
    const totalBytes = this.sizes.get(sharing[0]?.number ?? 0) ?? 0;
    let used = this.kept;
    for (const { folder } of sharing) {
      for (const name of await readdir(folder, { recursive: true })) {
        const file = await stat(join(folder, name));
        if (file.isFile()) used += file.size;
      }
    }
    return { totalBytes, freeBytes: Math.max(0, totalBytes - used), device };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.index[Symbol.asyncDispose]();
  }
}
