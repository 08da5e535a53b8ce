/** Which board a unit is on, as far as it has to know, and whether its cameras ask for more than the board's encoder does. */
import { Failure } from '../base/failure.ts';
import type { Board } from '../boards/board-schema.ts';
import { recogniseBoard } from '../boards/recognition.ts';
import type { CameraUnitConfig, UnitConfig } from '../config/unit-config.ts';
import { readMachineFacts } from '../io/board-facts.ts';
import { findBoardsFolder, loadBoards } from '../io/board-files.ts';
import type { Log } from '../runtime/log.ts';

/**
 * The board of this unit; undefined when none is known, which is no reason not to run. Throws the Failure CONFIG_INVALID
 * when `unit.yaml` names a board that there is not, or one whose encoder cannot do what a camera asks for.
 */
export async function unitBoard(config: UnitConfig, log: Log): Promise<Board | undefined> {
  const board = await recognised(config, log);
  if (board !== undefined && config.role === 'camera') checkCameras(config, board);
  return board;
}

async function recognised({ board: wanted, role }: UnitConfig, log: Log): Promise<Board | undefined> {
  try {
    const folder = await findBoardsFolder();
    const found = recogniseBoard(await loadBoards(folder), await readMachineFacts(folder), wanted);
    if (found === undefined) {
      log('warn', 'no board is known to this program: no lines, no board care, and the processor encodes');
      return undefined;
    }
    const { board, by } = found;
    log('info', `board ${board.id} (${board.name}), recognised by: ${by}`);
    if (!board.roles.includes(role)) log('warn', `board ${board.id} is not made for a ${role}`);
    return board;
  } catch (error) {
    if (!(error instanceof Failure) || wanted !== 'auto') throw error;
    log('error', `${error.message}. ${error.advice}`);
    return undefined;
  }
}

/** What hardware cannot do, it does not do slower: it refuses. */
function checkCameras({ camera }: CameraUnitConfig, { name, capture }: Board): void {
  if (capture?.encoder !== 'v4l2h264enc') return;
  const { maxWidth, maxHeight, maxFps } = capture;
  for (const { id, source, width, height, frameRate } of camera.cameras) {
    const fits =
      width <= maxWidth && height <= maxHeight && width * height * frameRate <= maxWidth * maxHeight * maxFps;
    if (fits || source.kind === 'rtsp') continue;
    throw new Failure(
      'CONFIG_INVALID',
      `camera ${id}: the encoder of ${name} does at most ${maxWidth}x${maxHeight} at ${maxFps} pictures a second`,
      { advice: `It is asked for ${width}x${height} at ${frameRate}: set width, height or frameRate lower.` },
    );
  }
}
