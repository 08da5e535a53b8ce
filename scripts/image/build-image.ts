/** The stages of an image, in order: root (cached), partitions, firmware, boot, CONFIG, checksums. */
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../firmware/base/failure.ts';
import { loadBoards } from '../../firmware/io/board-files.ts';
import type { UnitRole } from '../../firmware/site/identity.ts';
import { unitFiles } from '../flash/unit-files.ts';
import { copyInto, makeDisk, withMounted } from './assemble.ts';
import { contentEnd, mapImage, type Span, usedOfExt4 } from './block-map.ts';
import { kernelOf, makeBootPartition } from './boot-partition.ts';
import { makeConfigPartition } from './config-partition.ts';
import { type Layout, type PartitionName, partitionNamed, planLayout, sectorBytes } from './layout.ts';
import { type Manifest, manifestPath } from './manifest.ts';
import { makeRecipe, type Recipe } from './recipe.ts';
import { cachedRoot, makeRoot } from './root-cache.ts';
import { completeRoot } from './root-files.ts';
import { runTool } from './run-tool.ts';
import type { Stages } from './stages.ts';

/** What is written as zeros at the beginning of a partition without content: older file systems are found there. */
const emptyBytes = 1024 * 1024;

export interface ImageRequest {
  /** the source tree */
  readonly tree: string;
  readonly board: string;
  readonly role: UnitRole;
  readonly out: string;
  readonly site?: string;
  readonly unit?: string;
  readonly package?: readonly string[];
  readonly ssh?: true;
  readonly zstd?: true;
  readonly rebuild?: true;
}

export interface ImageMade {
  readonly file: string;
  readonly manifest: string;
  /** of the raw image */
  readonly bytes: number;
  /** of these, what has to be written */
  readonly mappedBytes: number;
  readonly sha256: string;
}

