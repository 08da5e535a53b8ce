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

/** The refusal of a camera that nobody knows. */
export function unknownCamera(camera: string): Refusal {
  return new Refusal(404, `no camera is named ${camera}`, 'See /api/cameras for those there are.');
}
