/** Which cameras there are, as far as this server can know. */
import type { Archive } from '../recording/archive.ts';
import type { Directory } from './directory.ts';
import { Refusal } from './routing.ts';

export interface CameraSources {
  readonly directory: Directory;
  readonly archive: Archive;
}

/** Whether a camera is there now, or has left recordings here. */
export async function isKnown(camera: string, { directory, archive }: CameraSources): Promise<boolean> {
  return directory.cameras().some(({ id }) => id === camera) || (await archive.cameras()).includes(camera);
}

/** Whether nobody knows a camera; while a server does not answer, that is not certain, and so it is not said. */
export async function isUnknown(
  camera: string,
  unreachable: readonly string[],
  sources: CameraSources,
): Promise<boolean> {
  return unreachable.length === 0 && !(await isKnown(camera, sources));
}

/** Names the servers that did not answer. */
export function unreachableHeaders(unreachable: readonly string[]): Record<string, string> {
  return unreachable.length === 0 ? {} : { 'x-starling-unreachable': unreachable.join(',') };
}

/** The refusal where nothing was found; `when` such as `then`. */
export function nothingRecorded(
  camera: string,
  when: string,
  unreachable: readonly string[],
  headers: Readonly<Record<string, string>> = unreachableHeaders(unreachable),
): Refusal {
  const advice =
    unreachable.length === 0
      ? `Look at /api/cameras/${camera}/recordings for what there is.`
      : `These servers do not answer and may have it: ${unreachable.join(', ')}.`;
  return new Refusal(404, `nothing of ${camera} is recorded ${when}`, advice, headers);
}

/** The refusal of a camera that nobody knows. */
export function unknownCamera(camera: string): Refusal {
  return new Refusal(404, `no camera is named ${camera}`, 'See /api/cameras for those there are.');
}
