/** Where telemetry hears what sensors of this server's cameras saw, and what it says of it. */
import type { StoredEvent } from '../recording/event-log.ts';

export interface EventSource {
  /** Kinds of what the sensors of a camera can see; none while it has not said. */
  kindsOf(camera: string): readonly string[];
  /** Whether a sensor of this kind sees something now; undefined for a camera without one. */
  lasts(camera: string, kind: string): boolean | undefined;
  /** Each event when it begins and when it ends; the last listener hears them. */
  listen(listener: (event: StoredEvent) => void): void;
}

/** The JSON under `…/camera/ID/event`; Home Assistant reads `event_type` and shows the rest. */
export function eventReport({ kind, sensor, fromUs, toUs }: StoredEvent): string {
  const time = (us: number): string => new Date(us / 1_000).toISOString();
  const to = toUs === 0 ? null : time(toUs);
  return JSON.stringify({
    event_type: toUs === 0 ? kind : `${kind}-end`,
    kind,
    sensor,
    from: time(fromUs),
    to,
  });
}
