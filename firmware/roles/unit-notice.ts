/** What a unit tells its service manager about itself: the line that `systemctl status` shows, and whether it works. */
import type { Clock } from '../base/clock.ts';
import { serviceManager } from '../io/systemd-notify.ts';
import type { SeenCamera } from '../recording/recording-alarm.ts';
import type { Log } from '../runtime/log.ts';
import { CommitWatch, ProgressWatch } from '../runtime/progress-watch.ts';
import { ServiceNotice, type ServiceState } from '../runtime/service-notice.ts';

/** Nothing committed, or no frame, for so long: something hangs that a new start can mend. */
const commitStallMs = 60_000;
const frameStallMs = 120_000;

/** Begins to tell; nothing is told where there is no service manager. */
export function openServiceNotice(clock: Clock, log: Log): ServiceNotice {
  return new ServiceNotice({ manager: serviceManager(), clock, log });
}

export interface ServerWork {
  readonly clock: Clock;
  readonly joined: () => boolean;
  readonly neighbors: () => number;
  readonly cameras: () => readonly SeenCamera[];
  readonly usable: () => boolean;
}

/** Of a server: it works while what comes is committed. */
export function serverState({ clock, joined, neighbors, cameras, usable }: ServerWork): () => ServiceState {
  const watch = new CommitWatch(commitStallMs);
  return () => {
    const seen = cameras();
    let received = 0;
    let committed = 0;
    for (const { receivedBytes, durableThroughUs = 0 } of seen) {
      received += receivedBytes;
      committed += durableThroughUs;
    }
    const working = watch.observe(clock.monotonicMs(), { received, committed, usable: usable() });
    const what = !usable()
      ? 'cannot record: no volume works'
      : working
        ? `records ${counted(seen.length, 'camera')}, ${counted(neighbors(), 'neighbor')}`
        : 'nothing is committed though cameras send';
    return { joined: joined(), working, status: joined() ? what : `${what}; has not joined yet` };
  };
}

export interface CameraWork {
  readonly clock: Clock;
  /** the server that manages it now */
  readonly manager: () => string | undefined;
  /** samples since the start */
  readonly samples: () => number;
  readonly cameras: number;
}

/** Of a camera unit: it works while frames come. */
export function cameraState({ clock, manager, samples, cameras }: CameraWork): () => ServiceState {
  const watch = new ProgressWatch(frameStallMs);
  return () => {
    const nowMs = clock.monotonicMs();
    const working = watch.observe(nowMs, samples());
    const still = watch.stillMs(nowMs);
    const frames =
      still === undefined
        ? 'no frame yet'
        : still < 5_000
          ? `${cameras === 1 ? 'frames flow' : `frames of ${cameras} cameras flow`}`
          : `no frame for ${Math.round(still / 1000)} s`;
    const server = manager();
    const where = server === undefined ? 'looks for a server' : `managed by ${server}`;
    return { joined: server !== undefined, working, status: `${frames}; ${where}` };
  };
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
