/**
 * Cameras that are gone for good: a row of the site document (kind `history-deletion`, id: the camera) deletes what the
 * network knows of one, on every server and in every order.
 *
 * The value is a time, µs since 1970 (8 bytes), up to which the history is deleted; and, if somebody took the camera off
 * the lists, its epoch then (4 bytes). Claims to it that are not newer and not online are not shown any more, whoever
 * made them: its manager may never come back to take its own claim back. A camera that returns has a higher epoch.
 */
import type { DocumentRow } from './packets.ts';
import type { SiteDocument } from './site-document.ts';

/** The kind of these rows. */
export const historyDeletion = 'history-deletion';

export interface CameraDeletion {
  /** µs since 1970 */
  readonly untilUs: number;
  /** 0: only its history is deleted */
  readonly epoch: number;
}

export function deletionValue({ untilUs, epoch }: CameraDeletion): Buffer {
  const value = Buffer.alloc(12);
  value.writeBigInt64BE(BigInt(Math.round(untilUs)));
  value.writeUInt32BE(epoch, 8);
  return value;
}

/** What is deleted of a camera; undefined when nothing is. */
export function deletionOf(document: Pick<SiteDocument, 'get'>, camera: string): CameraDeletion | undefined {
  const value = document.get(historyDeletion, camera);
  if (value?.length !== 8 && value?.length !== 12) return undefined;
  const untilUs = Number(value.readBigInt64BE());
  return { untilUs, epoch: value.length === 12 ? value.readUInt32BE(8) : 0 };
}

/** Whether a claim with this epoch, that is not online, belongs to a camera that is gone. */
export function isGone(document: Pick<SiteDocument, 'get'>, camera: string, epoch: number): boolean {
  return epoch <= (deletionOf(document, camera)?.epoch ?? 0);
}

/** Cameras that somebody took off the lists, whether they came back or not. */
export function removedCameras(rows: readonly DocumentRow[]): string[] {
  const removed = rows.filter(
    ({ kind, id, value }) => kind === historyDeletion && isGone({ get: () => value }, id, 1),
  );
  return removed.map(({ id }) => id);
}
