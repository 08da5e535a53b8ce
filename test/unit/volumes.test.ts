/** Volumes: which folders are recorded to, what takes one out, and what brings it back. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../firmware/base/failure.ts';
import {
  formatMarker,
  numberOfVolumeKey,
  parseMarker,
  volumeKey,
} from '../../firmware/recording/volume-marker.ts';
import { Volumes } from '../../firmware/recording/volumes.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { SimulatedIndex } from '../support/simulated-index.ts';
import { SimulatedMachine } from '../support/simulated-machine.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const owner = { site: 'lab', server: 'shed' };

class Rack {
  readonly machine = new SimulatedMachine(1);
  readonly disk = new SimulatedDisk(this.machine, 1_000_000);
  readonly index = new SimulatedIndex(this.machine);
  readonly clock = new VirtualClock();
  readonly said: boolean[] = [];
  reserve = 0;
  private ids = 1;

  /** folders whose disk was pulled */
  readonly pulled = new Set<string>();

  open(folders = ['/a', '/b'], by = owner): Promise<Volumes> {
    return Volumes.open({
      present: async (folder) => {
        if (this.pulled.has(folder)) throw new Failure('FILE_MISSING', `${folder}: gone`, { advice: '' });
      },
      disk: this.disk,
      index: this.index.open(),
      folders,
      owner: by,
      newId: () => (this.ids++).toString(16).padStart(16, '0'),
      reserveBytes: () => this.reserve,
      clock: this.clock,
      onUsable: (usable) => this.said.push(usable),
    });
  }

  /** Moves everything below one folder to another, as a mount does. */
  async move(from: string, to: string): Promise<void> {
    for (const [path, bytes] of this.disk.files(from)) {
      const target = to + path.slice(from.length);
      await this.disk.createDirectory(target.slice(0, target.lastIndexOf('/')));
      const file = await this.disk.createFile(target);
      await file?.append([bytes]);
      await this.disk.remove(path);
    }
  }

  async write(path: string, text: string): Promise<void> {
    if ((await this.disk.size(path)) !== undefined) await this.disk.remove(path);
    const file = await this.disk.createFile(path);
    await file?.append([Buffer.from(text)]);
  }
}

const states = (volumes: Volumes): string[] => volumes.status().map(({ state }) => state.is);
const reasons = (volumes: Volumes): string =>
  volumes
    .status()
    .map(({ state }) => (state.is === 'ok' ? '' : state.reason))
    .join('\n');
const broken = new Failure('FILE_IO', 'EIO', { advice: '' });

