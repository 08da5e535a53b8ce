/**
 * A day of a server with two cameras and two volumes on a simulated machine: GOPs come, segments roll, retention
 * deletes, disks fail, the server is stopped, killed, loses its power at chosen steps and starts again; the cameras
 * deliver again what was not acknowledged. What the recorder has promised is checked after every start and at the end.
 * One seed decides everything.
 */
import assert from 'node:assert/strict';
import { parseFragment } from '../../firmware/media/mp4-scanner.ts';
import { finishDeletions } from '../../firmware/recording/deletion.ts';
import { openRecorder, type Recorder } from '../../firmware/recording/recorder.ts';
import { segmentPath } from '../../firmware/recording/segment-writer.ts';
import { Stream } from '../sim/randomness.ts';
import { DayCamera, payloadOf } from './day-camera.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedIndex } from './simulated-index.ts';
import { SimulatedMachine } from './simulated-machine.ts';
import { turn } from './simulated-recorder.ts';
import { VirtualClock } from './virtual-clock.ts';

const volumes = ['/one', '/two/media'];
const always = { fromUs: 0, toUs: 9_000_000_000_000_000, limit: 100_000 };
/** Shortly before midnight, so that segments lie in the folders of two days. */
const startMs = Date.parse('2026-11-22T23:59:50Z');

/** What a run did, for messages and for choosing steps to crash at. */
export interface DayReport {
  readonly steps: number;
  readonly crashes: number;
  readonly acknowledged: number;
  readonly lines: readonly string[];
}

export interface DayOptions {
  readonly seed: number;
  readonly actions: number;
  /** steps, counted over the whole day, at which the machine stops */
  readonly crashes: readonly number[];
}

/** Knows which files it did not let be cut. */
class DayDisk extends SimulatedDisk {
  readonly uncut = new Set<string>();

  override async truncate(path: string, size: number): Promise<void> {
    this.uncut.add(path);
    await super.truncate(path, size);
    this.uncut.delete(path);
  }
}

class Day {
  readonly machine: SimulatedMachine;
  readonly disk: DayDisk;
  readonly lines: string[] = [];
  crashed = 0;
  private readonly index: SimulatedIndex;
  private readonly random: Stream;
  private readonly cameras = [new DayCamera('door'), new DayCamera('gate')];
  private readonly options: DayOptions;
  private readonly crashes: number[];
  /** samples that retention may have deleted, as `<capture>/<sequence>` */
  private readonly deleted = new Set<string>();
  private clock = new VirtualClock(startMs);
  private recorder: Recorder | undefined;
  private epoch = 0;
  private ids = 1;

  constructor(options: DayOptions) {
    this.options = options;
    this.machine = new SimulatedMachine(options.seed);
    this.disk = new DayDisk(this.machine);
    this.index = new SimulatedIndex(this.machine);
    this.random = new Stream(options.seed, 'day');
    this.crashes = [...options.crashes];
  }

  async run(): Promise<DayReport> {
    this.machine.revive(this.crashes.shift());
    await this.start();
    for (let action = 0; action < this.options.actions; action++) {
      await this.act();
      await this.restartAfterCrash();
    }
    await this.evening();
    let acknowledged = 0;
    for (const camera of this.cameras)
      for (const last of camera.acknowledged.values()) acknowledged += last + 1;
    return { steps: this.machine.steps, crashes: this.crashed, acknowledged, lines: this.lines };
  }

  /** Nothing fails any more: everything the cameras have gets recorded, and survives one more power cut. */
  private async evening(): Promise<void> {
    this.say('evening');
    this.machine.revive();
    this.machine.heal();
    for (let round = 0; round < 4; round++) {
      await this.pass(31);
      this.reattach();
      await turn();
    }
    await this.stop();
    for (const { id, outbox } of this.cameras)
      assert.equal(outbox.length, 0, `${id} still has samples to deliver`);
    this.disk.cutPower();
    await this.start();
    await this.stop();
  }

