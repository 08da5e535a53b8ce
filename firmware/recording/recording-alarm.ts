/**
 * The recording alarm: recording has stopped, whatever the live picture shows.
 *
 * A camera that is attached and of which nothing new is safe on a disk for `stillMs` raises an alarm, which says whether
 * the camera sends nothing or the server saves nothing; so does a camera that no server has for `goneMs`, a volume that is
 * missing, failed or full, and an index that refuses. Each alarm is told once when it is raised and once when it is over; its text is always the latest. Pure:
 * what is seen goes in with the time, monotonic ms.
 */

/** How long nothing may become safe. */
const stillMs = 10_000;
/** How long a camera may look for a server: a start of the camera unit takes less. */
const goneMs = 60_000;
/** Alarms that are told of; more than this is one disaster. */
const alarmsMax = 1_000;

/** Something is wrong with what is recorded. */
export interface Alarm {
  /** `camera` or `volume`, a slash, and which; or `index` */
  readonly id: string;
  readonly kind:
    | 'silent'
    | 'not-saved'
    | 'gone'
    | 'volume-missing'
    | 'volume-failed'
    | 'volume-full'
    | 'index-failed';
  readonly text: string;
  /** µs UTC */
  readonly sinceUtcUs: number;
}

/** What is seen of a camera that is attached here. */
export interface SeenCamera {
  readonly camera: string;
  /** payload bytes that came since it was attached */
  readonly receivedBytes: number;
  /** everything before is safe, µs UTC */
  readonly durableThroughUs: number | undefined;
}

/** A camera that no server has, and that this one reports. */
export interface LostCamera {
  readonly camera: string;
  /** what is known of it */
  readonly text: string;
}

export interface SeenVolume {
  readonly folder: string;
  readonly state:
    | { readonly is: 'ok' }
    | { readonly is: 'missing' | 'failed' | 'full'; readonly reason: string };
}

/** What to tell. */
export interface AlarmNews {
  readonly raised: readonly Alarm[];
  readonly cleared: readonly Alarm[];
}

interface Progress {
  receivedBytes: number;
  receivedAtMs: number;
  durableThroughUs: number | undefined;
  durableAtMs: number;
}

export class RecordingAlarm {
  private readonly progress = new Map<string, Progress>();
  /** since when a camera has been lost */
  private readonly lostAtMs = new Map<string, number>();
  private readonly alarms = new Map<string, Alarm>();

  /** Alarms that are raised now, by id. */
  active(): Alarm[] {
    return [...this.alarms.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Looks at everything; to be called about every second. */
  observe(
    now: { readonly ms: number; readonly utcUs: number },
    seen: {
      readonly cameras: readonly SeenCamera[];
      readonly lost?: readonly LostCamera[];
      readonly volumes: readonly SeenVolume[];
      /** why the index refuses */
      readonly index?: string | undefined;
    },
  ): AlarmNews {
    const found = new Map<string, Omit<Alarm, 'sinceUtcUs'>>();
    for (const lost of seen.lost ?? []) add(found, this.ofLost(now.ms, lost));
    for (const camera of seen.cameras) add(found, this.ofCamera(now.ms, camera));
    for (const volume of seen.volumes) add(found, ofVolume(volume));
    if (seen.index !== undefined) {
      add(found, { id: 'index', kind: 'index-failed', text: `the index refuses: ${seen.index}` });
    }
    const attached = new Set(seen.cameras.map(({ camera }) => camera));
    for (const camera of this.progress.keys()) if (!attached.has(camera)) this.progress.delete(camera);
    const lost = new Set(seen.lost?.map(({ camera }) => camera));
    for (const camera of this.lostAtMs.keys()) if (!lost.has(camera)) this.lostAtMs.delete(camera);
    return this.compare(found, now.utcUs);
  }

  private ofLost(nowMs: number, { camera, text }: LostCamera): Omit<Alarm, 'sinceUtcUs'> | undefined {
    const since = this.lostAtMs.get(camera);
    if (since === undefined) this.lostAtMs.set(camera, nowMs);
    return nowMs - (since ?? nowMs) < goneMs ? undefined : { id: `camera/${camera}`, kind: 'gone', text };
  }

  private ofCamera(nowMs: number, seen: SeenCamera): Omit<Alarm, 'sinceUtcUs'> | undefined {
    const { camera, receivedBytes, durableThroughUs } = seen;
    const known = this.progress.get(camera);
    const progress = known ?? { receivedBytes, receivedAtMs: nowMs, durableThroughUs, durableAtMs: nowMs };
    if (known === undefined) this.progress.set(camera, progress);
    // Any change is progress: a camera that was attached anew counts from 0, and clocks may be set back.
    if (receivedBytes !== progress.receivedBytes) {
      progress.receivedBytes = receivedBytes;
      progress.receivedAtMs = nowMs;
    }
    if (durableThroughUs !== progress.durableThroughUs) {
      progress.durableThroughUs = durableThroughUs;
      progress.durableAtMs = nowMs;
    }
    const id = `camera/${camera}`;
    const seconds = stillMs / 1000;
    if (nowMs - progress.receivedAtMs >= stillMs) {
      return { id, kind: 'silent', text: `${camera} has sent nothing for ${seconds} s: it is not recorded` };
    }
    if (nowMs - progress.durableAtMs < stillMs) return undefined;
    return {
      id,
      kind: 'not-saved',
      text: `nothing of ${camera} was saved for ${seconds} s, though it sends`,
    };
  }

  private compare(found: ReadonlyMap<string, Omit<Alarm, 'sinceUtcUs'>>, utcUs: number): AlarmNews {
    const raised: Alarm[] = [];
    const cleared: Alarm[] = [];
    for (const [id, alarm] of this.alarms) {
      if (found.get(id)?.kind === alarm.kind) continue;
      this.alarms.delete(id);
      cleared.push(alarm);
    }
    for (const [id, alarm] of found) {
      const known = this.alarms.get(id);
      if (known !== undefined) this.alarms.set(id, { ...known, text: alarm.text });
      if (known !== undefined || this.alarms.size >= alarmsMax) continue;
      const since = { ...alarm, sinceUtcUs: utcUs };
      this.alarms.set(id, since);
      raised.push(since);
    }
    return { raised, cleared };
  }
}

function ofVolume({ folder, state }: SeenVolume): Omit<Alarm, 'sinceUtcUs'> | undefined {
  if (state.is === 'ok') return undefined;
  return { id: `volume/${folder}`, kind: `volume-${state.is}`, text: state.reason };
}

function add(
  found: Map<string, Omit<Alarm, 'sinceUtcUs'>>,
  alarm: Omit<Alarm, 'sinceUtcUs'> | undefined,
): void {
  if (alarm !== undefined) found.set(alarm.id, alarm);
}
