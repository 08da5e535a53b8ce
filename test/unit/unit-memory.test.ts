/** What a unit remembers over a restart: the same promises from a server's index and from a camera's file. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import { decodeRecord, encodeRecord, memoryPrefix } from '../../firmware/io/memory-records.ts';
import { openFileMemory, openIndexMemory, type UnitMemory } from '../../firmware/io/unit-memory.ts';
import { tenuresMax } from '../../firmware/overlay/constants.ts';
import type { Memory, MemoryRecord } from '../../firmware/overlay/effects.ts';
import type { IndexStore } from '../../firmware/recording/index-store.ts';
import { until } from '../support/network.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const network = {
  standing: 'established',
  trusted: true,
  founded: { ms: 1_790_000_000_000, count: 3 },
  founder: 'ss-1',
} as const;
const joinTime = { ms: 1_790_000_000_100, count: 0 };
const servers = [{ server: 'ss-2', link: { host: 'fe80::1%eth0', port: 8383 } }];
const tenure = (camera: string, firstEpoch = 1) => ({
  camera,
  server: 'ss-1',
  firstEpoch,
  lastEpoch: firstEpoch,
  fromUs: -1,
  toUs: 0,
});
const row = (id: string, value: Buffer | undefined) => ({
  kind: 'user',
  id,
  time: joinTime,
  author: 'ss-1',
  value,
});

const records: MemoryRecord[] = [
  { kind: 'network', network, joinTime },
  { kind: 'known', servers },
  { kind: 'manager', server: 'ss-2' },
  { kind: 'tenures', camera: 'cam-1', tenures: [tenure('cam-1'), tenure('cam-1', 2)] },
  { kind: 'document', row: row('ève/../x', Buffer.from([0, 255])) },
  { kind: 'document', row: row('gone', undefined) },
];
const nothing: Memory = { known: [], tenures: [], document: [] };

let folder: string;
let clock: VirtualClock;
let lines: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-memory-'));
  clock = new VirtualClock();
  lines = [];
});
afterEach(() => rm(folder, { recursive: true }));

const options = () => ({ clock, log: (level: string, text: string) => void lines.push(`${level} ${text}`) });

interface Medium {
  open(): Promise<{ memory: UnitMemory; close: () => Promise<void> }>;
  /** replaces the bytes of one record */
  damage(key: string, value: Buffer): Promise<void>;
}

const media: Record<string, () => Medium> = {
  'in the index of a server': () => {
    const withIndex = async <T>(use: (index: IndexStore) => Promise<T>): Promise<T> => {
      await using index = await openLevelStore(join(folder, 'index'));
      return await use(index);
    };
    return {
      open: async () => {
        const index = await openLevelStore(join(folder, 'index'));
        const memory = await openIndexMemory(index, options());
        return {
          memory,
          close: async () => (await memory[Symbol.asyncDispose](), index[Symbol.asyncDispose]()),
        };
      },
      damage: (key, value) => withIndex((index) => index.commit([{ type: 'put', key, value }])),
    };
  },
  'in the file of a camera': () => {
    const path = (): string => join(folder, 'data', 'memory.json');
    return {
      open: async () => {
        const memory = await openFileMemory(join(folder, 'data'), options());
        return { memory, close: () => memory[Symbol.asyncDispose]() };
      },
      damage: async (key, value) => {
        const file = JSON.parse(await readFile(path(), 'utf8')) as { records: Record<string, string> };
        file.records[key] = value.toString('base64');
        await writeFile(path(), JSON.stringify(file));
      },
    };
  },
};

