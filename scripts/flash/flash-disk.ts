/** Flashing from beginning to end: look at the disk, ask, make CONFIG, write, verify, let the system see it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { makeConfigPartition } from '../image/config-partition.ts';
import { type Manifest, readManifest } from '../image/manifest.ts';
import { runTool } from '../image/run-tool.ts';
import { type BlockDevice, confirmSame, inspectDevice, judge } from './device.ts';
import { damaged, openImage } from './image-source.ts';
import { openMedium } from './medium.ts';
import { type UnitRequest, unitFiles } from './unit-files.ts';
import { type Patch, type Phase, writeImage } from './write-image.ts';

export interface FlashRequest {
  readonly image: string;
  readonly device: string;
  /** without it the disk holds an image that waits for settings on CONFIG */
  readonly unit?: Omit<UnitRequest, 'role'>;
  /** line of an authorized_keys */
  readonly sshKey?: string;
}

export interface FlashHooks {
  /** rejects when it must not go on */
  readonly confirm: (device: BlockDevice) => Promise<void>;
  readonly onProgress?: (phase: Phase, doneBytes: number, totalBytes: number) => void;
}

export interface FlashResult {
  readonly device: string;
  readonly board: string;
  readonly role: string;
  readonly unit: string | undefined;
  readonly writtenBytes: number;
  readonly writeSeconds: number;
  readonly verifySeconds: number;
}

/** Throws Refusals, and Failures of the site and of the manifest. Nothing is written before `confirm` has resolved. */
export async function flash(request: FlashRequest, hooks: FlashHooks): Promise<FlashResult> {
  const { image, device } = request;
  const manifest = await readManifest(image);
  const found = await inspectDevice(device);
  judge(found, manifest.diskBytesMin);
  const source = await openImage(image, manifest.bytes);
  try {
    await hooks.confirm(found);
    const patch = await configPatch(request, manifest);
    const total = manifest.map.reduce((sum, range) => sum + range.bytes, 0);
    const marks: Partial<Record<Phase, number>> = {};
    const startedMs = performance.now();
    const medium = await openMedium(device, found.size);
    try {
      // Names go from disk to disk; from here on it is held.
      confirmSame(found, await inspectDevice(device));
      await writeImage({
        image,
        manifest,
        source,
        medium,
        patch,
        onProgress: (phase, done) => {
          marks[phase] = performance.now();
          hooks.onProgress?.(phase, done, total);
        },
      });
    } finally {
      await medium.close();
    }
    // The kernel still knows the old partitions. Nobody is hurt when it cannot be told.
    await runTool('blockdev', ['--rereadpt', device]).catch(() => '');
    const { write = startedMs, verify = startedMs } = marks;
    return {
      device,
      board: manifest.board,
      role: manifest.role,
      unit: request.unit?.unit,
      writtenBytes: total,
      writeSeconds: (write - startedMs) / 1_000,
      verifySeconds: (verify - write) / 1_000,
    };
  } finally {
    await source.close();
  }
}

/** The partition CONFIG of the unit, where it lies on the disk. */
async function configPatch(
  { unit, image, sshKey }: FlashRequest,
  manifest: Manifest,
): Promise<Patch | undefined> {
  if (unit === undefined) return undefined;
  const place = manifest.partitions.find(({ name }) => name === 'CONFIG');
  if (place === undefined) throw damaged(image, 'its manifest names no partition CONFIG');
  const { role, source } = manifest;
  const files = await unitFiles({ role, ...(source === undefined ? {} : { source }), ...unit });
  if (sshKey !== undefined) files.set('authorized_keys', sshKey);
  const folder = await mkdtemp(join(tmpdir(), 'starling-flash-'));
  try {
    const file = join(folder, 'config');
    await makeConfigPartition(file, files);
    const bytes = await readFile(file);
    if (bytes.length !== place.bytes)
      throw damaged(image, `its partition CONFIG has ${place.bytes} bytes, expected ${bytes.length}`);
    return { offset: place.offset, bytes };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