describe('volumes', () => {
  test('a new folder is marked, and known again at the next start, wherever it is mounted then', async () => {
    const rack = new Rack();
    const first = await rack.open();
    assert.deepEqual(states(first), ['ok', 'ok']);
    const ids = first.all().map(({ number, id }) => `${number} ${id}`);
    assert.equal(new Set(ids).size, 2);
    const marker = parseMarker(await rack.disk.read('/a/.starling-volume', 0, 1_000));
    assert.deepEqual(marker, { ok: true, value: { ...owner, id: first.all()[0]?.id } });
    await rack.move('/a', '/c');
    const moved = await rack.open(['/b', '/c']);
    assert.deepEqual(states(moved), ['ok', 'ok']);
    assert.deepEqual(
      moved
        .all()
        .map(({ number, id }) => `${number} ${id}`)
        .toSorted(),
      ids,
    );
    assert.equal(moved.byNumber(0)?.folder, '/c');
  });

  test('a folder whose disk was pulled is missing, though all of it can still be read, until the disk is back', async () => {
    const rack = new Rack();
    const volumes = await rack.open();
    rack.pulled.add('/a');
    await volumes.check();
    assert.deepEqual(states(volumes), ['missing', 'ok']);
    assert.equal(reasons(volumes), '/a: gone\n');
    await volumes.check();
    assert.deepEqual(states(volumes), ['missing', 'ok']);
    rack.pulled.clear();
    await volumes.check();
    assert.deepEqual(states(volumes), ['ok', 'ok']);
  });

  test('a folder whose disk was never there is not marked', async () => {
    const rack = new Rack();
    rack.pulled.add('/a');
    const volumes = await rack.open();
    assert.deepEqual(states(volumes), ['missing', 'ok']);
    assert.equal(await rack.disk.size('/a/.starling-volume'), undefined);
  });

  test('an empty mount point is not recorded to, and is when the volume is back', async () => {
    const rack = new Rack();
    await rack.open();
    await rack.move('/a', '/elsewhere');
    const volumes = await rack.open();
    assert.deepEqual(states(volumes), ['missing', 'ok']);
    assert.match(reasons(volumes), /\/a: the volume is not mounted there/);
    assert.equal(await rack.disk.size('/a/.starling-volume'), undefined, 'no marker is written');
    assert.equal(volumes.choose('door')?.folder, '/b');
    await rack.move('/elsewhere', '/a');
    await volumes.check();
    assert.deepEqual(states(volumes), ['ok', 'ok']);
    assert.equal(volumes.choose('door')?.folder, '/b', 'the camera stays where it is');
  });

  test('a mount that vanishes while the server runs is noticed before anything is created there', async () => {
    const rack = new Rack();
    const volumes = await rack.open();
    const volume = volumes.choose('door');
    assert(volume !== undefined, 'none is usable');
    await volumes.verify(volume);
    await rack.move(volume.folder, '/elsewhere');
    await assert.rejects(volumes.verify(volume), /not mounted/);
    assert.equal(volumes.works(volume), false);
    assert.notEqual(volumes.choose('door')?.folder, volume.folder);
    await rack.write(
      `${volume.folder}/.starling-volume`,
      formatMarker({ ...owner, id: 'f'.repeat(16) }).toString(),
    );
    await assert.rejects(volumes.verify(volume), /another volume is mounted/);
  });

  test('the volume of another server or site is refused, and so is a copy, and a damaged marker', async () => {
    const rack = new Rack();
    await rack.open(['/a'], { site: 'lab', server: 'attic' });
    const foreign = await rack.open(['/a']);
    assert.deepEqual(states(foreign), ['failed']);
    assert.match(reasons(foreign), /belongs to server attic of site lab/);
    assert.deepEqual(rack.said.slice(-1), [false]);

    const twice = new Rack();
    await twice.open(['/a']);
    await twice.disk.createDirectory('/copy');
    await twice.write(
      '/copy/.starling-volume',
      (await twice.disk.read('/a/.starling-volume', 0, 999)).toString(),
    );
    const copied = await twice.open(['/a', '/copy']);
    assert.deepEqual(states(copied), ['ok', 'failed']);
    assert.match(reasons(copied), /a copy of it/);

    const damaged = new Rack();
    await damaged.open(['/a']);
    await damaged.write('/a/.starling-volume', '{"site":');
    const refused = await damaged.open(['/a']);
    assert.deepEqual(states(refused), ['failed']);
    assert.match(reasons(refused), /marker is damaged/);
  });

  test('a power cut at any step of the first start leaves a folder that the next start takes', async () => {
    for (let step = 1; step < 30; step++) {
      for (let seed = 0; seed < 8; seed++) {
        const rack = new Rack();
        for (let draw = 0; draw < seed; draw++) rack.machine.random.unit();
        rack.machine.revive(step);
        await Promise.race([rack.open(), rack.machine.died]);
        await new Promise(setImmediate);
        rack.disk.cutPower();
        rack.machine.revive();
        const volumes = await rack.open();
        assert.deepEqual(states(volumes), ['ok', 'ok'], `step ${step}, seed ${seed}: ${reasons(volumes)}`);
        assert.deepEqual(
          volumes.all().map(({ number }) => number),
          [0, 1],
        );
      }
    }
  });

  test('a disk that failed is out until a probe file can be written there, tried less and less often', async () => {
    const rack = new Rack();
    const volumes = await rack.open(['/a']);
    const [volume] = volumes.all();
    assert(volume !== undefined, 'no volume');
    volumes.failed(volume, broken);
    assert.deepEqual([states(volumes), volumes.choose('door'), rack.said], [['failed'], undefined, [false]]);
    rack.clock.advance(4_999);
    await volumes.check();
    assert.deepEqual(states(volumes), ['failed'], 'too early');
    rack.machine.fail('sync', '/a/.starling-probe');
    rack.clock.advance(1);
    await volumes.check();
    assert.deepEqual(states(volumes), ['failed'], 'its sync fails');
    rack.clock.advance(9_999);
    await volumes.check();
    assert.deepEqual(states(volumes), ['failed'], 'twice as long now');
    rack.clock.advance(1);
    await volumes.check();
    assert.deepEqual([states(volumes), rack.said], [['ok'], [false, true]]);
    assert.deepEqual([...rack.disk.files('/a').keys()], ['/a/.starling-volume'], 'no probe is left');
  });

  test('the only volume is tried sooner than cameras lose anything, however often it failed; one of two is not', async () => {
    const rack = new Rack();
    const volumes = await rack.open();
    const [first, second] = volumes.all();
    assert(first !== undefined && second !== undefined, 'no volumes');
    for (let time = 0; time < 7; time++) {
      volumes.failed(first, broken);
      rack.clock.advance(320_000);
      await volumes.check();
    }
    volumes.failed(first, broken);
    rack.clock.advance(20_000);
    await volumes.check();
    assert.deepEqual(states(volumes), ['failed', 'ok'], 'the other one works');
    volumes.failed(second, broken);
    await volumes.check();
    assert.deepEqual(states(volumes), ['ok', 'failed']);
  });

  test('a file that is refused takes its volume out only when no other can be written there', async () => {
    const rack = new Rack();
    const volumes = await rack.open(['/a']);
    const [volume] = volumes.all();
    assert(volume !== undefined, 'no volume');
    await volumes.doubt(volume);
    assert.deepEqual(states(volumes), ['ok']);
    rack.machine.fail('create', '/a/.starling-probe', 'FILE_REFUSED');
    await volumes.doubt(volume);
    assert.deepEqual(states(volumes), ['failed']);
  });

  test('a full disk is out until there is room again', async () => {
    const rack = new Rack();
    rack.reserve = 100_000;
    const volumes = await rack.open(['/a']);
    const file = await rack.disk.createFile('/a/other');
    await file?.append([Buffer.alloc(920_000)]);
    await volumes.check();
    assert.deepEqual(states(volumes), ['ok'], 'retention has still some of the reserve to work with');
    await file?.append([Buffer.alloc(60_000)]);
    await volumes.check();
    assert.deepEqual(states(volumes), ['full']);
    assert.match(reasons(volumes), /bytes are free/);
    await rack.disk.truncate('/a/other', 930_000);
    await volumes.check();
    assert.deepEqual(states(volumes), ['full'], 'less than the reserve');
    await rack.disk.truncate('/a/other', 10);
    await volumes.check();
    assert.deepEqual(states(volumes), ['ok']);
    const [volume] = volumes.all();
    assert(volume !== undefined, 'no volume');
    volumes.failed(volume, new Failure('DISK_FULL', 'ENOSPC', { advice: '' }));
    assert.deepEqual(states(volumes), ['full']);
  });

  test('retention says why a volume is full, also of one that is full already, but not of one that failed', async () => {
    const rack = new Rack();
    const volumes = await rack.open();
    const [one, two] = volumes.all();
    assert(one !== undefined && two !== undefined, 'no volume');
    volumes.failed(one, new Failure('DISK_FULL', 'ENOSPC', { advice: '' }));
    volumes.failed(two, broken);
    const before = volumes.status().map(({ state }) => state);
    rack.clock.advance(4_000);
    for (const volume of [one, two]) volumes.full(volume, 'a snapshot');
    assert.deepEqual(
      volumes.status().map(({ state }) => state),
      [{ ...before[0], reason: 'a snapshot' }, before[1]],
    );
    await volumes.check();
    assert.deepEqual(states(volumes), ['ok', 'failed'], 'there is room');
  });

  test('a disk that does not answer is out, and keeps nobody waiting', async () => {
    const rack = new Rack();
    const volumes = await rack.open();
    const release = rack.machine.stall('/a');
    const checked = volumes.check();
    await new Promise(setImmediate);
    rack.clock.advance(10_000);
    await checked;
    assert.deepEqual(states(volumes), ['failed', 'ok']);
    assert.match(reasons(volumes), /does not answer/);
    await volumes.check();
    release();
    await new Promise(setImmediate);
    assert.deepEqual(states(volumes), ['failed', 'ok'], 'a late answer is not good enough');
    rack.clock.advance(30_000);
    await volumes.check();
    assert.deepEqual(states(volumes), ['ok', 'ok']);
  });

  test('cameras are spread by open segments per byte of size, and stay where they are', async () => {
    const rack = new Rack();
    const volumes = await rack.open();
    const chosen = ['c1', 'c2', 'c3', 'c4'].map((camera) => {
      const volume = volumes.choose(camera);
      assert(volume !== undefined, 'none is usable');
      return { volume, leave: volumes.occupy(volume) };
    });
    assert.deepEqual(
      chosen.map(({ volume }) => volume.folder),
      ['/a', '/b', '/a', '/b'],
    );
    for (const { leave } of chosen) {
      leave();
      leave();
    }
    assert.equal(volumes.choose('c2')?.folder, '/b');
    assert.equal(volumes.choose('c5')?.folder, '/a', 'nothing is open any more, nor less than nothing');
  });

  test('a server without volumes does not start', async () => {
    await assert.rejects(new Rack().open([]), /no volume/);
  });
});

