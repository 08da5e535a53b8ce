/**
 * Looks after what is recorded: retention by its timers, the recording alarm, the site's protected ranges, and whether
 * this server can record at all, which the network has to know.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import { accept, type Result, reject } from '../base/result.ts';
import type { DocumentRow } from '../overlay/packets.ts';
import {
  type Protection,
  Protections,
  type ProtectionWish,
  protectionKind,
} from '../recording/protections.ts';
import type { Recorder } from '../recording/recorder.ts';
import {
  type Alarm,
  type LostCamera,
  RecordingAlarm,
  type SeenCamera,
} from '../recording/recording-alarm.ts';
import { Retention, type RetentionOptions, type RetentionReport } from '../recording/retention.ts';
import type { RetentionSettings, SiteRetention } from '../recording/retention-rules.ts';
import type { Volume } from '../recording/volumes.ts';
import type { Log } from '../runtime/log.ts';
import type { ProtectionAccess } from '../viewing/protection-access.ts';
import type { OverlayShell } from './overlay-shell.ts';

/** How often the free space, the limits and the cameras are looked at. */
const reserveMs = 2_000;
const limitsMs = 60_000;
const alarmMs = 1_000;
const ballastMs = 10_000;

export interface RecordingCareOptions {
  readonly server: string;
  readonly recorder: Pick<RetentionOptions, 'disk' | 'ledger' | 'volumes'> &
    Pick<Recorder, 'usable' | 'openSegments' | 'indexProblem'>;
  readonly settings: RetentionSettings;
  /** what people have set for the site */
  readonly site?: () => SiteRetention;
  readonly clock: Clock;
  readonly clockTrusted: () => boolean;
  readonly log: Log;
  readonly ballast: { lay(): Promise<void> };
  /** the cameras that are attached here */
  readonly cameras: () => readonly SeenCamera[];
}

export class RecordingCare implements AsyncDisposable, ProtectionAccess {
  private readonly options: RecordingCareOptions;
  private readonly protections = new Protections();
  private readonly alarm = new RecordingAlarm();
  private readonly retention: Retention;
  private readonly timers = new Map<number, () => void>();
  private readonly busy = new Set<Promise<void>>();
  private shell: Pick<OverlayShell, 'write' | 'capacity'> | undefined;
  private lost: () => readonly LostCamera[] = () => [];
  /** numbers of volumes on which room is being made */
  private readonly makingRoom = new Set<number>();
  private deleted = { segments: 0, bytes: 0 };
  private problem = '';
  private stopped = false;

  constructor(options: RecordingCareOptions) {
    this.options = options;
    const { recorder, settings, site, clock, clockTrusted } = options;
    const { disk, ledger, volumes } = recorder;
    this.retention = new Retention({
      disk,
      ledger,
      volumes,
      settings,
      site,
      clock,
      clockTrusted,
      protections: this.protections,
      openBytes: () => openBytes(recorder),
      onRefused: ({ message, advice }) =>
        options.log('error', `retention: ${message}; it is left, and tried again in 10 min. ${advice}`),
    });
  }

  /**
   * Begins; `document` holds the site's protected ranges as they were remembered. Before that nothing is deleted. `lost`
   * lists the cameras that no server has and this one reports.
   */
  start(
    shell: Pick<OverlayShell, 'write' | 'capacity'>,
    document: readonly DocumentRow[],
    lost: () => readonly LostCamera[],
  ): void {
    this.shell = shell;
    this.lost = lost;
    this.protections.take(document);
    if (!this.options.recorder.usable()) shell.capacity(false);
    this.repeat(reserveMs, () => this.delete(this.retention.keepReserve()));
    this.repeat(limitsMs, async () => {
      await this.delete(this.retention.keepLimits());
      this.tellDeleted();
    });
    this.repeat(alarmMs, async () => this.watch());
    this.repeat(ballastMs, () => this.options.ballast.lay());
  }

  /** Rows of the site document that are new here. */
  documentChanged(rows: readonly DocumentRow[]): void {
    this.protections.take(rows);
  }

  /** Whether anything can be recorded has changed. */
  usable(usable: boolean): void {
    this.shell?.capacity(usable);
  }

  /** A write found no room on a volume: something goes at once. */
  full(volume: Volume): void {
    // Every camera that records there says so; once is enough.
    if (this.shell === undefined || this.stopped || this.makingRoom.has(volume.number)) return;
    this.makingRoom.add(volume.number);
    const done = this.delete(this.retention.makeRoom(volume)).finally(() => {
      this.makingRoom.delete(volume.number);
      this.busy.delete(done);
    });
    this.busy.add(done);
  }

  alarms(): Alarm[] {
    return this.alarm.active();
  }

  of(camera: string): readonly Protection[] {
    return this.protections.of(camera);
  }

  add(wish: Omit<ProtectionWish, 'atUs'>): Result<Protection> {
    const atUs = Math.round(this.options.clock.utcMs() * 1000);
    const row = this.protections.rowFor(this.options.server, { ...wish, atUs });
    if (!row.ok) return row;
    const { id, value } = row.value;
    this.shell?.write(protectionKind, id, value);
    // What was written is told at once, unless the document is full.
    const written = this.protections.of(wish.camera).find((one) => one.id === id);
    return written === undefined ? reject('the site document is full') : accept(written);
  }

  remove(camera: string, id: string): boolean {
    const row = this.protections.rowWithout(camera, id);
    if (row !== undefined) this.shell?.write(protectionKind, row.id, row.value);
    return row !== undefined;
  }

  /** Waits for what is being deleted. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped = true;
    for (const cancel of this.timers.values()) cancel();
    await Promise.all(this.busy);
  }

  private repeat(ms: number, task: () => Promise<void>): void {
    if (this.stopped) return;
    this.timers.set(
      ms,
      this.options.clock.after(ms, () => {
        const done = task().finally(() => {
          this.busy.delete(done);
          this.repeat(ms, task);
        });
        this.busy.add(done);
      }),
    );
  }

  private async delete(pass: Promise<RetentionReport>): Promise<void> {
    try {
      const { segments, bytes } = await pass;
      this.deleted.segments += segments;
      this.deleted.bytes += bytes;
      this.problem = '';
    } catch (error) {
      // The index refuses; it is tried again, and recording goes on. Told once.
      const problem = messageOf(error);
      if (problem !== this.problem) this.options.log('error', `retention: ${problem}; it is tried again`);
      this.problem = problem;
    }
  }

  private tellDeleted(): void {
    const { segments, bytes } = this.deleted;
    if (segments === 0) return;
    this.options.log('info', `retention deleted ${segments} segments, ${(bytes / 1e6).toFixed(0)} MB`);
    this.deleted = { segments: 0, bytes: 0 };
  }

  private watch(): void {
    const { clock, recorder, cameras, log } = this.options;
    const now = { ms: clock.monotonicMs(), utcUs: Math.round(clock.utcMs() * 1000) };
    const { raised, cleared } = this.alarm.observe(now, {
      cameras: cameras(),
      lost: this.lost(),
      volumes: recorder.volumes.status(),
      index: recorder.indexProblem(),
    });
    for (const { text } of cleared) log('info', `recording alarm is over: ${text}`);
    for (const { text } of raised) log('error', `recording alarm: ${text}`);
  }
}

function* openBytes(
  recorder: Pick<Recorder, 'openSegments'>,
): Iterable<{ volume: number; camera: string; bytes: number }> {
  for (const { volume, detail } of recorder.openSegments()) {
    yield { volume, camera: detail.listing.camera, bytes: detail.listing.bytes };
  }
}
