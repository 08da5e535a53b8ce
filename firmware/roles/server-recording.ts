/** What a server opens to record: the index, the recorder with its volumes, and whoever looks after them. */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { checkGround } from '../boxcare/block-devices.ts';
import type { ServerUnitConfig } from '../config/unit-config.ts';
import { Ballast } from '../io/ballast.ts';
import { boxFiles } from '../io/box-files.ts';
import { diskThreads, realDisk } from '../io/disk.ts';
import { openLevelStore } from '../io/level-store.ts';
import { systemRandom } from '../io/system-random.ts';
import { openIndexMemory, type UnitMemory } from '../io/unit-memory.ts';
import { withTimings } from '../recording/disk-timings.ts';
import { EventLog } from '../recording/event-log.ts';
import type { IndexStore } from '../recording/index-store.ts';
import { openRecorder, type Recorder } from '../recording/recorder.ts';
import { reserveBytesOf } from '../recording/retention-rules.ts';
import type { Log } from '../runtime/log.ts';
import type { ServiceStack } from '../runtime/service-stack.ts';
import type { SiteSettings } from '../site/site-settings.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { IngestTable } from './ingest-table.ts';
import { RecordingCare } from './recording-care.ts';

export interface RecordingOptions {
  readonly config: ServerUnitConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly clockTrusted: () => boolean;
  readonly metrics: Metrics;
  /** what people have set for the site */
  readonly settings: SiteSettings;
}

export interface RecordingParts {
  readonly index: IndexStore;
  readonly recorder: Recorder;
  readonly memory: UnitMemory;
  readonly care: RecordingCare;
  readonly eventLog: EventLog;
}

/** Recordings, their index, and what the overlay remembers in it. */
export async function openRecording(
  { config, clock, log, clockTrusted, metrics, settings }: RecordingOptions,
  services: ServiceStack,
  ingests: IngestTable,
): Promise<RecordingParts> {
  const { volumes, segmentSeconds, syncIntervalMs, retention } = config.server;
  const ballast = new Ballast(config.data);
  const index = await openLevelStore(join(config.data, 'index'), () => ballast.giveWay());
  // The recorder closes it, if there comes to be one.
  services.use(index);
  let care: RecordingCare | undefined = undefined;
  const recorder = await openRecorder({
    disk: withTimings(realDisk, clock, metrics),
    threads: diskThreads(),
    index,
    volumes,
    segmentSeconds,
    syncIntervalMs,
    clock,
    owner: { site: config.site.name, server: config.unit },
    present: (folder) => checkGround(boxFiles(), folder),
    newId: () => systemRandom.bytes(8).toString('hex'),
    reserveBytes: (totalBytes) => reserveBytesOf(totalBytes, retention.reserveMb),
    onUsable: (usable) => care?.usable(usable),
    onFull: (volume) => care?.full(volume),
    onGap: (gap) => metrics.gap(gap),
    onGapRefused: (camera) => log('warn', `${camera} explains more gaps than can be: some are left out`),
  });
  services.use(recorder);
  for (const note of recorder.recovery.notes) log('warn', `start-up recovery: ${note}`);
  if (recorder.recovery.recovered > 0) {
    log('info', `start-up recovery: ${recorder.recovery.recovered} unsealed segments indexed`);
  }
  const eventLog = new EventLog({ index, clock, log });
  services.use(eventLog);
  const memory = await openIndexMemory(index, { clock, log });
  services.use(memory);
  care = new RecordingCare({
    server: config.unit,
    recorder,
    settings: retention,
    site: () => ({ days: settings.ofServer(config.unit).days, cameras: settings.allCameras() }),
    clock,
    clockTrusted,
    log,
    cameras: () => ingests.seen(),
    ballast,
  });
  services.use(care);
  return { index, recorder, memory, care, eventLog };
}
