/**
 * Live playlists: for each camera that somebody plays over HLS, the last parts that are stored, with numbers that go
 * on. What was told once stays: a part keeps its number, and nothing is put in before it.
 *
 * Invariants: at most `camerasMax` playlists, each of at most `windowParts` parts; one that nobody asked for in
 * `idleMs` is forgotten; a new one, also after a restart of this server, begins with a number above all earlier ones,
 * because it counts seconds and parts are longer; who asks often gets the same answer for `freshMs`. Times are µs UTC.
 */
import type { Clock } from '../base/clock.ts';
import { follows, openSegments, type Part, partsOf } from './hls-parts.ts';
import { formatPlaylist } from './hls-playlist.ts';
import type { Holder } from './holders.ts';
import { listRecordings } from './recordings.ts';

const camerasMax = 256;
const idleMs = 120_000;
const freshMs = 500;
/** Longest of a part: it ends with the fragment that makes it this long, and a fragment has 2 s at the most. */
const partUs = 2_000_000;
const targetSeconds = 4;
/** What a player may still ask for. */
const windowParts = 15;
/** How far back the first answer begins. */
const firstParts = 8;
/** What is looked at for new parts; a segment has a minute. */
const lookBackUs = 130_000_000;

interface LivePlaylist {
  readonly parts: Part[];
  /** number of the first part, and discontinuities before it */
  sequence: number;
  discontinuities: number;
  unreachable: readonly string[];
  updatedAtMs: number;
  usedAtMs: number;
  updating: Promise<void> | undefined;
}

export interface LivePlaylistSources {
  readonly holders: readonly Holder[];
  readonly unreachable: readonly string[];
}

export class LivePlaylists {
  private readonly clock: Clock;
  private readonly playlists = new Map<string, LivePlaylist>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The playlist now; undefined when nothing of the camera was stored lately. */
  async of(
    camera: string,
    sources: LivePlaylistSources,
    sign: (path: string) => string,
  ): Promise<string | undefined> {
    const playlist = this.playlistOf(camera);
    if (this.clock.monotonicMs() - playlist.updatedAtMs >= freshMs) {
      playlist.updating ??= this.update(camera, playlist, sources).finally(() => {
        playlist.updating = undefined;
      });
    }
    await playlist.updating;
    const { parts, sequence, discontinuities, unreachable } = playlist;
    if (parts.length === 0) return undefined;
    return formatPlaylist(parts, {
      camera,
      sequence,
      discontinuities,
      ended: false,
      targetSeconds,
      unreachable,
      sign,
    });
  }

  private playlistOf(camera: string): LivePlaylist {
    const nowMs = this.clock.monotonicMs();
    for (const [name, { usedAtMs }] of this.playlists) {
      if (nowMs - usedAtMs > idleMs || (this.playlists.size >= camerasMax && !this.playlists.has(camera))) {
        this.playlists.delete(name);
      }
    }
    const playlist: LivePlaylist = this.playlists.get(camera) ?? {
      parts: [],
      sequence: 0,
      discontinuities: 0,
      unreachable: [],
      updatedAtMs: Number.NEGATIVE_INFINITY,
      usedAtMs: nowMs,
      updating: undefined,
    };
    playlist.usedAtMs = nowMs;
    // The last used at the end.
    this.playlists.delete(camera);
    this.playlists.set(camera, playlist);
    return playlist;
  }

  private async update(camera: string, playlist: LivePlaylist, sources: LivePlaylistSources): Promise<void> {
    const nowUs = Math.floor(this.clock.utcMs() * 1000);
    const range = { fromUs: Math.max(0, nowUs - lookBackUs), toUs: nowUs + lookBackUs };
    const list = await listRecordings(camera, range, sources);
    const { opened, failed } = await openSegments(list.segments, sources.holders);
    const last = playlist.parts.at(-1);
    const after = last === undefined ? undefined : { captureId: last.captureId, ptsUs: last.toPtsUs };
    addParts(playlist, partsOf(opened, { range, partUs, unfinished: false, after }));
    playlist.unreachable = [...new Set([...list.unreachable, ...failed])];
    playlist.updatedAtMs = this.clock.monotonicMs();
  }
}

/** Adds what comes behind the last part that was told, and lets go of what is too old. */
export function addParts(
  playlist: { readonly parts: Part[]; sequence: number; discontinuities: number },
  found: readonly Part[],
): void {
  const { parts } = playlist;
  const last = parts.at(-1);
  const isNew = (part: Part): boolean => {
    if (last === undefined) return true;
    if (part.captureId === last.captureId) return part.toPtsUs > last.toPtsUs;
    return part.fromPtsUs + part.offsetUs >= last.toPtsUs + last.offsetUs;
  };
  const fresh = found.filter(isNew);
  parts.push(...(last === undefined ? fresh.slice(-firstParts) : fresh));
  const [first] = parts;
  if (last === undefined && first !== undefined) {
    playlist.sequence = Math.floor((first.fromPtsUs + first.offsetUs) / 1_000_000);
  }
  while (parts.length > windowParts) {
    const [gone, next] = parts;
    if (gone !== undefined && next !== undefined && !follows(next, gone)) playlist.discontinuities += 1;
    parts.shift();
    playlist.sequence += 1;
  }
}
