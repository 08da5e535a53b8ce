/**
 * Recovery of files that anything has happened to: it never fails, what it lists can be read, and what is whole is
 * listed, or still in the file when that does not say any more what it is. `SEED=77 SEEDS=1 node --import tsx --test test/unit/recovery-fuzz.test.ts` plays one again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findFragments } from '../../firmware/media/fragment-search.ts';
import { parseFragment, parseInit } from '../../firmware/media/mp4-scanner.ts';
import { Stream } from '../sim/randomness.ts';
import { SimulatedRecorder } from '../support/simulated-recorder.ts';

const always = { fromUs: 0, toUs: 9_000_000_000_000_000, limit: 1_000 };
const first = Number(process.env['SEED'] ?? 1);
const seeds = Number(process.env['SEEDS'] ?? 150);

/** Cut, overwritten, shifted, repeated: once to three times. */
function spoil(random: Stream, bytes: Buffer): Buffer {
  let spoilt = bytes;
  for (let times = random.whole(1, 3); times > 0; times--) {
    const at = random.whole(0, spoilt.length);
    const end = Math.min(spoilt.length, at + random.whole(0, 600));
    const [before, inside, after] = [spoilt.subarray(0, at), spoilt.subarray(at, end), spoilt.subarray(end)];
    spoilt = random.pick([
      () => before,
      () => Buffer.concat([before, Buffer.alloc(inside.length), after]),
      () => Buffer.concat([before, random.bytes(inside.length), after]),
      () => Buffer.concat([before, random.bytes(random.whole(1, 40)), inside, after]),
      () => Buffer.concat([before, after]),
      () => Buffer.concat([before, inside, inside, after]),
    ])();
  }
  return spoilt;
}

async function play(seed: number): Promise<void> {
  const random = new Stream(seed, 'recovery');
  const bench = await SimulatedRecorder.open();
  // Every other time there is a segment of the same capture, which tells the tracks when the head is lost.
  const neighbour = seed % 2 === 0 ? bench.record('door') : undefined;
  neighbour?.gops(2);
  await neighbour?.close();
  await bench.pass(9);
  const door = bench.record('door', 2);
  door.gops(6);
  await bench.pass(1);
  const segment = (await bench.recorder.archive.segments('door', always)).at(-1);
  const detail = await bench.recorder.archive.detail('door', segment?.name ?? '');
  const path = `/one/door/${segment?.name}.mp4`;
  const whole = bench.disk.files('/one').get(path) ?? Buffer.alloc(0);
  const fragments = detail?.fragments ?? [];
  bench.disk.damage(path, (bytes) => spoil(random, bytes));
  const spoilt = bench.disk.files('/one').get(path) ?? Buffer.alloc(0);
  const tracksKnown = parseInit(spoilt).ok || neighbour !== undefined;
  await bench.restart();
  const { archive, ledger, recovery } = bench.recorder;
  assert.deepEqual(await ledger.unsealed(), [], recovery.notes.join());
  const listed: Buffer[] = [];
  for (const { name, bytes } of await archive.segments('door', always)) {
    assert.equal(bench.disk.files('/one').get(`/one/door/${name}.mp4`)?.length, bytes);
    for (const { offset, bytes: length } of (await archive.detail('door', name))?.fragments ?? []) {
      const fragment = await archive.read('door', name, offset, length);
      assert(parseFragment(fragment).ok, `${name} at ${offset}`);
      listed.push(fragment);
    }
  }
  const left = bench.disk.files('/one').get(path);
  for (const [place, { offset, bytes }] of fragments.entries()) {
    const fragment = whole.subarray(offset, offset + bytes);
    // Shifted ones may lie inside the payload that the one before claims: only disks that move bytes do that.
    if (!spoilt.subarray(offset, offset + bytes).equals(fragment)) continue;
    assert(
      tracksKnown ? listed.some((one) => one.equals(fragment)) : left?.equals(spoilt),
      `fragment ${place} was whole and is lost: ${recovery.notes.join()}`,
    );
  }
}

test(`recovers what is whole of spoilt files (${seeds} from seed ${first})`, async () => {
  for (let seed = first; seed < first + seeds; seed++) {
    await play(seed).catch((cause: unknown) => {
      throw new Error(`seed ${seed}: ${String(cause)}`, { cause });
    });
  }
});

test('a search for fragments in anything ends, and finds nothing where nothing is', async () => {
  const random = new Stream(first, 'search');
  const files = [
    Buffer.alloc(0),
    Buffer.from('prft'),
    Buffer.alloc(3_000_000),
    Buffer.from('xxxxprft'.repeat(200_000)),
    random.bytes(100_000),
  ];
  for (const file of files) {
    let reads = 0;
    const read = async (offset: number, length: number): Promise<Buffer> => {
      reads += 1;
      return file.subarray(offset, offset + length);
    };
    assert.equal(await findFragments(read, file.length, { from: 0, trackCount: 1 }), undefined);
    assert(reads < 25_000, `${reads} reads`);
  }
});
