/** The ingests of a server, one per camera link, and what a status display asks of all of them. */
import type { LinkId } from '../overlay/effects.ts';
import type { CameraIntake, Ingest } from '../recording/ingest.ts';
import type { SeenCamera } from '../recording/recording-alarm.ts';
import type { StatusAnswer } from '../viewing/api.ts';

export class IngestTable {
  private readonly ingests = new Map<LinkId, Ingest>();
  private readonly closing = new Set<Promise<void>>();
  private finishedBytes = 0;

  add(link: LinkId, ingest: Ingest): void {
    this.remove(link, 'the camera begins anew');
    this.ingests.set(link, ingest);
  }

  /** Ends the ingest of a link; its recordings are sealed in the background. */
  remove(link: LinkId, reason: string): void {
    const ingest = this.ingests.get(link);
    if (ingest === undefined) return;
    this.ingests.delete(link);
    this.finishedBytes += bytesOf(ingest);
    const closed = ingest.close(reason).finally(() => this.closing.delete(closed));
    this.closing.add(closed);
  }

  /** Ends all, and waits until everything is sealed. */
  async closeAll(reason: string): Promise<void> {
    for (const link of this.ingests.keys()) this.remove(link, reason);
    await Promise.all(this.closing);
  }

  setPacing(camera: string, immediate: boolean): void {
    for (const ingest of this.ingests.values()) ingest.setPacing(camera, immediate);
  }

  /** Payload bytes received since the start. */
  recordedBytes(): number {
    let bytes = this.finishedBytes;
    for (const ingest of this.ingests.values()) bytes += bytesOf(ingest);
    return bytes;
  }

  /** For the recording alarm. */
  seen(): SeenCamera[] {
    return [...this.ingests.values()].flatMap((ingest) => [...ingest.intake.values()]);
  }

  /** For the status answer. */
  cameras(): StatusAnswer['cameras'] {
    const intakes: CameraIntake[] = [];
    for (const ingest of this.ingests.values()) intakes.push(...ingest.intake.values());
    return intakes.map(({ camera, receivedBytes, samples, durableThroughUs }) => ({
      id: camera,
      receivedBytes,
      samples,
      durableThrough: durableThroughUs === undefined ? null : new Date(durableThroughUs / 1000).toISOString(),
    }));
  }
}

function bytesOf(ingest: Ingest): number {
  let bytes = 0;
  for (const { receivedBytes } of ingest.intake.values()) bytes += receivedBytes;
  return bytes;
}
