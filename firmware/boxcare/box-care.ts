/**
 * Looks after the machine a server runs on: its disks, file systems, temperature, fans and power. What is wrong is told
 * once in the log when it begins and once when it is over; the whole report is there at any time.
 *
 * Invariants: nothing here writes to a disk or wakes one up; a disk that hangs keeps neither the others nor the next
 * look waiting; of one disk one question is asked at a time; tables are bounded by the number of disks.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import type { VolumeStatus } from '../recording/volumes.ts';
import type { Log } from '../runtime/log.ts';
import type { DisksAnswer } from '../viewing/api.ts';
import { type DiskFacts, type Ground, groundOf, readDisk, readMounts } from './block-devices.ts';
import type { BoxFiles } from './box-files.ts';
import { diskFindings, volumeFindings } from './disk-findings.ts';
import { type Finding, sorted, verdictOn, worst } from './findings.ts';
import { readSensors, type SensorReadings, sensorFindings } from './sensors.ts';
import { noReading, parseSmart, type SmartReading } from './smart.ts';

/** How often the small files are read, and how often disks are asked how they are. */
const lookMs = 30_000;
const smartMs = 30 * 60_000;
/** Disks that are listed. */
const disksMax = 32;
/** What is no disk of its own. */
const notWhole = /^(loop|ram|zram|sr|fd|dm-|md|nbd|mtd)\d|^mmcblk\d+(boot|rpmb)/;

/** A folder that the server writes to. */
export type CareFolder = Pick<VolumeStatus, 'folder' | 'totalBytes' | 'freeBytes'> & {
  /** why nothing can be recorded there, as the recorder says; undefined when all is well */
  readonly problem?: string | undefined;
};

export interface BoxCareOptions {
  readonly server: string;
  readonly files: BoxFiles;
  /** Asks a disk such as `sda`; resolves with the JSON of smartctl. */
  readonly smart: (disk: string) => Promise<string>;
  readonly folders: () => readonly CareFolder[];
  readonly clockFacts: () => { readonly clock: DisksAnswer['clock']; readonly findings: readonly Finding[] };
  /** told after each look, for the lamps of the box */
  readonly onFindings?: ((findings: readonly Finding[]) => void) | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

interface Asked {
  reading: SmartReading | undefined;
  /** cable errors when it was first asked: what was before may have been another cable */
  cableErrors: number | undefined;
  atMs: number;
  busy: boolean;
}

interface Look {
  readonly utcMs: number;
  readonly grounds: readonly { readonly folder: CareFolder; readonly ground: Ground }[];
  readonly disks: readonly DiskFacts[];
  readonly sensors: SensorReadings;
}

const noSensors: SensorReadings = { temperatures: [], fans: [], power: null, leds: [], watchdog: null };

export class BoxCare implements AsyncDisposable {
  private readonly options: BoxCareOptions;
  private readonly asked = new Map<string, Asked>();
  private told = new Map<string, Finding>();
  private last: Look | undefined;
  private looking: Promise<void> | undefined;
  private cancel = (): void => undefined;
  private stopped = false;

  constructor(options: BoxCareOptions) {
    this.options = options;
  }

  /** Looks now and from time to time. */
  start(): void {
    if (this.stopped) return;
    this.looking = this.look().finally(() => {
      this.looking = undefined;
      if (!this.stopped) this.cancel = this.options.clock.after(lookMs, () => this.start());
    });
  }

  /** Looks at everything once. Never rejects. */
  async look(): Promise<void> {
    try {
      this.last = await this.read();
      this.askDisks(this.last.disks);
      this.tell();
    } catch (error) {
      this.options.log('error', `the machine could not be looked at: ${messageOf(error)}`);
    }
  }

  /** What is known now. */
  report(): DisksAnswer {
    const { server, clockFacts } = this.options;
    const findings = this.findings();
    const { grounds = [], disks = [], sensors = noSensors, utcMs } = this.last ?? {};
    return {
      server,
      lookedAt: utcMs === undefined ? null : new Date(utcMs).toISOString(),
      verdict: worst(findings),
      findings,
      volumes: grounds.map(({ folder, ground }) => volumeAnswer(folder, ground, findings)),
      disks: disks.map((disk) => diskAnswer(disk, this.asked.get(keyOf(disk))?.reading, findings)),
      ...sensors,
      clock: clockFacts().clock,
    };
  }

