/** Lanes: how many calls of a volume are under way at a time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneWidths, withLanes } from '../../firmware/recording/disk-lanes.ts';
import { diskContract } from '../support/disk-contract.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { SimulatedMachine } from '../support/simulated-machine.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

diskContract('a disk with lanes', async () => {
  const disk = withLanes(
    new SimulatedDisk(new SimulatedMachine(1), 1e9),
    ['/disk'],
    { writes: 1, reads: 1 },
    new VirtualClock(),
  );
  await disk.createDirectory('/disk');
  return { disk, folder: '/disk', close: async () => undefined };
});

test('a volume that hangs holds no more calls than its lanes are wide, and no other volume back', async () => {
  const machine = new SimulatedMachine(1);
  const below = new SimulatedDisk(machine);
  for (const folder of ['/a', '/b', '/a/inside']) await below.createDirectory(folder);
  let under = 0;
  const disk = withLanes(
    {
      createFile: (path) => below.createFile(path),
      read: (path, offset, length) => below.read(path, offset, length),
      size: (path) => below.size(path),
      list: (path) => below.list(path),
      usage: (path) => below.usage(path),
      truncate: (path, size) => below.truncate(path, size),
      remove: (path) => below.remove(path),
      removeDirectory: (path) => below.removeDirectory(path),
      createDirectory: (path) => below.createDirectory(path),
      syncDirectory: async (path) => {
        under += 1;
        await below.syncDirectory(path);
        under -= 1;
      },
    },
    ['/a', '/b', '/a/inside'],
    { writes: 3, reads: 1 },
    new VirtualClock(),
  );
  const release = machine.stall('/a');
  const order: number[] = [];
  const waiting = Array.from({ length: 10 }, (_, number) =>
    disk.syncDirectory('/a').then(() => order.push(number)),
  );
  await turn();
  assert.equal(under, 3);
  await disk.syncDirectory('/b');
  void disk.syncDirectory('/a/inside');
  await turn();
  assert.equal(under, 4, 'a volume inside another has lanes of its own');
  release();
  await Promise.all(waiting);
  assert.deepEqual(
    order,
    Array.from({ length: 10 }, (_, number) => number),
  );
  await disk.syncDirectory('/a');
  await turn();
  assert.equal(under, 0);
});

test('the lanes of all volumes leave a thread for the index', () => {
  assert.deepEqual(laneWidths(4, 1), { writes: 2, reads: 1 });
  assert.deepEqual(laneWidths(32, 2), { writes: 12, reads: 3 });
  for (const threads of [4, 8, 16, 64]) {
    for (const volumes of [1, 2, 3, 4]) {
      const { writes, reads } = laneWidths(threads, volumes);
      assert(writes >= 1 && reads >= 1, 'no lane is closed');
      if (threads >= 4 * volumes)
        assert((writes + reads) * volumes < threads, `${threads} threads, ${volumes} volumes`);
    }
  }
});

test('viewers who read slowly hold back neither the marker of the volume nor its usage', async () => {
  const below = new SimulatedDisk(new SimulatedMachine(1));
  await below.createDirectory('/a');
  let readers = 0;
  const hanging = new Promise<never>(() => undefined);
  const disk = withLanes(
    Object.assign(Object.create(below) as SimulatedDisk, {
      read: (path: string) => {
        readers += 1;
        return path.endsWith('.mp4') ? hanging : Promise.resolve(Buffer.from('marker'));
      },
    }),
    ['/a/'],
    { writes: 1, reads: 1 },
    new VirtualClock(),
  );
  for (let viewer = 0; viewer < 30; viewer++) void disk.read('/a/door/day/segment.mp4', 0, 10);
  await turn();
  assert.equal(readers, 1);
  assert.equal((await disk.read('/a/.starling-volume', 0, 6)).toString(), 'marker');
  await disk.usage('/a');
});
