/** What happens on a server when the overlay attaches a camera unit to it or detaches one: ingests come and go. */
import type { Effect } from '../overlay/effects.ts';
import { Ingest } from '../recording/ingest.ts';
import type { Recorder } from '../recording/recorder.ts';
import type { LiveHub } from '../viewing/live-hub.ts';
import type { IngestTable } from './ingest-table.ts';
import type { OverlayShell } from './overlay-shell.ts';

export interface IntakeOptions {
  readonly ingests: IngestTable;
  readonly recorder: Recorder;
  readonly live: LiveHub;
}

export class Intake {
  private readonly options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.options = options;
  }

  /** Records what comes on this link from now on. */
  attached(
    { link: id, cameras, epoch }: Extract<Effect, { type: 'attached' }>,
    shell: Pick<OverlayShell, 'use' | 'hold'>,
  ): void {
    const { ingests, recorder, live } = this.options;
    const ingest: Ingest = new Ingest({
      link: {
        send: (kind, parts) => link?.send(kind, parts) ?? false,
        pause: () => shell.hold(id, true),
        resume: () => shell.hold(id, false),
        close: (reason) => link?.close(reason),
      },
      cameras,
      epoch,
      recorder,
      feed: live,
    });
    const link = shell.use(id, {
      frame: (kind, parts) => ingest.frame(kind, parts),
      drained: () => undefined,
    });
    ingests.add(id, ingest);
    for (const camera of cameras) ingest.setPacing(camera, live.viewers(camera) > 0);
  }

  /** What still comes on the link is nobody's; what came before is sealed, and acknowledged if the link is there. */
  detached({ link, reason }: Extract<Effect, { type: 'detached' }>, shell: Pick<OverlayShell, 'use'>): void {
    shell.use(link, undefined);
    this.options.ingests.remove(link, reason);
  }
}
