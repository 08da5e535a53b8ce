/**
 * What all servers have of a camera over any length of time, as few stretches: for timelines of a year and calendars
 * of a month. Nothing here lists segments.
 *
 * Invariants: stretches of one server are at least the resolution apart; an answer holds at most `rangesMax` of each
 * server: when it would be more, the resolution is doubled, and told. Times are µs UTC.
 */
import { z } from 'zod';
import { Failure } from '../base/failure.ts';
import { type Gap, gapReasons } from '../media/sample.ts';
import type { Archive } from '../recording/archive.ts';
import type { RecordingsAnswer } from './api.ts';
import type { Directory } from './directory.ts';
import { getPeerJson, type PeerAccess } from './holders.ts';
import { formatMs, formatMsUp, formatSeconds, parseTime, type TimeRange } from './time-query.ts';
import { mergeRanges } from './time-ranges.ts';

/** Most stretches, and most gaps, of one server. */
const rangesMax = 4_000;
const answerMs = 2_000;

/** What one server has, and why it lacks what it lacks. */
export interface Coverage {
  /** by start */
  readonly ranges: readonly TimeRange[];
  /** as long as the resolution or longer, by start */
  readonly gaps: readonly Gap[];
  /** holes up to this are closed */
  readonly resolutionUs: number;
}

interface HeldRange extends TimeRange {
  readonly server: string;
}

/** The same of all servers. */
export interface SiteCoverage {
  /** by start, then server */
  readonly covered: readonly HeldRange[];
  readonly gaps: readonly Gap[];
  readonly resolutionUs: number;
  /** sorted */
  readonly unreachable: readonly string[];
}

export interface CoverageSources extends PeerAccess {
  readonly directory: Directory;
  readonly archive: Archive;
  /** only this server may be asked */
  readonly own: boolean;
}

/** What this server has. */
async function ownCoverage(
  archive: Archive,
  camera: string,
  wanted: TimeRange & { resolutionUs: number },
): Promise<Coverage> {
  const { resolutionUs: wantedUs, ...range } = wanted;
  const [all, gaps] = await Promise.all([archive.coverage(camera, range), archive.gaps(camera, range)]);
  let resolutionUs = wantedUs;
  let ranges = mergeRanges(all, resolutionUs);
  while (ranges.length > rangesMax) {
    resolutionUs *= 2;
    ranges = mergeRanges(ranges, resolutionUs);
  }
  const told = gaps.filter(({ fromUs, toUs }) => toUs - fromUs >= resolutionUs);
  return { ranges, gaps: told.slice(0, rangesMax), resolutionUs };
}

/** What all servers have; one that does not answer is named. */
export async function siteCoverage(
  camera: string,
  wanted: TimeRange & { resolutionUs: number },
  sources: CoverageSources,
): Promise<SiteCoverage> {
  const { directory, archive, own } = sources;
  const others = own ? [] : directory.servers().filter(({ state }) => state !== 'self');
  const unreachable = new Set(others.filter(({ state }) => state === 'unreachable').map(({ id }) => id));
  const answers = await Promise.all([
    ownCoverage(archive, camera, wanted).then((coverage) => ({ server: directory.self, coverage })),
    ...others
      .filter(({ id }) => !unreachable.has(id))
      .map(async ({ id }) => ({ server: id, coverage: await peerCoverage(id, camera, wanted, sources) })),
  ]);
  const covered: HeldRange[] = [];
  const gaps = new Map<string, Gap>();
  let { resolutionUs } = wanted;
  for (const { server, coverage } of answers) {
    if (coverage === undefined) unreachable.add(server);
    resolutionUs = Math.max(resolutionUs, coverage?.resolutionUs ?? 0);
    for (const range of coverage?.ranges ?? []) covered.push({ server, ...range });
    // Several servers may know of the same gap.
    for (const gap of coverage?.gaps ?? []) gaps.set(`${gap.fromUs}/${gap.toUs}/${gap.reason}`, gap);
  }
  covered.sort((a, b) => a.fromUs - b.fromUs || (a.server < b.server ? -1 : 1));
  const sorted = [...gaps.values()].sort((a, b) => a.fromUs - b.fromUs || a.toUs - b.toUs);
  return { covered, gaps: sorted.slice(0, rangesMax), resolutionUs, unreachable: [...unreachable].sort() };
}

/** Undefined when that server does not answer, or makes no sense. */
async function peerCoverage(
  server: string,
  camera: string,
  { fromUs, toUs, resolutionUs }: TimeRange & { resolutionUs: number },
  access: PeerAccess,
): Promise<Coverage | undefined> {
  const query = `from=${formatSeconds(fromUs)}&to=${formatSeconds(toUs)}&resolution=${resolutionUs / 1_000_000}`;
  try {
    const path = `/api/cameras/${camera}/recordings?${query}`;
    const { status, json } = await getPeerJson(access, server, path, answerMs);
    return status === 404 ? { ranges: [], gaps: [], resolutionUs } : readCoverage(camera, json);
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    return undefined;
  }
}

/** As the API tells it: a list of recordings without segments. */
export function formatCoverage(camera: string, coverage: SiteCoverage): RecordingsAnswer {
  const { covered, gaps, resolutionUs, unreachable } = coverage;
  return {
    camera,
    segments: [],
    resolution: resolutionUs / 1_000_000,
    covered: covered.map(({ server, fromUs, toUs }) => ({
      server,
      from: formatMs(fromUs),
      to: formatMsUp(toUs),
    })),
    gaps: gaps.map(({ fromUs, toUs, reason }) => ({ from: formatMs(fromUs), to: formatMsUp(toUs), reason })),
    unreachable: [...unreachable],
    truncated: false,
  };
}

const timeJson = z.string().transform((text, context) => {
  const time = parseTime(text);
  if (time.ok) return time.value;
  context.addIssue('not a time');
  return z.NEVER;
});

const coverageJson = z.object({
  resolution: z.number().positive(),
  covered: z.array(z.object({ from: timeJson, to: timeJson })).max(rangesMax),
  gaps: z.array(z.object({ from: timeJson, to: timeJson, reason: z.enum(gapReasons) })).max(rangesMax),
});

/** Reads another server's answer; undefined when it makes no sense. */
export function readCoverage(camera: string, json: unknown): Coverage | undefined {
  const answer = coverageJson.safeParse(json).data;
  if (answer === undefined) return undefined;
  return {
    ranges: answer.covered.map(({ from, to }) => ({ fromUs: from, toUs: to })),
    gaps: answer.gaps.map(({ from, to, reason }) => ({ camera, fromUs: from, toUs: to, reason })),
    resolutionUs: answer.resolution * 1_000_000,
  };
}
