/**
 * What the root of an image is made of: packages from the board and from boards/common/image.yaml, apt sources, kernel.
 * Its key is a hash of all that, so that a root is built once and every later image takes it from the cache.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Board, BoardImage } from '../../firmware/boards/board-schema.ts';
import type { UnitRole } from '../../firmware/site/identity.ts';

/** Counts up whenever the way in which a root is made changes. */
const recipeVersion = 1;

const names = z.array(z.string()).default([]);
const perRole = z.object({ common: names, camera: names, server: names });
const commonSchema = z.strictObject({
  packages: perRole,
  enable: perRole,
  mask: perRole,
  remove: perRole,
});

interface PackageSource {
  /** URI, suite and components, as in sources.list */
  readonly place: string;
  /** path of the key it is signed with; Debian's own need none */
  readonly key: string | undefined;
}

export interface Recipe {
  readonly board: Board;
  readonly image: BoardImage;
  readonly role: UnitRole;
  readonly packages: readonly string[];
  readonly sources: readonly PackageSource[];
  readonly enable: readonly string[];
  readonly mask: readonly string[];
  /** paths below the root, with `*` within names */
  readonly remove: readonly string[];
  /** with an SSH server */
  readonly ssh: boolean;
  /** names the root in the cache */
  readonly key: string;
}

export interface RecipeOptions {
  readonly board: Board;
  readonly image: BoardImage;
  readonly role: UnitRole;
  /** the folder `boards` of the source tree */
  readonly boardsFolder: string;
  /** packages of this image alone */
  readonly extraPackages: readonly string[];
  readonly ssh: boolean;
}

export function makeRecipe({ board, image, role, boardsFolder, extraPackages, ssh }: RecipeOptions): Recipe {
  const common = commonSchema.parse(parse(readFileSync(join(boardsFolder, 'common', 'image.yaml'), 'utf8')));
  const of = (lists: z.output<typeof perRole>): string[] => [...lists.common, ...lists[role]];
  const packages = unique([
    image.kernel,
    ...of(common.packages),
    ...of(image.packages),
    ...bootPackages(image),
    ...(ssh ? ['openssh-server'] : []),
    ...extraPackages,
  ]);
  const sources = image.apt.map(({ uri, suite, components, key }) => ({
    place: `${uri} ${suite} ${components.join(' ')}`,
    key: key === undefined ? undefined : keyPath(boardsFolder, board.id, key),
  }));
  const { suite } = image;
  const { architecture } = board;
  const parts = {
    recipeVersion,
    suite,
    architecture,
    sources: sources.map(({ place }) => `deb ${place}`),
    packages: [...packages].sort(),
  };
  const key = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  const enable = [...of(common.enable), ...(ssh ? ['ssh.service'] : [])];
  return {
    board,
    image,
    role,
    packages,
    sources,
    enable,
    mask: of(common.mask),
    remove: of(common.remove),
    ssh,
    key,
  };
}

function bootPackages({ bootloader }: BoardImage): string[] {
  return bootloader === 'efi' ? ['systemd-boot-efi'] : [];
}

/** Keys lie in the folder of the board, or in `common` when several boards have the same source. */
function keyPath(boardsFolder: string, board: string, key: string): string {
  const own = join(boardsFolder, board, key);
  return isAbsolute(key) ? key : existsSync(own) ? own : join(boardsFolder, 'common', key);
}

function unique(words: readonly string[]): string[] {
  return [...new Set(words)];
}