/** Makes the image. Throws Failures; then nothing with the final name was written. */
export async function buildImage(request: ImageRequest, stages: Stages): Promise<ImageMade> {
  const { tree, out } = request;
  const recipe = await recipeOf(request);
  const config = await configFiles(request, recipe);
  const root = await stages.run(
    'root file system',
    async () => {
      const cached = request.rebuild === true ? undefined : cachedRoot(recipe);
      return cached ?? makeRoot(recipe, (step) => stages.detail(step));
    },
    (path) => `${recipe.packages.length} packages asked for, ${path}`,
  );

  const layout = planLayout(
    recipe.image.bootloader === 'pi-firmware' ? 'dos' : 'gpt',
    recipe.image.partitions,
  );
  const work = mkdtempSync(`${out}.making-`);
  const disk = join(work, 'disk');
  const offset = (name: PartitionName): number => partitionNamed(layout, name).start * sectorBytes;
  const end = (name: PartitionName): number =>
    offset(name) + partitionNamed(layout, name).sectors * sectorBytes;
  try {
    refuseTooLarge(root, recipe);
    await stages.run('partitions', async () => {
      await makeDisk(disk, layout);
      copyInto(root, disk, offset('root-a'), usedOfExt4(root));
    });
    const cmdline = cmdlineOf(recipe, layout);
    const boot = join(work, 'boot');
    const place = { offset: offset('root-a'), end: end('root-a') };
    await stages.run('firmware and boot loader', () =>
      withMounted(disk, place, async (folder) => {
        await completeRoot({ tree, root: folder, recipe, layout });
        const { bootMb } = recipe.image.partitions;
        await makeBootPartition(
          { root: folder, boardsFolder: join(tree, 'boards'), recipe, cmdline },
          boot,
          bootMb,
        );
        const { kernel, initrd } = kernelOf(folder);
        cpSync(kernel, `${out}.vmlinuz`);
        cpSync(initrd, `${out}.initrd`);
        // They are on the boot partition, where they are started from.
        rmSync(kernel);
        rmSync(initrd);
      }),
    );
    copyInto(boot, disk, offset('boot'));
    const configFile = join(work, 'config');
    await makeConfigPartition(configFile, config);
    copyInto(configFile, disk, offset('CONFIG'));

    const bytes = statSync(disk).size;
    const shift = (spans: readonly Span[], by: number): Span[] =>
      spans.map((span) => ({ offset: span.offset + by, end: span.end + by }));
    const spans: Span[] = [
      { offset: 0, end: offset('boot') },
      ...shift([{ offset: 0, end: contentEnd(boot, statSync(boot).size) }], offset('boot')),
      // All of it: the settings of a unit that was here before must be gone.
      { offset: offset('CONFIG') - emptyBytes, end: end('CONFIG') },
      ...shift(usedOfExt4(`${disk}?offset=${offset('root-a')}`), offset('root-a')),
      // With the records of an extended partition, which lie before each.
      { offset: offset('root-a') - emptyBytes, end: offset('root-a') },
      { offset: offset('root-b') - emptyBytes, end: offset('root-b') + emptyBytes },
      { offset: offset('data'), end: offset('data') + emptyBytes },
      { offset: layout.usedSectors * sectorBytes - emptyBytes, end: layout.usedSectors * sectorBytes },
    ];
    const sums = await stages.run('checksums', () => mapImage(disk, spans, bytes));
    const manifest = manifestOf({ recipe, layout, bytes, sums, cmdline });
    const file = await finish(request, disk, stages);
    writeFileSync(manifestPath(out), `${JSON.stringify(manifest)}\n`);
    const mappedBytes = manifest.map.reduce((sum, range) => sum + range.bytes, 0);
    return { file, manifest: manifestPath(out), bytes, mappedBytes, sha256: manifest.sha256 };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The firmware and what belongs to the board come on top. */
const firmwareBytes = 64 * 1024 * 1024;

function refuseTooLarge(root: string, { board, image }: Recipe): void {
  const megabytes = Math.ceil((statSync(root).size + firmwareBytes) / 1024 / 1024);
  if (megabytes <= image.partitions.rootMb) return;
  const advice = `Set image.partitions.rootMb in boards/${board.id}/board.yaml to ${megabytes} or more.`;
  throw new Failure(
    'DISK_FULL',
    `the root needs ${megabytes} MB, and the partition has ${image.partitions.rootMb}`,
    { advice },
  );
}

async function recipeOf({
  tree,
  board: id,
  role,
  package: packages = [],
  ssh,
}: ImageRequest): Promise<Recipe> {
  const boards = await loadBoards(join(tree, 'boards'));
  const board = boards.find((one) => one.id === id);
  if (board?.image === undefined) {
    const known = boards.filter(({ image }) => image !== undefined).map((one) => one.id);
    throw new Failure('USAGE', `there is no board ${id} with an image`, {
      advice: `Choose one of ${known.join(', ')}.`,
    });
  }
  if (!board.roles.includes(role)) {
    const advice = `Choose the role ${board.roles.join(' or ')}.`;
    throw new Failure('USAGE', `a ${board.name} is no ${role}`, { advice });
  }
  const boardsFolder = join(tree, 'boards');
  return makeRecipe({
    board,
    image: board.image,
    role,
    boardsFolder,
    extraPackages: packages,
    ssh: ssh === true,
  });
}

async function configFiles(
  { site, unit }: ImageRequest,
  { board, role }: Recipe,
): Promise<ReadonlyMap<string, string>> {
  if (site === undefined && unit === undefined) return new Map();
  if (site === undefined || unit === undefined)
    throw new Failure('USAGE', '--site and --unit belong together', {
      advice: 'Give both, or leave both to flashing.',
    });
  const source = defaultSource(board.capture?.source, role);
  return unitFiles({ site, unit, role, ...(source === undefined ? {} : { source }) });
}

/** What a camera of this board sees, unless somebody says otherwise. */
function defaultSource(source: string | undefined, role: UnitRole): string | undefined {
  if (role === 'server' || source === undefined) return undefined;
  return { libcamera: 'csi', v4l2: '/dev/video0' }[source] ?? 'test';
}

function cmdlineOf({ image }: Recipe, layout: Layout): string {
  const root = partitionNamed(layout, 'root-a').partUuid;
  // Partitions are mounted by what fstab says and by nobody who guesses.
  return [
    `root=PARTUUID=${root}`,
    'ro',
    'rootwait',
    image.cmdline,
    'quiet',
    // The serial port belongs to the field console: only what fails is shown there.
    'systemd.show_status=error',
    'panic=10',
    'systemd.gpt_auto=no',
  ]
    .filter((word) => word !== '')
    .join(' ');
}

interface ManifestParts {
  readonly recipe: Recipe;
  readonly layout: Layout;
  readonly bytes: number;
  readonly sums: Pick<Manifest, 'map' | 'sha256'>;
  readonly cmdline: string;
}

function manifestOf({ recipe, layout, bytes, sums, cmdline }: ManifestParts): Manifest {
  const { board, role } = recipe;
  const source = defaultSource(board.capture?.source, role);
  return {
    version: 1,
    board: board.id,
    boardName: board.name,
    role,
    ...(source === undefined ? {} : { source }),
    program: 'starling',
    builtAt: new Date().toISOString(),
    rootKey: recipe.key,
    bytes,
    diskBytesMin: layout.usedSectors * sectorBytes,
    sha256: sums.sha256,
    map: sums.map,
    partitions: layout.partitions.map(({ name, number, start, sectors }) => ({
      name,
      number,
      offset: start * sectorBytes,
      bytes: sectors * sectorBytes,
    })),
    boot: { cmdline },
  };
}

/** Gives the image its name, compressed or not. */
async function finish({ out, zstd }: ImageRequest, disk: string, stages: Stages): Promise<string> {
  if (zstd !== true) {
    renameSync(disk, out);
    return out;
  }
  const packed = `${out}.zst`;
  await stages.run('compression', () =>
    runTool('zstd', ['-q', '-f', '-T0', '-3', '--long=27', disk, '-o', `${disk}.zst`]),
  );
  renameSync(`${disk}.zst`, packed);
  if (existsSync(out)) rmSync(out);
  return packed;
}
