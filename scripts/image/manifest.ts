/**
 * What stands beside an image in FILE.json: what it is for, how long it is, and which parts of it have to be written, each
 * with its SHA-256. Sizes and offsets are bytes of the raw image, also when FILE is compressed.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { Failure, messageOf } from '../../firmware/base/failure.ts';
import { unitRoles } from '../../firmware/site/identity.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z
  .int()
  .min(0)
  .max(2 ** 44);

const manifestSchema = z.object({
  version: z.literal(1),
  board: z.string(),
  boardName: z.string(),
  role: z.enum(unitRoles),
  /** source of the pictures of a camera image */
  source: z.string().optional(),
  program: z.string(),
  builtAt: z.string(),
  rootKey: z.string(),
  bytes: bytes.min(1),
  /** least size of a disk that it fits on */
  diskBytesMin: bytes.min(1),
  sha256,
  /** in order, apart from each other; what is in none of them need not be written */
  map: z.array(z.object({ offset: bytes, bytes: bytes.min(1), sha256 })).max(100_000),
  partitions: z.array(z.object({ name: z.string(), number: z.int(), offset: bytes, bytes })).max(16),
  boot: z.object({ cmdline: z.string() }),
});

export type Manifest = z.output<typeof manifestSchema>;
export type MappedRange = Manifest['map'][number];

/** Where the manifest of an image lies. */
export function manifestPath(image: string): string {
  return `${image.replace(/\.zst$/, '')}.json`;
}

/** Reads and checks the manifest of an image. Throws the Failures FILE_MISSING and FILE_IO. */
export async function readManifest(image: string): Promise<Manifest> {
  const path = manifestPath(image);
  const advice = 'Keep FILE.json beside the image, or build the image again with `npm run image`.';
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Failure('FILE_MISSING', `the manifest ${path} cannot be read: ${messageOf(cause)}`, {
      advice,
      cause,
    });
  });
  try {
    const manifest = manifestSchema.parse(JSON.parse(text));
    checkMap(manifest);
    return manifest;
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : messageOf(cause);
    throw new Failure('FILE_IO', `the manifest ${path} is damaged: ${reason}`, { advice, cause });
  }
}

function checkMap({ map, bytes: length, partitions }: Manifest): void {
  let last = 0;
  for (const { offset, bytes: size } of map) {
    if (offset < last || offset + size > length)
      throw new Error(`the range at ${offset} overlaps or is outside`);
    last = offset + size;
  }
  if (map[0]?.offset !== 0) throw new Error('the first sector is not in the map');
  if (partitions.some((one) => one.offset + one.bytes > length)) throw new Error('a partition is outside');
}
