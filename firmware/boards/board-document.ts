/** Reads the text of a board.yaml. */
import { configInvalid, problemLines } from '../config/problems.ts';
import { readYaml } from '../config/yaml-text.ts';
import { type Board, boardSchema } from './board-schema.ts';

/** Largest board.yaml, in bytes. */
export const boardBytesMax = 64 * 1024;

/**
 * The board that the folder `folder` describes. Throws the Failure CONFIG_INVALID, whose message has one line for each
 * problem, each with the name of the file.
 */
export function parseBoard(yamlText: string, folder: string): Board {
  const file = `boards/${folder}/board.yaml`;
  const document = readYaml(yamlText, boardBytesMax, `${file}: `);
  const parsed = boardSchema.safeParse(document);
  if (!parsed.success)
    throw configInvalid(problemLines(parsed.error, document).map((line) => `${file}: ${line}`));
  if (parsed.data.id !== folder)
    throw configInvalid([`${file}: id: expected ${folder}, the name of its folder, got ${parsed.data.id}`]);
  return parsed.data;
}