  private async act(): Promise<void> {
    const { random } = this;
    const camera = random.pick(this.cameras);
    const what = random.unit();
    if (what < 0.5) camera.gop(random);
    else if (what < 0.72) this.clock.advance(1_000);
    else if (what < 0.75) await this.pass(31);
    else if (what < 0.82) await this.deleteOldest(random.whole(0, 1), random.whole(1, 3));
    else if (what < 0.86) camera.nextCapture();
    else if (what < 0.92) this.breakSomething();
    else if (what < 0.95) await this.detach(camera);
    else if (what < 0.975) await this.restart('stopped');
    else await this.restart('killed');
    // Sometimes the next thing happens while this one is under way.
    if (random.chance(0.7)) await turn();
    this.reattach();
  }

  /** Second by second: what happens in one takes no time. */
  private async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.clock.advance(1_000);
      await turn();
    }
  }

  private breakSomething(): void {
    const { random } = this;
    const kind = random.pick(['sync', 'write', 'create', 'unlink', 'truncate'] as const);
    const path = random.pick(['/one', '/two', 'door', 'gate']);
    const code = random.pick(['FILE_IO', 'DISK_FULL'] as const);
    this.say(`the next ${kind} on ${path} fails with ${code}`);
    this.machine.fail(kind, path, code, random.whole(1, 2));
  }

  private async detach(camera: DayCamera): Promise<void> {
    const { recorder } = camera;
    camera.recorder = undefined;
    if (recorder !== undefined) await this.alive(this.recorder?.finish(recorder));
  }

  private reattach(): void {
    const { recorder } = this;
    if (recorder === undefined || this.machine.dead || !recorder.usable()) return;
    for (const camera of this.cameras) {
      if (camera.recorder !== undefined) continue;
      this.epoch += 1;
      camera.attach(recorder, this.epoch, startMs * 1000);
    }
  }

  private async deleteOldest(volume: number, count: number): Promise<void> {
    const { recorder } = this;
    if (recorder === undefined) return;
    const { ledger, archive } = recorder;
    const work = async (): Promise<void> => {
      const refs = await ledger.oldest(volume, count);
      for (const { camera, name } of refs) {
        const detail = await archive.detail(camera, name);
        for (const { tracks } of detail?.fragments ?? []) {
          for (const { firstSequence, count: samples } of tracks) {
            for (let place = 0; place < samples; place++)
              this.deleted.add(`${detail?.listing.captureId}/${firstSequence + place}`);
          }
        }
      }
      this.say(`retention deletes ${refs.map(({ name }) => name).join(' ')}`);
      await ledger.discard(refs);
      await finishDeletions({ disk: recorder.disk, ledger, volumes: recorder.volumes });
    };
    await this.alive(work());
  }

  private async restart(how: 'stopped' | 'killed'): Promise<void> {
    this.say(how);
    if (how === 'stopped') await this.stop();
    else {
      // What is under way never happens.
      this.machine.stop();
      await turn();
      this.recorder = undefined;
    }
    if (this.machine.dead) this.machine.revive(this.machine.crashAt);
    await this.start();
  }

  private async stop(): Promise<void> {
    for (const camera of this.cameras) camera.recorder = undefined;
    const { recorder } = this;
    this.recorder = undefined;
    await this.alive(recorder?.[Symbol.asyncDispose]());
  }

  private async restartAfterCrash(): Promise<void> {
    while (this.machine.dead) {
      await turn();
      this.crashed += 1;
      const cut = this.random.chance(0.7);
      this.say(`${cut ? 'power cut' : 'killed'} at ${this.machine.trace.at(-1)}`);
      if (cut) this.disk.cutPower();
      this.recorder = undefined;
      this.machine.revive(this.crashes.shift());
      await this.start();
    }
  }

  private async start(): Promise<void> {
    for (const camera of this.cameras) camera.recorder = undefined;
    this.clock = new VirtualClock(this.clock.utcMs() + 1_000);
    const opened = openRecorder({
      disk: this.disk,
      index: this.index.open(),
      threads: 8,
      volumes,
      segmentSeconds: 3,
      syncIntervalMs: 1_000,
      clock: this.clock,
      owner: { site: 'lab', server: 'shed' },
      newId: () => (this.ids++).toString(16).padStart(16, '0'),
      reserveBytes: () => 0,
    });
    this.recorder = await this.alive(opened);
    if (this.recorder === undefined) return;
    for (const note of this.recorder.recovery.notes) this.say(`note: ${note}`);
    const { volumes: places, recovery } = this.recorder;
    // Where something failed while it started, the rest is for the next start.
    const sound = places.status().every(({ state }) => state.is === 'ok');
    if (sound && !recovery.notes.join().includes('as the test wants')) await this.check(this.recorder);
    if (!this.machine.dead) this.reattach();
  }

  /** What the recorder promises after a start. */
  private async check(recorder: Recorder): Promise<void> {
    await this.alive(this.checkRows(recorder));
    await this.alive(this.checkSamples(recorder));
  }

  private async checkRows({ ledger, archive, volumes: places }: Recorder): Promise<void> {
    assert.deepEqual(await ledger.garbage(), [], 'deletions are finished');
    const open = (await ledger.unsealed()).map(({ camera, name }) => `${camera}/${name}`);
    assert.deepEqual(open, [], 'nothing is left open');
    const expected = new Map<string, number>();
    let segments = 0;
    for (const key of this.index.keys('t/')) {
      const [, volume = '', , camera = '', ...name] = key.split('/');
      const place = places.byNumber(Number(volume));
      assert(place !== undefined, `no volume ${volume}`);
      const detail = await archive.detail(camera, name.join('/'));
      assert(detail !== undefined, `${key} is not listed`);
      const path = segmentPath(place, camera, name.join('/'));
      assert.equal(expected.has(path), false, `${path} is listed twice`);
      expected.set(path, detail.listing.bytes);
      segments += 1;
    }
    assert.equal(this.index.keys('s/').length, segments, 'listings and rows of retention');
    let counted = 0;
    for (const sum of ledger.totals().values()) counted += sum.segments;
    assert.equal(counted, segments, 'totals');
    const files = new Map<string, Buffer>();
    for (const folder of volumes) for (const [path, bytes] of this.disk.files(folder)) files.set(path, bytes);
    for (const [path, bytes] of expected) {
      const size = files.get(path)?.length;
      assert(size !== undefined, `${path} has a row and no file`);
      const fits = this.disk.uncut.has(path) ? size >= bytes : size === bytes;
      assert(fits, `${path} has ${size} bytes, its row says ${bytes}`);
    }
    const orphans = [...files.keys()].filter((path) => !path.includes('/.starling-') && !expected.has(path));
    assert.deepEqual(orphans, [], 'files without a row');
  }

  private async checkSamples({ archive }: Recorder): Promise<void> {
    for (const camera of this.cameras) {
      const readable = new Set<string>();
      for (const { name, captureId } of await archive.segments(camera.id, always)) {
        let last = -1;
        for (const { offset, bytes } of (await archive.detail(camera.id, name))?.fragments ?? []) {
          const parsed = parseFragment(await archive.read(camera.id, name, offset, bytes));
          assert(parsed.ok, `${name} at ${offset}: ${parsed.ok ? '' : parsed.reason}`);
          for (const { sequence, payload, bytes: length } of parsed.value.batches[0]?.samples ?? []) {
            assert(sequence > last, `${name}: ${sequence} after ${last}`);
            last = sequence;
            if (payload[0] !== undefined && payloadOf(captureId, sequence, length).equals(payload[0]))
              readable.add(`${captureId}/${sequence}`);
          }
        }
      }
      for (const [captureId, through] of camera.acknowledged) {
        for (let sequence = 0; sequence <= through; sequence++) {
          const sample = `${captureId}/${sequence}`;
          assert(readable.has(sample) || this.deleted.has(sample), `acknowledged, and lost: ${sample}`);
        }
      }
    }
  }

  /** Waits for work, unless the machine stops. */
  private async alive<T>(work: PromiseLike<T> | undefined): Promise<T | undefined> {
    return Promise.race([work, this.machine.died.then(() => undefined)]);
  }

  private say(line: string): void {
    this.lines.push(`${this.machine.steps}: ${line}`);
  }
}

/** Plays a day; rejects with what was broken, and how to see it again. */
export async function playDay(options: DayOptions): Promise<DayReport> {
  const day = new Day(options);
  try {
    return await day.run();
  } catch (error) {
    const story = [...day.lines.slice(-30), ...day.machine.trace.slice(-15)].join('\n  ');
    const { seed, actions, crashes } = options;
    throw new Error(
      `seed ${seed}, ${actions} actions, crashes at [${crashes.join(', ')}]: ${String(error)}\n  ${story}`,
      { cause: error },
    );
  }
}
