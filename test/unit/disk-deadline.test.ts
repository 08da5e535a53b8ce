/** Deadlines: a disk that hangs fails its callers after a while. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { withDeadline } from '../../firmware/recording/disk-deadline.ts';
import { diskContract } from '../support/disk-contract.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { SimulatedMachine } from '../support/simulated-machine.ts';
import { turn } from '../support/simulated-recorder.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

diskContract('a disk with a deadline', async () => {
  const simulated = new SimulatedDisk(new SimulatedMachine(1), 1e9);
  const disk = withDeadline(simulated, new VirtualClock(), 10_000);
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
