/**
 * The part of the page's stand-in server that is about times and the network: keyframes cut from the recorded files,
 * days, what is kept, tables, logs and volumes of its servers. Times in ms UTC.
 */
import type {
  LogAnswer,
  ProtectedRangeAnswer,
  SegmentAnswer,
  TablesAnswer,
} from '../../firmware/viewing/api.ts';
import { boxAt, firstDecodeTime, readInit } from '../../firmware/viewing/web/fmp4-boxes.ts';
import type { FixtureAnswer, FixtureRequest } from './page-fixture-api.ts';
import type { PageArchive } from './page-fixture-archive.ts';
import { fragmentEnds, shiftTimes } from './page-fixture-video.ts';

/** An answer that may be bytes of a video. */
export interface FixtureTimesAnswer extends FixtureAnswer {
  readonly bytes?: Buffer;
  /** only half of the bytes is sent, and nothing more */
  readonly half?: boolean;
}

const dayMs = 86_400_000;
const iso = (ms: number): string => new Date(ms).toISOString();
const founded = { at: '2026-10-01T08:00:00.000Z', count: 0 };

export class PageFixtureTimes {
  /** what is kept, by camera */
  readonly kept = new Map<string, ProtectedRangeAnswer[]>();
  /** keyframes that were asked for */
  keyframesAsked = 0;
  /** files that were asked for stop in the middle */
  halfFiles = false;
  /** what the server says is missing in files */
  partial = '';
  /** a server that does not answer when a keyframe is asked for */
  silent: string | undefined;
  /** of each server, oldest first */
  readonly logs = new Map<string, string[]>(Object.entries(storyLogs));
  private readonly archive: PageArchive;
  private readonly begunMs = Date.now();

  constructor(archive: PageArchive) {
    this.archive = archive;
  }

  answer({ method, parts, query, body }: FixtureRequest): FixtureTimesAnswer | undefined {
    const [, place, id = '', what, range] = parts;
    const server = query.get('server') ?? 'north';
    if (place === 'tables') return { status: 200, body: tablesOf(server) };
    if (place === 'log') return { status: 200, body: this.logOf(server, Number(query.get('after') ?? 0)) };
    if (place !== 'cameras') return undefined;
    if (what === 'keyframe.mp4') return this.keyframe(id, Date.parse(query.get('at') ?? ''));
    if (what === 'days') return this.days(id, query);
    if (what === 'video.mp4') return this.video();
    if (what === 'protected') return this.protected(method, { camera: id, range, body });
    return undefined;
  }

  /** Always the first segment of `gate`, from its start. */
  private video(): FixtureTimesAnswer {
    const file = this.archive.files.get('a') ?? Buffer.alloc(0);
    const init = file.subarray(0, initLength(file));
    const summary = readInit(init);
    const first = summary === undefined ? 0 : (firstDecodeTime(file, summary) ?? 0);
    const headers = {
      'x-starling-start': iso(this.archive.facts.fromMs),
      'content-disposition': 'attachment; filename="gate.mp4"',
      ...(this.partial === '' ? {} : { 'x-starling-partial': this.partial }),
    };
    return { status: 200, headers, bytes: shiftTimes(file, init, -first), half: this.halfFiles };
  }

  private protected(
    method: string,
    { camera, range, body }: { camera: string; range: string | undefined; body: Record<string, unknown> },
  ): FixtureAnswer {
    const ranges = this.kept.get(camera) ?? [];
    if (method === 'POST') {
      const { from, to, note = '' } = body as { from: string; to: string; note?: string };
      const added = { id: `r${ranges.length + 1}`, from, to, note, by: 'anna', at: iso(Date.now()) };
      this.kept.set(camera, [...ranges, added]);
      return { status: 201, body: added };
    }
    const left = method === 'DELETE' ? ranges.filter(({ id }) => id !== range) : ranges;
    this.kept.set(camera, left);
    return { status: 200, body: { camera, ranges: left } };
  }

  private days(camera: string, query: URLSearchParams): FixtureAnswer {
    const month = query.get('month') ?? '';
    const offsetMs = Number(query.get('offset') ?? 0) * 60_000;
    const seconds = new Map<string, number>();
    for (const segment of this.segmentsOf(camera)) {
      const day = iso(Date.parse(segment.from) + offsetMs).slice(0, 10);
      const length = (Date.parse(segment.to) - Date.parse(segment.from)) / 1_000;
      seconds.set(day, (seconds.get(day) ?? 0) + length);
    }
    // days long ago, of which the fixture has nothing but the calendar's word
    for (let ago = 2; ago < 12; ago += 1)
      seconds.set(iso(Date.now() - ago * dayMs).slice(0, 10), 7_000 * ago);
    const days = [...seconds]
      .filter(([day]) => day.startsWith(month))
      .map(([day, count]) => ({ day, seconds: count }));
    return { status: 200, body: { camera, month, days, unreachable: ['west'] } };
  }

