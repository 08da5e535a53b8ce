/**
 * Which board a machine is: what its device tree says goes before what the image says that it was made for, and both
 * before what is so for every machine of an architecture. Pure: the facts come from io/board-facts.ts.
 */
import { Failure } from '../base/failure.ts';
import type { Board } from './board-schema.ts';

/** What a machine says of itself. */
export interface MachineFacts {
  /** names in /proc/device-tree/compatible, the most exact first; none on a PC */
  readonly compatible: readonly string[];
  /** as Debian names it, such as arm64 */
  readonly architecture: string;
  /** the board that the image was made for, if the program is on one */
  readonly imageBoard: string | undefined;
}

/** How a board was recognised. */
type RecognisedBy = 'setting' | 'device tree' | 'image' | 'architecture' | 'nothing else fits';

export interface Recognised {
  readonly board: Board;
  readonly by: RecognisedBy;
}

/** Names in a device tree's `compatible`: each ends with a zero byte. Odd bytes are left out. */
export function parseCompatible(bytes: Uint8Array): string[] {
  return Buffer.from(bytes)
    .toString('latin1')
    .split('\0')
    .filter((name) => /^[\x21-\x7e]{1,128}$/.test(name))
    .slice(0, 32);
}

/**
 * The board `wanted` by its name, or with `auto` the one that the facts fit best; undefined when none does. Throws the
 * Failure CONFIG_INVALID when there is no board of that name.
 */
export function recogniseBoard(
  boards: readonly Board[],
  facts: MachineFacts,
  wanted: string,
): Recognised | undefined {
  if (wanted !== 'auto') {
    const board = boards.find(({ id }) => id === wanted);
    if (board !== undefined) return { board, by: 'setting' };
    const names = boards.map(({ id }) => id).join(', ');
    throw new Failure('CONFIG_INVALID', `board: there is no board ${wanted}`, {
      advice: names === '' ? 'No board is known here.' : `Take auto or one of: ${names}.`,
    });
  }
  const ways: readonly (readonly [RecognisedBy, Board | undefined])[] = [
    ['device tree', byDeviceTree(boards, facts.compatible)],
    ['image', boards.find(({ id }) => id === facts.imageBoard)],
    [
      'architecture',
      boards.find(
        ({ standsFor, architecture }) =>
          standsFor === 'its-architecture' && architecture === facts.architecture,
      ),
    ],
    ['nothing else fits', boards.find(({ standsFor }) => standsFor === 'everything')],
  ];
  for (const [by, board] of ways) if (board !== undefined) return { board, by };
  return undefined;
}

/** The most exact name counts: two boards of one family share the names after it. */
function byDeviceTree(boards: readonly Board[], names: readonly string[]): Board | undefined {
  for (const name of names) {
    const board = boards.find(({ compatible }) => compatible.includes(name));
    if (board !== undefined) return board;
  }
  return undefined;
}
