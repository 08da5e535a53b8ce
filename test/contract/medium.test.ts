// A disk that is flashed: the real thing and the one in memory do the same; and what lies is found.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openImage } from '../../scripts/flash/image-source.ts';
import { openMedium } from '../../scripts/flash/medium.ts';
import { NonceProbes, probeOffsets } from '../../scripts/flash/nonce-probes.ts';
import { Refusal } from '../../scripts/flash/refusal.ts';
import { writeImage } from '../../scripts/flash/write-image.ts';
import { LoopDisk, loopDisksMissing, sh } from '../support/loop-disk.ts';
import { type Lies, MemoryMedium, mediumContract } from '../support/medium-contract.ts';
import { makeSmallImage, type SmallImage } from '../support/small-image.ts';

const missing = loopDisksMissing();
const mebibyte = 1024 * 1024;

mediumContract('in memory', () => Promise.resolve(new MemoryMedium(4 * mebibyte)));
mediumContract(
  'a loop device',
  async () => {
    const disk = new LoopDisk(4 * mebibyte);
    const medium = await openMedium(disk.device, 4 * mebibyte);
    return Object.assign(medium, { [Symbol.dispose]: () => disk[Symbol.dispose]() });
  },
  missing,
);

test('a disk of which something is mounted cannot be opened', { skip: missing }, async () => {
  using disk = new LoopDisk(16 * mebibyte);
  sh('mkfs.ext4', '-q', disk.device);
  const folder = mkdtempSync(join(tmpdir(), 'starling-mounted-'));
  sh('mount', disk.device, folder);
  try {
    await assert.rejects(
      openMedium(disk.device, 16 * mebibyte),
      (error) => error instanceof Refusal && error.kind === 'mounted',
    );
  } finally {
    sh('umount', folder);
    rmSync(folder, { recursive: true });
  }
});

test('while a disk is flashed nobody can mount it', { skip: missing }, async () => {
  using disk = new LoopDisk(16 * mebibyte);
  sh('mkfs.ext4', '-q', disk.device);
  const medium = await openMedium(disk.device, 16 * mebibyte);
  try {
    assert.throws(() => sh('mount', disk.device, '/mnt'), /already mounted|busy/i);
  } finally {
    await medium.close();
  }
});

test('probes lie in the last block and never where the image begins', () => {
  fc.assert(
    fc.property(fc.integer({ min: 8 * mebibyte, max: 2 ** 42 }), (bytes) => {
      const offsets = probeOffsets(bytes);
      assert.equal(offsets.at(-1), (Math.floor(bytes / 4096) - 1) * 4096);
      assert.ok((offsets[0] ?? 0) >= mebibyte);
      assert.ok(offsets.length < 120, `${offsets.length} probes take too long`);
    }),
  );
});

test('a card with half of the size it says is found, whether it wraps or drops', async () => {
  for (const lies of [{ wrapsAt: 32 * mebibyte }, { dropsFrom: 32 * mebibyte }, { dropsFrom: 0 }]) {
    const medium = new MemoryMedium(64 * mebibyte, lies);
    await assert.rejects(
      new NonceProbes(medium).run(),
      (error) => error instanceof Refusal && error.kind === 'card-lies',
      JSON.stringify(lies),
    );
  }
});

test('an honest card passes, and nothing of the probes stays behind', async () => {
  const medium = new MemoryMedium(64 * mebibyte);
  const probes = new NonceProbes(medium);
  await probes.run();
  await probes.remove(0);
  assert.equal(
    medium.held.findIndex((byte) => byte !== 0),
    -1,
  );
});

async function write(image: SmallImage, medium: MemoryMedium): Promise<void> {
  const source = await openImage(image.file, image.manifest.bytes);
  try {
    await writeImage({ image: image.file, manifest: image.manifest, source, medium });
  } finally {
    await source.close();
  }
}

test('a worn-out card that still holds the same image, and writes nothing, is found', async () => {
  using image = await makeSmallImage();
  const medium = new MemoryMedium(256 * mebibyte);
  await write(image, medium);
  const worn = new MemoryMedium(256 * mebibyte, { dropsFrom: 0 });
  medium.held.copy(worn.held);
  await assert.rejects(write(image, worn), (error) => error instanceof Refusal && error.kind === 'card-lies');
});

test('one bad bit is found, and such a card does not start', async () => {
  using image = await makeSmallImage();
  const bad: Lies = { stuckAt: image.manifest.map[1]?.offset ?? 0 };
  const medium = new MemoryMedium(256 * mebibyte, bad);
  await assert.rejects(
    write(image, medium),
    (error) => error instanceof Refusal && error.kind === 'verification-failed',
  );
  assert.equal(
    medium.held.subarray(0, 512).findIndex((byte) => byte !== 0),
    -1,
    'its first sector is written',
  );
});