  private segmentsOf(camera: string): SegmentAnswer[] {
    const now = Date.now();
    const query = new URLSearchParams({ from: iso(now - 3 * dayMs), to: iso(now) });
    return this.archive.recordings(camera, query).segments;
  }

  /** Fragments of a second, each of which begins with a keyframe. */
  private keyframe(camera: string, ms: number): FixtureTimesAnswer {
    this.keyframesAsked += 1;
    const { silent } = this;
    const segments = this.segmentsOf(camera).filter(({ server }) => server !== silent);
    const held = segments.findLast(({ from }) => Date.parse(from) <= ms);
    const next = segments.find(({ from }) => Date.parse(from) > ms);
    const nextHeader = next === undefined ? {} : { 'x-starling-next': next.from };
    const silentHeader = silent === undefined ? {} : { 'x-starling-unreachable': silent };
    const file = held === undefined ? undefined : this.archive.file(held.url);
    if (held === undefined || file === undefined) {
      return {
        status: 404,
        body: { error: 'no picture', advice: '' },
        headers: { ...nextHeader, ...silentHeader },
      };
    }
    const begunMs = Date.parse(held.from);
    const ends = fragmentEnds(file);
    const last = Math.min(ends.length, Math.round((Date.parse(held.to) - begunMs) / 1_000)) - 1;
    const place = Math.max(0, Math.min(last, Math.floor((ms - begunMs) / 1_000)));
    const moov = initLength(file);
    const fragment = file.subarray(place === 0 ? moov : ends[place - 1], ends[place]);
    const init = file.subarray(0, moov);
    const summary = readInit(init);
    const first = summary === undefined ? 0 : (firstDecodeTime(fragment, summary) ?? 0);
    const at = { 'x-starling-at': iso(begunMs + place * 1_000) };
    const headers: Record<string, string> = { ...at, ...silentHeader };
    if (place < last) headers['x-starling-next'] = iso(begunMs + (place + 1) * 1_000);
    else Object.assign(headers, nextHeader);
    return { status: 200, headers, bytes: Buffer.concat([init, shiftTimes(fragment, init, -first)]) };
  }

  private logOf(server: string, after: number): LogAnswer {
    const lines = this.logs.get(server) ?? [];
    return {
      server,
      newest: lines.length,
      entries: lines
        .map((line, place) => {
          const [seconds = '0', text = ''] = line.split(/ (.*)/s);
          const time = iso(this.begunMs - 300_000 + Number(seconds) * 1_000);
          return { number: place + 1, time, level: 'info' as const, text };
        })
        .filter(({ number }) => number > after),
    };
  }
}

function initLength(file: Buffer): number {
  for (let at = 0; ; ) {
    const box = boxAt(file, at);
    if (box === undefined || box.type === 'moov') return box?.end ?? 0;
    at = box.end;
  }
}

/** How the death of `west` looks in the logs of the others; seconds first. */
const storyLogs: Record<string, string[]> = {
  north: [
    '0.00 retention deleted 3 segments, 210 MB',
    '1.20 west link broken (ECONNRESET) → suspected, asking south',
    '1.31 west suspected → confirmed by south → dead',
    '1.33 north goes on → tells the cameras of west to rejoin',
    '1.74 manages unit-gate, epoch 4',
    '1.80 south is a neighbor now',
  ],
  south: ['1.34 west is dead (told by north)', '1.95 manages unit-stairs, epoch 7'],
};

function tablesOf(server: string): TablesAnswer {
  const others = ['north', 'south'].filter((other) => other !== server);
  return {
    server,
    network: { founder: 'north', founded, standing: 'established', trusted: true },
    neighbor: {
      joinTime: founded,
      oneHop: others.map((other) => ({
        server: other,
        linkCostMs: 1.4,
        joinTime: founded,
        address: { host: '10.0.0.2', port: 8383 },
        incarnation: 1,
        suspected: false,
        load: 0.2,
        neighbors: [server],
      })),
      twoHop: [],
    },
    query: {
      direct: server === 'north' ? ['gate', 'yard'] : ['stairs'],
      indirect: { oneHop: server === 'north' ? ['stairs'] : ['gate', 'yard'], further: [] },
      servers: others.map((other) => ({
        server: other,
        hops: 1,
        direct: ['stairs'],
        indirect1: [],
        indirect2: [],
      })),
    },
    history: [
      {
        camera: 'gate',
        state: 'online',
        previousOwners: ['west'],
        tenures: [
          {
            server: 'west',
            firstEpoch: 1,
            lastEpoch: 3,
            from: '2026-11-01T08:00:00.000Z',
            to: '2026-11-22T08:00:00.000Z',
          },
          { server: 'north', firstEpoch: 4, lastEpoch: 4, from: '2026-11-22T08:00:00.400Z', to: null },
        ],
      },
    ],
  };
}
