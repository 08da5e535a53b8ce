/** `starling board`: which board this machine is, and what of it is there. */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { type PartReport, pathsOf, reportParts } from '../boards/board-parts.ts';
import type { Board } from '../boards/board-schema.ts';
import { type Recognised, recogniseBoard } from '../boards/recognition.ts';
import { elementsOf } from '../capture/pipeline-parts.ts';
import { readBoardFacts, readMachineFacts } from '../io/board-facts.ts';
import { findBoardsFolder, loadBoards } from '../io/board-files.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';
import { formatTable, printable } from './text-table.ts';

interface BoardFlags {
  readonly board: string;
  readonly list?: true;
  readonly json?: true;
}

/** Adds `board` to the program. */
export function addBoardCommand(program: Command, terminal: Terminal = processTerminal): void {
  program
    .command('board')
    .description('tell which board this machine is, and what of it is there or missing')
    .option('--board <id>', 'look for the parts of this board, whatever the machine is', 'auto')
    .option('--list', 'list the boards there are')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nWhat is missing matters only if the unit uses it: each line says what to do then.\n\nExample:\n  starling board',
    )
    .action((flags: BoardFlags) => tellBoard(flags, terminal));
}

async function tellBoard({ board: wanted, list, json }: BoardFlags, terminal: Terminal): Promise<void> {
  const folder = await findBoardsFolder();
  const boards = await loadBoards(folder);
  if (list) return tellList(boards, json, terminal);
  const machine = await readMachineFacts(folder);
  const recognised = recogniseBoard(boards, machine, wanted);
  if (recognised === undefined) {
    throw new Failure('NOT_FOUND', 'no board fits this machine', {
      advice: 'The folder `boards` belongs beside the program: copy it there.',
    });
  }
  const { board, by } = recognised;
  const facts = await readBoardFacts(pathsOf(board), elementsOf(board.capture));
  const parts = reportParts(board, facts);
  if (json) {
    const { id, name, roles, architecture } = board;
    const answer = { id, name, recognisedBy: by, roles, architecture, machine, parts, facts };
    return terminal.out(`${JSON.stringify(answer, undefined, 2)}\n`);
  }
  terminal.out(boardText(recognised, machine.compatible, parts));
  if (facts.cma !== undefined)
    terminal.out(`memory for pictures: ${facts.cma.freeMb} of ${facts.cma.totalMb} MB free\n`);
}

function boardText(
  { board, by }: Recognised,
  names: readonly string[],
  parts: readonly PartReport[],
): string {
  const says = names.length === 0 ? '' : `; the device tree says ${names.map(printable).join(', ')}`;
  const missing = parts.filter(({ found }) => !found).length;
  const rows = parts.map(({ part, expected, found, hint }) => [
    found ? 'there' : 'MISSING',
    part,
    expected,
    found ? '' : hint,
  ]);
  const count = missing === 0 ? 'all of it is there' : `${missing} of ${parts.length} parts are missing`;
  return (
    `${board.name} (${board.id}), recognised by: ${by}${says}\n` +
    `for ${board.roles.join(' and ')}; ${count}\n\n${formatTable(['', 'part', 'expected', 'what to do'], rows)}`
  );
}

function tellList(boards: readonly Board[], json: true | undefined, terminal: Terminal): void {
  const rows = boards.map(({ id, name, roles, architecture, image }) => ({
    id,
    name,
    roles,
    architecture,
    image: image !== undefined,
  }));
  if (json) return terminal.out(`${JSON.stringify(rows, undefined, 2)}\n`);
  terminal.out(
    formatTable(
      ['board', 'for', 'image', 'name'],
      rows.map(({ id, name, roles, architecture, image }) => [
        id,
        roles.join(', '),
        image ? architecture : 'none',
        name,
      ]),
    ),
  );
}
