/** Deadlines: a disk that hangs fails its callers after a while. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { withDeadline } from '../../firmware/recording/disk-deadline.ts';
import { withLanes } from '../../firmware/recording/disk-lanes.ts';
import { diskContract } from '../support/disk-contract.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { SimulatedMachine } from '../support/simulated-machine.ts';
import { turn } from '../support/simulated-recorder.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** Whatever takes long hangs. */
const hanging = { hangsMs: () => 10_000 };

diskContract('a disk with a deadline', async () => {
  const simulated = new SimulatedDisk(new SimulatedMachine(1), 1e9);
  const disk = withDeadline(Object.assign(simulated, hanging), new VirtualClock(), 10_000);
  await disk.createDirectory('/disk');
  return { disk, folder: '/disk', close: async () => undefined };
});

test('every call of a disk that hangs fails after its time, and late files are closed', async () => {
  const machine = new SimulatedMachine(1);
  const below = new SimulatedDisk(machine);
  await below.createDirectory('/disk');
  let closed = 0;
  const clock = new VirtualClock();
  const disk = withDeadline(
    Object.assign(Object.create(below) as SimulatedDisk, {
      ...hanging,
      createFile: async (path: string) => {
        const file = await below.createFile(path);
        if (file === undefined) return undefined;
        return Object.assign(Object.create(file) as typeof file, {
          close: async () => {
            closed += 1;
            await file.close();
          },
        });
      },
    }),
    clock,
    10_000,
  );
  const open = await disk.createFile('/disk/open');
  assert(open !== undefined, 'not created');
  const release = machine.stall('/disk');
  const calls = [
    disk.createDirectory('/disk/folder'),
    disk.createFile('/disk/late'),
    disk.syncDirectory('/disk'),
    disk.truncate('/disk/open', 0),
    disk.remove('/disk/open'),
    disk.removeDirectory('/disk/folder'),
    disk.read('/disk/open', 0, 1),
    disk.size('/disk/open'),
    disk.list('/disk'),
    disk.usage('/disk'),
    open.append([Buffer.of(1)]),
    open.sync(),
  ];
  const failures: unknown[] = [];
  for (const call of calls) call.catch((error: unknown) => failures.push(error));
  clock.advance(9_999);
  await turn();
  assert.equal(failures.length, 0);
  clock.advance(1);
  await turn();
  assert.equal(failures.length, calls.length);
  for (const error of failures) {
    assert(error instanceof Failure, 'not a failure');
    assert.equal(error.code, 'FILE_IO');
    assert.match(error.message, /does not answer/);
  }
  assert.equal(closed, 0);
  release();
  await turn();
  assert.equal(closed, 1);
});

test('whoever waits for a turn at a disk that works, however slowly, gets it', async () => {
  const below = new SimulatedDisk(new SimulatedMachine(1));
  await below.createDirectory('/disk');
  const clock = new VirtualClock();
  let hangs = false;
  const slow = Object.assign(Object.create(below) as SimulatedDisk, {
    syncDirectory: (): Promise<void> =>
      new Promise((resolve) => {
        if (!hangs) clock.after(4_000, resolve);
      }),
  });
  const disk = withDeadline(withLanes(slow, ['/disk'], { writes: 1, reads: 1 }, clock), clock, 10_000);
  const outcomes: string[] = [];
  const sync = (): void => {
    disk.syncDirectory('/disk').then(
      () => outcomes.push('synced'),
      () => outcomes.push('failed'),
    );
  };
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      clock.advance(1_000);
      await turn();
    }
  };
  for (let call = 0; call < 6; call++) sync();
  await turn();
  await pass(25);
  assert.deepEqual(outcomes, Array(6).fill('synced'));
  hangs = true;
  for (let call = 0; call < 3; call++) sync();
  await turn();
  await pass(9);
  assert.equal(outcomes.length, 6);
  await pass(1);
  assert.deepEqual(outcomes.slice(6), ['failed', 'failed', 'failed'], 'one hangs, and those behind it');
});
