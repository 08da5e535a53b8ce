/**
 * A site under load for tests of the recorder: servers of the real bundle and synthetic cameras that keep journals, one
 * machine each, on one LAN. A test does harm to it and then asks for the verdict: `verifyAll`.
 */
import assert from 'node:assert';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { UnitOverrides } from '../../firmware/config/enrollment.ts';
import type { RecordingsAnswer, StatusAnswer } from '../../firmware/viewing/api.ts';
import { readFiles, readOverApi } from './archive-readers.ts';
import { type Finding, formatVerdict, type Verdict, verify } from './archive-verifier.ts';
import { type CameraHistory, readJournal } from './camera-journal.ts';
import { Namespaces, type Switch } from './namespaces.ts';
import { Field, type FieldUnit } from './namespaces-units.ts';
import { until } from './network.ts';
import { journalPath, type SyntheticLoad } from './synthetic-camera.ts';
import { addSyntheticUnits } from './synthetic-unit-process.ts';

/** Ten pictures a second of 4 kB with sound: a GOP of half a second, 45 kB/s. */
const load: SyntheticLoad = { frameMs: 100, framesPerGroup: 5, sampleBytes: 4_000, sound: true };
const durableMs = 60_000;
const lookMs = 200;

type ServerSettings = NonNullable<UnitOverrides['server']>;

export interface RecordingFieldOptions {
  readonly servers: number;
  readonly cameras: number;
  /** machines and processes that the cameras are spread over; 1 unless told otherwise */
  readonly cameraMachines?: number;
  /** when all is there and nothing runs yet */
  readonly beforeStart?: (site: RecordingField) => void;
  /** numbers of servers that are not started with the others */
  readonly asleep?: readonly number[];
  /** of all servers; segments are 4 s long unless told otherwise */
  readonly settings?: ServerSettings;
  /** of one server, by its number from 1 */
  readonly settingsOf?: (number: number) => ServerSettings;
  readonly load?: Partial<SyntheticLoad>;
  /** of all camera units */
  readonly cameraSettings?: UnitOverrides['camera'];
}

export class RecordingField implements Disposable {
  readonly rig = new Namespaces();
  readonly lan: Switch = this.rig.switch();
  readonly servers: FieldUnit[] = [];
  readonly cameras: string[] = [];
  /** folders of recordings that are not below the servers' data */
  readonly volumes: string[] = [];
  /** processes of cameras */
  readonly cams: FieldUnit[] = [];
  private made: Field | undefined;

  /** Makes the site and starts it; resolves when all cameras are managed and something of each is durable. */
  static async open(options: RecordingFieldOptions): Promise<RecordingField> {
    const opened = new RecordingField();
    try {
      await opened.begin(options);
      return opened;
    } catch (error) {
      opened[Symbol.dispose]();
      throw error;
    }
  }

  private async begin(options: RecordingFieldOptions): Promise<void> {
    const { rig, lan } = this;
    const field = await Field.open(rig);
    for (let number = 1; number <= options.servers; number++) {
      const machine = rig.machine(`ss-${number}`);
      lan.plug(machine, `fd00:1::${number}/64`);
      const settings = { segmentSeconds: 4, ...options.settings, ...options.settingsOf?.(number) };
      for (const volume of settings.volumes ?? []) this.volumes.push(volume);
      this.servers.push(await field.server(`ss-${number}`, machine, settings));
    }
    for (let number = 1; number <= options.cameras; number++) this.cameras.push(`cam-${number}`);
    mkdirSync(this.journals);
    const camera = options.cameraSettings;
    const journaled = { ...load, ...options.load, journals: this.journals };
    const processes = options.cameraMachines ?? 1;
    for (let number = 0; number < processes; number++) {
      const machine = rig.machine(`cams-${number + 1}`);
      lan.plug(machine, `fd00:1::10${number}/64`);
      const ids = this.cameras.filter((_, place) => place % processes === number);
      this.cams.push(await addSyntheticUnits(field, machine, ids, { load: journaled, camera }));
    }
    this.made = field;
    options.beforeStart?.(this);
    const awake = this.servers.filter((_, place) => !options.asleep?.includes(place + 1));
    for (const unit of [...awake, ...this.cams]) unit.start();
    await this.untilWhole('cold start');
    await this.untilDurable('the first pictures are durable');
  }

  get field(): Field {
    assert(this.made, 'the field is open');
    return this.made;
  }

  private get journals(): string {
    return join(this.rig.folder, 'journals');
  }

  server(number: number): FieldUnit {
    const server = this.servers[number - 1];
    assert(server, `no server ${number}`);
    return server;
  }

  /** A process of cameras, from 1. */
  camerasOf(machine: number): FieldUnit {
    const cams = this.cams[machine - 1];
    assert(cams, `no cameras on machine ${machine}`);
    return cams;
  }

  get running(): FieldUnit[] {
    return this.servers.filter(({ isRunning }) => isRunning);
  }

  /** Waits until all servers that run are one network that manages every camera once. */
  untilWhole(what: string, servers = this.running): Promise<number> {
    return this.field.untilWhole(what, servers, this.cameras, 60_000);
  }

  /** What a camera has written down so far. */
  history(camera: string): CameraHistory {
    return readJournal(journalPath(this.journals, camera), camera);
  }