for (const [place, make] of Object.entries(media)) {
  describe(`a memory ${place}`, () => {
    let medium: Medium;
    beforeEach(() => {
      medium = make();
    });

    /** Opens, uses, closes; returns what was remembered before. */
    async function life(use: (memory: UnitMemory) => void = () => undefined): Promise<Memory> {
      const { memory, close } = await medium.open();
      use(memory);
      await close();
      return memory.loaded;
    }

    test('begins empty, and knows everything again after a restart', async () => {
      assert.deepEqual(await life((memory) => records.forEach((record) => memory.remember(record))), nothing);
      const { document, ...rest } = await life();
      assert.deepEqual(rest, {
        network,
        joinTime,
        known: servers,
        manager: 'ss-2',
        tenures: [tenure('cam-1'), tenure('cam-1', 2)],
      });
      assert.deepEqual(
        new Set(document.map(({ id, value }) => `${id} ${value?.toString('hex')}`)),
        new Set(['ève/../x 00ff', 'gone undefined']),
      );
      assert.deepEqual(lines, []);
    });

    test('keeps the last of what was said of one thing', async () => {
      await life((memory) => {
        memory.remember({ kind: 'manager', server: 'ss-1' });
        memory.remember({ kind: 'manager', server: 'ss-2' });
        memory.remember({ kind: 'tenures', camera: 'cam-1', tenures: [tenure('cam-1')] });
      });
      await life((memory) => {
        memory.remember({ kind: 'manager', server: 'ss-3' });
        memory.remember({ kind: 'tenures', camera: 'cam-1', tenures: [] });
        memory.remember({ kind: 'network', network, joinTime: undefined });
      });
      assert.deepEqual(await life(), { ...nothing, manager: 'ss-3', network });
    });

    test('leaves damaged records out, and says which', async () => {
      await life((memory) => records.forEach((record) => memory.remember(record)));
      await medium.damage(`${memoryPrefix}known`, Buffer.from([9, 9, 9]));
      await medium.damage(
        `${memoryPrefix}tenures/cam-1`,
        encodeOf({ kind: 'tenures', camera: 'cam-2', tenures: [tenure('cam-2')] }),
      );
      await medium.damage(`${memoryPrefix}future`, Buffer.from('?'));
      const memory = await life();
      assert.deepEqual([memory.known, memory.tenures, memory.manager], [[], [], 'ss-2']);
      assert.deepEqual(lines.map((line) => line.split(': ').slice(0, 2).join(' ')).sort(), [
        `warn not remembered ${memoryPrefix}future`,
        `warn not remembered ${memoryPrefix}known`,
        `warn not remembered ${memoryPrefix}tenures/cam-1`,
      ]);
    });

    test('names a few damaged records and counts the rest', async () => {
      await life((memory) => memory.remember(records[2] as MemoryRecord));
      for (let n = 0; n < 9; n++) await medium.damage(`${memoryPrefix}x${n}`, Buffer.from('?'));
      assert.equal((await life()).manager, 'ss-2');
      assert.equal(lines.length, 6);
      assert.match(lines[5] ?? '', /4 more records/);
    });

    test('is written within a second of the first change', async () => {
      const { memory, close } = await medium.open();
      memory.remember({ kind: 'manager', server: 'ss-1' });
      clock.advance(999);
      memory.remember({ kind: 'manager', server: 'ss-2' });
      assert.equal(clock.pending, 1, 'one timer, whatever changes');
      clock.advance(1);
      assert.equal(clock.pending, 0);
      await close();
      assert.equal((await life()).manager, 'ss-2');
    });
  });
}

function encodeOf(record: MemoryRecord): Buffer {
  return encodeRecord(record).value ?? assert.fail('nothing to keep');
}