describe('a marker', () => {
  test('is read back as it was written, and nothing else is taken for one', () => {
    const id = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/);
    const volume = fc.stringMatching(/^[0-9a-f]{16}$/);
    fc.assert(
      fc.property(
        id,
        id,
        volume,
        fc.nat(2_000),
        fc.uint8Array({ maxLength: 40 }),
        (site, server, own, at, junk) => {
          const bytes = formatMarker({ site, server, id: own });
          const parsed = parseMarker(bytes);
          assert.deepEqual(parsed, { ok: true, value: { site, server, id: own } });
          const cut = parseMarker(bytes.subarray(0, at % (bytes.length - 1)));
          assert.equal(cut.ok, false);
          const place = at % bytes.length;
          const spoilt = parseMarker(Buffer.concat([bytes.subarray(0, place), junk, bytes.subarray(place)]));
          if (spoilt.ok) assert.match(spoilt.value.id, /^[0-9a-f]{16}$/);
          assert.equal(typeof parseMarker(junk).ok, 'boolean');
        },
      ),
    );
    for (const text of ['null', '[]', '"x"', '{"site":"a","server":"b","id":7}', `"${'x'.repeat(2_000)}"`]) {
      assert.equal(parseMarker(Buffer.from(text)).ok, false, text.slice(0, 40));
    }
  });

  test('a volume’s key is read back, and no other is', () => {
    for (const number of [0, 7, 255]) assert.equal(numberOfVolumeKey(volumeKey(number)), number);
    for (const key of ['v/', 'v/7', 'v/256', 'v/0001', 'w/000', 'v/00a'])
      assert.equal(numberOfVolumeKey(key), undefined);
  });
});
