/** What looks after recordings on a server: its timers, its alarms, protected ranges in the site document. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DocumentRow } from '../../firmware/overlay/packets.ts';
import type { LostCamera } from '../../firmware/recording/recording-alarm.ts';
import { RecordingCare } from '../../firmware/roles/recording-care.ts';
import { minuteUs, startUs } from '../support/index-rig.ts';
import { until } from '../support/recorder-rig.ts';
import { RetentionRig } from '../support/retention-rig.ts';

class CareRig implements AsyncDisposable {
  readonly log: string[] = [];
  readonly told: boolean[] = [];
  readonly care: RecordingCare;
  readonly rig: RetentionRig;
  documentIsFull = false;
  lost: LostCamera[] = [];
  cameras: { camera: string; receivedBytes: number; durableThroughUs: number | undefined }[] = [];
  private count = 0;

  private constructor(rig: RetentionRig, days?: number) {
    this.rig = rig;
    this.care = new RecordingCare({
      ballast: { lay: async () => undefined },
      server: 'ss-1',
      recorder: { ...rig.parts(), usable: () => true, indexProblem: () => undefined, openSegments: () => [] },
      settings: { days, reserveMb: 0, cameras: [] },
      clock: rig.clock,
      clockTrusted: () => true,
      log: (level, message) => this.log.push(`${level} ${message}`),
      cameras: () => this.cameras,
    });
  }

  static async open(days?: number): Promise<CareRig> {
    return new CareRig(await RetentionRig.open(), days);
  }

  /** A second passes, and what begins in it may begin. */
  async second(): Promise<void> {
    this.rig.clock.advance(1_000);
    await new Promise(setImmediate);
  }

  start(document: DocumentRow[] = []): void {
    const shell = {
      capacity: (usable: boolean) => this.told.push(usable),
      write: (kind: string, id: string, value: Buffer | undefined) => {
        this.count += 1;
        const row = { kind, id, time: { ms: 1, count: this.count }, author: 'ss-1', value };
        if (!this.documentIsFull) this.care.documentChanged([row]);
      },
    };
    this.care.start(shell, document, () => this.lost);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.care[Symbol.asyncDispose]();
    await this.rig[Symbol.asyncDispose]();
  }
}

test('what is too old goes an hour after the start, but never what is protected; the log says how much', async () => {
  await using it = await CareRig.open(1);
  const day = 24 * 60;
  for (const minute of [-3 * day, -3 * day + 1, -3 * day + 2, 0])
    await it.rig.record('door', minute + 4 * day);
  it.rig.clock.advance(4 * 86_400_000);
  it.start();
  const fromUs = startUs + (day + 1) * minuteUs + 1;
  assert.ok(it.care.add({ camera: 'door', fromUs, toUs: fromUs + 1, note: '', by: 'ann' }).ok);
  const startedMs = it.rig.clock.monotonicMs();
  await until('the log says so', () => {
    it.rig.clock.advance(10_000);
    return it.log.length > 0;
  });
  assert.ok(it.rig.clock.monotonicMs() - startedMs > 3_600_000, 'a board may wake with a wrong date');
  assert.deepEqual(await it.rig.left('door'), [day + 1, 4 * day]);
  assert.deepEqual(it.log, ['info retention deleted 2 segments, 0 MB']);
});

test('a volume that ran full is given room at once, not at the next look', async () => {
  await using it = await CareRig.open();
  for (let minute = 0; minute < 10; minute++) await it.rig.record('door', minute, 1_000_000);
  it.start();
  const [volume] = it.rig.volumes;
  assert.ok(volume);
  for (let camera = 0; camera < 5; camera++) it.care.full(volume);
  await until('room is made', () => it.rig.checks > 0);
  assert.deepEqual(await it.rig.left('door'), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('protected ranges of the site are known before anything is deleted, and new ones are written for all', async () => {
  await using it = await CareRig.open();
  it.start();
  const wish = { camera: 'door', fromUs: 1, toUs: 2, note: 'the parcel', by: 'ann' };
  const added = it.care.add(wish);
  assert.ok(added.ok);
  assert.deepEqual(it.care.of('door'), [{ ...wish, id: 'door.ss-1.1', atUs: added.value.atUs }]);
  assert.equal(it.care.remove('door', 'door.ss-1.1'), true);
  assert.equal(it.care.remove('door', 'door.ss-1.1'), false);
  it.documentIsFull = true;
  assert.deepEqual(it.care.add(wish), { ok: false, reason: 'the site document is full' });
});

test('a camera that no server has is told of', async () => {
  await using it = await CareRig.open();
  it.start();
  it.lost = [{ camera: 'yard', text: 'yard is off' }];
  for (let second = 0; second < 62; second++) await it.second();
  assert.deepEqual(
    it.care.alarms().map(({ id, kind }) => [id, kind]),
    [['camera/yard', 'gone']],
  );
});

test('an alarm is logged when it is raised and when it is over', async () => {
  await using it = await CareRig.open();
  it.start();
  it.cameras = [{ camera: 'door', receivedBytes: 5, durableThroughUs: 5 }];
  for (let n = 0; n < 12; n++) await it.second();
  assert.deepEqual(
    it.care.alarms().map(({ id }) => id),
    ['camera/door'],
  );
  it.cameras = [];
  await it.second();
  assert.deepEqual(it.log, [
    'error recording alarm: door has sent nothing for 10 s: it is not recorded',
    'info recording alarm is over: door has sent nothing for 10 s: it is not recorded',
  ]);
  assert.deepEqual(it.told, []);
});

test('the network is told when nothing can be recorded, and nothing runs on after the end', async () => {
  await using it = await CareRig.open();
  it.start();
  it.care.usable(false);
  it.care.usable(true);
  assert.deepEqual(it.told, [false, true]);
  assert.equal(it.rig.clock.pending, 4);
  await it.care[Symbol.asyncDispose]();
  assert.equal(it.rig.clock.pending, 0);
});