describe('the memory of a server', () => {
  /** An index whose commits wait for the test, or fail. */
  function fakeIndex() {
    const commits: { keys: string[]; finish: (error?: Error) => void }[] = [];
    const index: IndexStore = {
      get: async () => undefined,
      range: async () => [],
      commit: (changes) =>
        new Promise((resolve, reject) => {
          const finish = (error?: Error): void => (error === undefined ? resolve() : reject(error));
          commits.push({ keys: changes.map(({ key }) => key.slice(memoryPrefix.length)), finish });
        }),
      [Symbol.asyncDispose]: async () => undefined,
    };
    return { index, commits };
  }
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  test('has one write under way at the most, and what changes meanwhile comes with the next', async () => {
    const { index, commits } = fakeIndex();
    const memory = await openIndexMemory(index, options());
    memory.remember({ kind: 'manager', server: 'ss-1' });
    clock.advance(1_000);
    memory.remember({ kind: 'known', servers });
    clock.advance(5_000);
    assert.deepEqual(
      commits.map(({ keys }) => keys),
      [['manager']],
    );
    commits[0]?.finish();
    await settled();
    clock.advance(1_000);
    assert.deepEqual(
      commits.map(({ keys }) => keys),
      [['manager'], ['known']],
    );
    commits[1]?.finish();
    await memory[Symbol.asyncDispose]();
  });

  test('tries again what a disk refused, says so once, and again after it went well', async () => {
    const { index, commits } = fakeIndex();
    const memory = await openIndexMemory(index, options());
    memory.remember({ kind: 'manager', server: 'ss-1' });
    for (let n = 0; n < 3; n++) {
      clock.advance(1_000);
      commits[n]?.finish(new Error('full'));
      await settled();
    }
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^error full/);
    memory.remember({ kind: 'known', servers });
    const end = memory[Symbol.asyncDispose]();
    await until('it writes at the end', () => commits.length === 4);
    assert.deepEqual(commits[3]?.keys.sort(), ['known', 'manager']);
    commits[3]?.finish();
    await end;
    memory.remember({ kind: 'known', servers });
    clock.advance(10_000);
    assert.equal(commits.length, 4, 'nothing is written after the end');
  });

  test('reads no more tenures than the tables hold', async () => {
    const per = 1_000;
    const cameras = tenuresMax.all / per + 3;
    const rows = Array.from({ length: Math.ceil(cameras) }, (_, n) => {
      const camera = `cam-${String(n).padStart(4, '0')}`;
      const tenures = Array.from({ length: per }, (_, epoch) => tenure(camera, epoch + 1));
      return encodeRecord({ kind: 'tenures', camera, tenures });
    });
    const { index } = fakeIndex();
    const range: IndexStore['range'] = async ({ from, limit }) =>
      rows
        .flatMap(({ key, value }) => (key >= from && value !== undefined ? [{ key, value }] : []))
        .slice(0, limit);
    const memory = await openIndexMemory({ ...index, range }, options());
    assert.equal(memory.loaded.tenures.length, Math.floor(tenuresMax.all / per) * per);
    assert(lines.length > 0);
  });
});

describe('the memory of a camera', () => {
  test('is replaced in one step, whatever a write that was cut off has left', async () => {
    await writeFile(join(folder, 'memory.json.next'), '{"for');
    const memory = await openFileMemory(folder, options());
    memory.remember({ kind: 'manager', server: 'ss-1' });
    await memory[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(folder), ['memory.json']);
    assert.equal((await openFileMemory(folder, options())).loaded.manager, 'ss-1');
  });

  test('in a file that is damaged as a whole is empty, is told, and is written anew', async () => {
    const texts = [
      '',
      '{',
      '[]',
      'null',
      '{"format":2,"records":{}}',
      '{"format":1,"records":{"a":"%"}}',
      '\0\xff',
    ];
    for (const text of texts) {
      await writeFile(join(folder, 'memory.json'), text, 'latin1');
      lines = [];
      const memory = await openFileMemory(folder, options());
      assert.deepEqual(memory.loaded, nothing, text);
      assert.match(lines[0] ?? '', /memory\.json/, text);
      memory.remember({ kind: 'manager', server: 'ss-1' });
      await memory[Symbol.asyncDispose]();
      assert.equal((await openFileMemory(folder, options())).loaded.manager, 'ss-1', text);
    }
  });

  test('that cannot be written is told of, and the unit goes on', async () => {
    const memory = await openFileMemory('/dev/null/data', options());
    memory.remember({ kind: 'manager', server: 'ss-1' });
    await memory[Symbol.asyncDispose]();
    assert.match(lines.join('\n'), /error .*\/dev\/null\/data.*goes on without a memory/);
  });
});

test('a record is only believed under its own key', () => {
  const { key, value = assert.fail() } = encodeRecord(records[2] as MemoryRecord);
  assert.equal(decodeRecord(key, value).ok, true);
  for (const other of [`${key}/x`, `${memoryPrefix}known`, 'manager', `overlay/2/manager`]) {
    assert.equal(decodeRecord(other, value).ok, false, other);
  }
});

test('whatever bytes lie under whatever key, reading them yields a record or a reason', () => {
  const key = fc.oneof(
    fc.constantFrom(...records.map((record) => encodeRecord(record).key)),
    fc.string().map((text) => memoryPrefix + text),
    fc.string(),
  );
  const value = fc.oneof(
    fc.uint8Array(),
    fc.tuple(fc.constantFrom(...records.map(encodeOf)), fc.nat(), fc.nat(255)).map(([bytes, at, byte]) => {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[at % copy.length] = byte;
      return copy;
    }),
  );
  fc.assert(
    fc.property(key, value, (where, bytes) => {
      const record = decodeRecord(where, bytes);
      // What is believed can be kept again as it is.
      if (record.ok) assert.equal(encodeRecord(record.value).key, where);
      else assert.ok(record.reason.length > 0);
    }),
  );
});
