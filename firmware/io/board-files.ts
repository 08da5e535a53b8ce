/** Reads the boards: the folder `boards` beside the program (an image), or beside the folder that the program is in. */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure } from '../base/failure.ts';
import { boardBytesMax, parseBoard } from '../boards/board-document.ts';
import type { Board } from '../boards/board-schema.ts';
import { hasErrno, readText } from './text-files.ts';

const boardsMax = 64;

/** The folder `boards` that is nearest to this program; undefined when there is none. */
export async function findBoardsFolder(): Promise<string | undefined> {
  let folder = dirname(fileURLToPath(import.meta.url));
  // Beside the bundle on an image; one up from dist/; two up from here when the program runs from its source.
  for (let up = 0; up < 3; up += 1) {
    const boards = join(folder, 'boards');
    if ((await boardIds(boards)).length > 0) return boards;
    folder = dirname(folder);
  }
  return undefined;
}

/**
 * All boards of a folder, by id; none when there is no folder. Throws the Failures CONFIG_INVALID and FILE_IO, which name
 * the file.
 */
export async function loadBoards(folder?: string): Promise<Board[]> {
  const place = folder ?? (await findBoardsFolder());
  if (place === undefined) return [];
  const ids = await boardIds(place);
  if (ids.length > boardsMax)
    throw new Failure('FILE_IO', `${place} holds more than ${boardsMax} boards`, {
      advice: 'Is it the right folder?',
    });
  return Promise.all(ids.map((id) => loadBoard(place, id)));
}

/** One board of a folder. Throws as `loadBoards` does, and FILE_MISSING. */
async function loadBoard(folder: string, id: string): Promise<Board> {
  const advice = 'The folder `boards` belongs to the program: copy it from there again.';
  const text = await readText(join(folder, id, 'board.yaml'), { bytesMax: boardBytesMax, advice });
  return parseBoard(text, id);
}

/** Folders with a board.yaml in them. */
async function boardIds(folder: string): Promise<string[]> {
  const names = await namesIn(folder);
  const filled = await Promise.all(
    names.map(async (name) =>
      (await namesIn(join(folder, name))).includes('board.yaml') ? name : undefined,
    ),
  );
  return filled.filter((name) => name !== undefined).sort();
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}