  histories(): CameraHistory[] {
    return this.cameras.map((camera) => this.history(camera));
  }

  /** Waits until every camera has captured so many samples more; a second of pictures and sound is 57. */
  async untilLater(samples: number): Promise<void> {
    const before = this.histories().map(samplesOf);
    const more = (): boolean =>
      this.histories().every((history, place) => samplesOf(history) > (before[place] ?? 0) + samples);
    await until(`${samples} samples more are captured`, more, durableMs);
  }

  /** What a server says of itself, by its number from 1. */
  status(server: number): Promise<StatusAnswer> {
    return this.server(server).machine.ask('/api/status');
  }

  /** Waits until everything that the cameras' present runs had captured when it was called is durable. */
  async untilDurable(what: string, limitMs = durableMs): Promise<void> {
    const goals = this.newest();
    const trouble = (): string | undefined => {
      // A camera that was started anew has another goal.
      for (const [camera, goal] of this.newest()) {
        if (goals.get(camera)?.captureId !== goal.captureId) goals.set(camera, goal);
      }
      return this.cameras.find((camera) => !this.isDurable(camera, goals.get(camera)));
    };
    const reached = async (): Promise<boolean> => {
      if (trouble() === undefined) return true;
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      return false;
    };
    await until(what, reached, limitMs).catch(() => {
      this.field.tellAll();
      const camera = trouble() ?? 'a camera';
      const { captureId, sequence } = goals.get(camera) ?? { captureId: 'nothing', sequence: 0 };
      assert.fail(`${what}: not within ${limitMs} ms: ${camera} ${captureId} #${sequence} is not durable`);
    });
  }

  /** The newest sample of each camera: its capture and sequence of the first track. */
  private newest(): Map<string, { captureId: string; sequence: number }> {
    const newest = new Map<string, { captureId: string; sequence: number }>();
    for (const { camera, tracks } of this.histories()) {
      const track = tracks.filter(({ trackId }) => trackId === 1).at(-1);
      const sequence = (track?.samples.length ?? 0) - 1;
      if (track !== undefined && sequence >= 0) newest.set(camera, { captureId: track.captureId, sequence });
    }
    return newest;
  }

  private isDurable(camera: string, goal: { captureId: string; sequence: number } | undefined): boolean {
    const tracks = this.history(camera).tracks.filter(({ trackId }) => trackId === 1);
    const track = tracks.find(({ captureId }) => captureId === goal?.captureId);
    return goal !== undefined && track !== undefined && track.durableThrough >= goal.sequence;
  }

  /**
   * Stops the cameras as they should be stopped, then looks at everything: over the API of a server, then, with the
   * servers stopped as well, straight in the files. Fails with all that is wrong.
   */
  async verifyAll(asked = this.server(1)): Promise<Verdict[]> {
    await Promise.all(this.cams.map((one) => one.stop()));
    for (const server of this.servers) if (!server.isRunning) server.start();
    await this.untilReachable(asked);
    const verdicts: Verdict[] = [];
    const readings: Finding[] = [];
    for (const history of this.histories()) {
      const reading = await readOverApi(asked.machine, history.camera);
      readings.push(reading);
      verdicts.push(this.judge(history, reading, true));
    }
    await Promise.all(this.servers.map((server) => server.stop()));
    for (const [place, history] of this.histories().entries()) {
      const files = await readFiles(this.recordingFolders(), history.camera, readings[place]?.gaps ?? []);
      verdicts.push(this.judge(history, files, false));
    }
    const faults = verdicts.flatMap((verdict) => verdict.faults);
    if (faults.length > 0) this.field.tellAll();
    assert.deepEqual(faults, []);
    return verdicts;
  }

  private judge(history: CameraHistory, finding: Finding, once: boolean): Verdict {
    const verdict = verify(history, finding, { once });
    console.log(`${finding.where}: ${formatVerdict(verdict)}`);
    return verdict;
  }

  private recordingFolders(): string[] {
    const own = this.servers.map(({ id }) => join(this.rig.folder, id, 'data', 'recordings'));
    return [...own, ...this.volumes];
  }

  private async untilReachable(asked: FieldUnit): Promise<void> {
    const [camera] = this.cameras;
    await until(
      `${asked.id} reaches all servers`,
      async () => {
        const { servers } = await asked.site();
        if (servers.length !== this.servers.length) return false;
        // Whoever was killed a moment ago is still in the tables: the question is whether it answers.
        const list = await asked.machine.ask<RecordingsAnswer>(
          `/api/cameras/${camera}/recordings?from=2020-01-01T00:00:00Z`,
        );
        return list.unreachable.length === 0;
      },
      60_000,
    );
  }

  [Symbol.dispose](): void {
    (this.made ?? this.rig)[Symbol.dispose]();
  }
}

/** Lets time pass while something is wrong, or until the moment of the next fault. */
export async function lasts(what: string, ms: number): Promise<void> {
  const begun = performance.now();
  await until(what, () => performance.now() - begun >= ms, ms + 10_000);
}

function samplesOf({ tracks }: CameraHistory): number {
  return tracks.reduce((sum, { samples }) => sum + samples.length, 0);
}
