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
import {
  type RetentionSettings,
  reserveBytesOf,
  type SiteRetention,
} from '../../firmware/recording/retention-rules.ts';
import {
  roomProblem,
  type Volume,
  type VolumeState,
  type VolumeStatus,
} from '../../firmware/recording/volumes.ts';
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
  /** what was told of files that are not removed */
  readonly refused: string[] = [];
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
  /** bytes that are unlinked and not free, by volume */
  readonly kept = new Map<number, number>();
  /** the marker of this volume is gone */
  missing = -1;
  retention: Retention;

  private readonly site: (() => SiteRetention) | undefined;
  private settings: RetentionSettings;

  private constructor(
    index: IndexRig,
    volumes: Volume[],
    settings: RetentionSettings,
    site: (() => SiteRetention) | undefined,
  ) {
    this.index = index;
    this.volumes = volumes;
    this.site = site;
    this.settings = settings;
    this.retention = new Retention(this.options());
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
    this.settings = { reserveMb: 0, cameras: [], ...settings };
    this.retention = new Retention(this.options());
  }

  protect(camera: string, fromUs: number, toUs: number): void {
    this.protected.push({ camera, fromUs, toUs });
    this.protectionVersion += 1;
  }

  state(volume: number): VolumeState {
    return this.states.get(volume) ?? { is: 'ok' };
  }

  private options(): RetentionOptions {
    return {
      ...this.parts(),
      settings: this.settings,
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
      onRefused: (failure) => this.refused.push(failure.message),
    };
  }

  /** What a recorder would bring. */
  parts(): Pick<RetentionOptions, 'disk' | 'ledger' | 'volumes'> {
    return {
      disk: {
        remove: async (path) => {
          if (path.includes(this.failRemove)) {
            throw new Failure('FILE_IO', `${path}: fails as the test wants`, { advice: 'Nothing.' });
          }
          if (this.snapshot) await this.keep(path);
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
          const is = { FILE_MISSING: 'missing', DISK_FULL: 'full' } as const;
          const known = failure.code === 'FILE_MISSING' || failure.code === 'DISK_FULL';
          this.out(volume, known ? is[failure.code] : 'failed', failure.message);
        },
        full: (volume, reason) => {
          const { is } = this.state(volume.number);
          if (is === 'ok' || is === 'full') this.out(volume, 'full', reason);
        },
        status: () => this.volumes.map((volume) => this.status(volume)),
        check: () => this.check(),
      },
    };
  }

  /** Looks at the room of volumes that are there; those that failed or are missing a test brings back itself. */
  async check(): Promise<void> {
    this.checks += 1;
    for (const volume of this.volumes) {
      const status = { ...this.status(volume), ...(await this.usage(volume.folder)) };
      if (status.state.is !== 'ok' && status.state.is !== 'full') continue;
      const reserveBytes = reserveBytesOf(status.totalBytes, this.settings.reserveMb);
      const problem = roomProblem({ ...status, reserveBytes });
      if (problem === undefined) this.states.delete(volume.number);
      else this.out(volume, 'full', problem);
    }
  }

  private out(volume: Volume, is: 'full' | 'failed' | 'missing', reason: string): void {
    const state = this.state(volume.number);
    const sinceUtcUs = state.is === is ? state.sinceUtcUs : this.clock.utcMs() * 1000;
    this.states.set(volume.number, { is, reason, sinceUtcUs });
  }

  private async keep(path: string): Promise<void> {
    const number = this.volumes.find(({ folder }) => path.startsWith(`${folder}/`))?.number ?? 0;
    this.kept.set(number, (this.kept.get(number) ?? 0) + (await stat(path)).size);
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
    let used = 0;
    for (const { folder, number: one } of sharing) {
      used += this.kept.get(one) ?? 0;
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
