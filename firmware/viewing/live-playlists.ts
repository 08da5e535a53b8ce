/**
 * Live playlists: for each camera that somebody plays over HLS, the last parts that are stored, with numbers that go
 * on. What was told once stays: a part keeps its number, and nothing is put in before it. All who may watch a camera
 * get the same one, so other servers are asked on behalf of this server, not of whoever came first; what this server
 * has alone is a playlist of its own.
 *
 * Invariants: at most `playlistsMax` playlists, each of at most `windowParts` parts; one that nobody asked for in
 * `idleMs` is forgotten; a new one, also after a restart of this server, begins with a number above all earlier ones,
 * because it counts seconds and parts are longer; who asks often gets the same answer for `freshMs`. Times are µs UTC.
 */
import { follows, openSegments, type Part, partsOf } from './hls-parts.ts';
import { formatPlaylist, type PlaylistText } from './hls-playlist.ts';
import { holdersFor, type RecordingSources } from './recording-sources.ts';
import { listRecordings } from './recordings.ts';

const playlistsMax = 256;
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

/** Which playlist. */
export interface LivePlaylistKey {
  readonly camera: string;
  /** of this server's recordings alone */
  readonly own: boolean;
}

export class LivePlaylists {
  private readonly sources: RecordingSources;
  private readonly playlists = new Map<string, LivePlaylist>();

  /** `sources.peers` ask on behalf of this server. */
  constructor(sources: RecordingSources) {
    this.sources = sources;
  }

  /** The playlist now. */
  async of(key: LivePlaylistKey, sign: (path: string) => string): Promise<PlaylistText> {
    const playlist = this.playlistOf(key);
    if (this.sources.clock.monotonicMs() - playlist.updatedAtMs >= freshMs) {
      playlist.updating ??= this.update(key, playlist).finally(() => {
        playlist.updating = undefined;
      });
    }
    await playlist.updating;
    const { parts, sequence, discontinuities, unreachable } = playlist;
    if (parts.length === 0) return { text: undefined, unreachable };
    const pieces = formatPlaylist(parts, {
      camera: key.camera,
      sequence,
      discontinuities,
      ended: false,
      targetSeconds,
      unreachable,
      sign,
    });
    return { text: [...pieces].join(''), unreachable };
  }

  private playlistOf({ camera, own }: LivePlaylistKey): LivePlaylist {
    const nowMs = this.sources.clock.monotonicMs();
    const key = `${camera}/${own}`;
    for (const [other, { usedAtMs }] of this.playlists) {
      if (nowMs - usedAtMs > idleMs || (this.playlists.size >= playlistsMax && !this.playlists.has(key))) {
        this.playlists.delete(other);
      }
    }
    const playlist: LivePlaylist = this.playlists.get(key) ?? {
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
    this.playlists.delete(key);
    this.playlists.set(key, playlist);
    return playlist;
  }

  private async update({ camera, own }: LivePlaylistKey, playlist: LivePlaylist): Promise<void> {
    const { clock } = this.sources;
    const sources = holdersFor(own, this.sources);
    const nowUs = Math.floor(clock.utcMs() * 1000);
    const range = { fromUs: Math.max(0, nowUs - lookBackUs), toUs: nowUs + lookBackUs };
    const list = await listRecordings(camera, range, sources);
    const { opened, failed } = await openSegments(list.segments, sources.holders);
    const last = playlist.parts.at(-1);
    const after = last === undefined ? undefined : { captureId: last.captureId, ptsUs: last.toPtsUs };
    const found = [...partsOf(opened, { range, partUs, unfinished: false, after })].flat();
    addParts(playlist, found);
    playlist.unreachable = [...new Set([...list.unreachable, ...failed])].sort();
    playlist.updatedAtMs = clock.monotonicMs();
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
