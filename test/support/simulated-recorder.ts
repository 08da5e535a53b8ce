/** A recorder with two volumes on simulated disks in virtual time, which can be started again on what is there. */
import { openRecorder, type Recorder } from '../../firmware/recording/recorder.ts';
import { Recording } from './recorder-rig.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedIndex } from './simulated-index.ts';
import { SimulatedMachine } from './simulated-machine.ts';
import { VirtualClock } from './virtual-clock.ts';

export class SimulatedRecorder {
  readonly machine = new SimulatedMachine(1);
  readonly disk = new SimulatedDisk(this.machine);
  readonly index = new SimulatedIndex(this.machine);
  readonly usable: boolean[] = [];
  clock = new VirtualClock();
  recorder: Recorder;
  private ids = 1;

  private constructor(recorder: Recorder) {
    this.recorder = recorder;
  }

  static async open(): Promise<SimulatedRecorder> {
    const bench = new SimulatedRecorder(undefined as unknown as Recorder);
    await bench.start();
    return bench;
  }

  /** The process is killed, and started again. */
  async restart(): Promise<void> {
    this.machine.stop();
    await turn();
    this.machine.revive();
    await this.start();
  }

  /** As a unit's start would, on what is there. */
  async start(): Promise<void> {
    this.clock = new VirtualClock(this.clock.utcMs());
    this.recorder = await openRecorder({
      disk: this.disk,
      index: this.index.open(),
      threads: 8,
      volumes: ['/one', '/two'],
      segmentSeconds: 60,
      syncIntervalMs: 1_000,
      clock: this.clock,
      owner: { site: 'lab', server: 'shed' },
      newId: () => (this.ids++).toString(16).padStart(16, '0'),
      reserveBytes: () => 0,
      onUsable: (usable) => this.usable.push(usable),
    });
  }

  record(camera: string, epoch = 1): Recording {
    return new Recording(this, camera, epoch);
  }

  async pass(seconds: number): Promise<void> {
    await turn();
    for (let second = 0; second < seconds; second++) {
      this.clock.advance(1_000);
      await turn();
    }
  }

  /** Folders of the files of a camera. */
  folders(camera: string): string[] {
    return ['/one', '/two'].filter((folder) => this.disk.files(`${folder}/${camera}`).size > 0);
  }

  states(): string[] {
    return this.recorder.volumes.status().map(({ state }) => state.is);
  }

  syncs(part: string): number {
    return this.machine.trace.filter((line) => line.includes(' sync ') && line.includes(part)).length;
  }
}

/** Everything that microtasks lead to has happened. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