  /** Waits for the look that is on its way, not for disks that are being asked. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped = true;
    this.cancel();
    await this.looking;
  }

  private async read(): Promise<Look> {
    const { files, folders, clock } = this.options;
    const mounts = await readMounts(files);
    const grounds = [];
    for (const folder of folders()) {
      grounds.push({ folder, ground: await groundOf(files, mounts, folder.folder) });
    }
    const names = new Set(grounds.flatMap(({ ground }) => ground.disks));
    for (const name of await files.list('/sys/class/block')) {
      if (notWhole.test(name) || names.size >= disksMax) continue;
      if ((await files.read(`/sys/class/block/${name}/partition`)) === undefined) names.add(name);
    }
    const disks: DiskFacts[] = [];
    for (const name of [...names].sort()) {
      const disk = await readDisk(files, name);
      // A card reader without a card has no size.
      if (disk !== undefined && disk.bytes > 0) disks.push(disk);
    }
    return { utcMs: clock.utcMs(), grounds, disks, sensors: await readSensors(files) };
  }

  private askDisks(disks: readonly DiskFacts[]): void {
    const keys = new Set(disks.map(keyOf));
    for (const key of this.asked.keys()) if (!keys.has(key)) this.asked.delete(key);
    for (const disk of disks) {
      if (disk.bus === 'virtual' || disk.bus === 'mmc') continue;
      const known = this.asked.get(keyOf(disk));
      const due = known === undefined || this.options.clock.monotonicMs() >= known.atMs + smartMs;
      if (due && known?.busy !== true) void this.ask(disk, known);
    }
  }

  private async ask(disk: DiskFacts, known: Asked | undefined): Promise<void> {
    const { clock, smart } = this.options;
    const asked = known ?? { reading: undefined, cableErrors: undefined, atMs: 0, busy: false };
    this.asked.set(keyOf(disk), asked);
    asked.busy = true;
    asked.atMs = clock.monotonicMs();
    const reading = await smart(disk.name).then(parseSmart, (error: unknown) => noReading(messageOf(error)));
    asked.busy = false;
    // What a sleeping disk said before is still the best that is known.
    if (reading.state !== 'asleep' || asked.reading === undefined) asked.reading = reading;
    asked.cableErrors ??= reading.cableErrors;
    if (!this.stopped) this.tell();
  }

  private findings(): Finding[] {
    const { grounds = [], disks = [], sensors = noSensors } = this.last ?? {};
    return sorted([
      ...grounds.flatMap(({ folder, ground }) => volumeFindings(folder, ground)),
      ...disks.flatMap((disk) => diskFindings(disk, this.asked.get(keyOf(disk)))),
      ...sensorFindings(sensors),
      ...this.options.clockFacts().findings,
    ]);
  }

  /** A figure that changes is no news: a finding is known by what it is about and its words without figures. */
  private tell(): void {
    const { log, onFindings } = this.options;
    const findings = this.findings();
    const now = new Map(
      findings.map((one) => [`${one.verdict} ${one.about} ${one.text.replace(/[\d.]+/g, '#')}`, one]),
    );
    for (const [key, { about, text }] of this.told)
      if (!now.has(key)) log('info', `is over: ${about}: ${text}`);
    for (const [key, { verdict, about, text, next }] of now) {
      if (!this.told.has(key)) log(verdict === 'FAIL' ? 'error' : 'warn', `${about}: ${text}. ${next}`);
    }
    this.told = now;
    onFindings?.(findings);
  }
}

/** Another disk under the same name is another disk. */
function keyOf({ name, serial }: DiskFacts): string {
  return `${name} ${serial ?? ''}`;
}

function volumeAnswer(
  { folder, totalBytes, freeBytes }: CareFolder,
  { mount, device, disks, present, label, errors }: Ground,
  findings: readonly Finding[],
): DisksAnswer['volumes'][number] {
  return {
    folder,
    verdict: verdictOn(findings, `volume ${folder}`),
    mounted: mount?.folder ?? null,
    fileSystem: mount?.type ?? null,
    label: label ?? null,
    device: device ?? null,
    disk: disks[0] ?? null,
    present,
    readOnly: mount?.readOnly ?? false,
    errors: errors ?? null,
    totalBytes,
    freeBytes,
  };
}

function diskAnswer(
  { name, model, serial, bus, bytes, rotating, wearPercent }: DiskFacts,
  smart: SmartReading | undefined,
  findings: readonly Finding[],
): DisksAnswer['disks'][number] {
  const tells = bus !== 'virtual' && bus !== 'mmc';
  return {
    name,
    verdict: verdictOn(findings, `disk ${name}`),
    model: smart?.model ?? model,
    serial: smart?.serial ?? serial,
    bus,
    bytes,
    rotating,
    smart: smart?.state ?? (tells ? 'unread' : 'none'),
    smartReason: smart?.reason ?? null,
    temperatureC: smart?.temperatureC ?? null,
    powerOnHours: smart?.powerOnHours ?? null,
    reallocatedSectors: smart?.reallocated ?? null,
    pendingSectors: smart?.pending ?? null,
    uncorrectableErrors: smart?.uncorrectable ?? null,
    cableErrors: smart?.cableErrors ?? null,
    wearPercent: smart?.wearPercent ?? wearPercent ?? null,
  };
}
