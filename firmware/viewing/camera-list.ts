/**
 * The list of cameras: what the network knows of each, and the details that only its manager has; and what is wrong
 * with recording on any server. One that can record nothing has no cameras, for it has let them go: so all are asked.
 *
 * Invariant: servers are asked all at once and for `serverAnswerMs` at most; what does not come in time is null, and
 * the server is named as unreachable. They answer on behalf of whoever asks, with what that one may see.
 */
import { z } from 'zod';
import { type Principal, seesCamera } from '../access/principal.ts';
import { Failure } from '../base/failure.ts';
import { codecString } from '../media/fragmented-mp4.ts';
import type { CameraAnswer, CamerasAnswer, StatusAnswer } from './api.ts';
import type { CameraEntry, Directory } from './directory.ts';
import { getPeerJson, type PeerAccess } from './holders.ts';
import type { LiveHub } from './live-hub.ts';
import type { PtzAccess, PtzState } from './ptz-access.ts';
import type { SettingsAccess } from './settings-access.ts';
import { formatMs } from './time-query.ts';

/** How long another server may take. */
const serverAnswerMs = 500;
const camerasMax = 16_384;
const alarmsMax = 1_000;

export interface CameraListSources extends PeerAccess {
  readonly directory: Directory;
  readonly live: LiveHub;
  readonly status: () => StatusAnswer;
  /** absent where cameras cannot be told anything */
  readonly ptz?: PtzAccess | undefined;
  readonly settings?: Pick<SettingsAccess, 'ofCamera'> | undefined;
  /** only this server may be asked */
  readonly own: boolean;
  /** of whoever asks */
  readonly rights: Pick<Principal, 'cameras'>;
}

/** What a manager adds to what the network knows. */
type CameraDetails = Pick<
  CameraAnswer,
  'lastFrameAt' | 'durableThrough' | 'width' | 'height' | 'codecs' | 'ptz' | 'frameRate'
>;

const nothingKnown: CameraDetails = {
  lastFrameAt: null,
  durableThrough: null,
  width: null,
  height: null,
  codecs: null,
  ptz: null,
  frameRate: null,
};

const timeText = z.iso.datetime().nullable();
const pixels = z.number().int().nonnegative().nullable();
const detailsJson = z.object({
  cameras: z
    .array(
      z.object({
        id: z.string().max(32),
        lastFrameAt: timeText,
        durableThrough: timeText,
        width: pixels,
        height: pixels,
        codecs: z.string().max(200).nullable(),
        // Older servers do not say.
        ptz: z.object({ pan: z.boolean(), tilt: z.boolean(), zoom: z.boolean() }).nullable().default(null),
        frameRate: z.number().min(0).max(1_000).nullable().default(null),
      }),
    )
    .max(camerasMax),
  alarms: z
    .array(
      z.object({
        id: z.string().max(5_000),
        kind: z.string().max(64),
        text: z.string().max(10_000),
        since: z.iso.datetime(),
      }),
    )
    .max(alarmsMax),
});

/** All cameras that `rights` hold for, sorted by id. */
export async function listCameras(sources: CameraListSources): Promise<CamerasAnswer> {
  const { directory, own, rights, settings } = sources;
  const entries = directory.cameras().filter(({ id }) => seesCamera(rights, id));
  const unreachable = new Set<string>();
  const others = new Set(entries.map(({ manager }) => manager));
  for (const { id, state } of directory.servers()) {
    others.add(id);
    if (state === 'unreachable') unreachable.add(id);
  }
  others.delete(directory.self);
  const details = new Map(ownDetails(entries, sources));
  const alarms: CamerasAnswer['alarms'] = sources
    .status()
    .alarms.map((alarm) => ({ server: directory.self, ...alarm }));
  if (!own) {
    const asked = [...others].filter((server) => !unreachable.has(server));
    const found = { details, alarms, unreachable };
    await Promise.all(asked.map((server) => addAnswer(server, found, sources)));
  }
  const cameras = entries.map(({ id, unit, manager, epoch, state }) => {
    const { name, group } = settings?.ofCamera(id) ?? { name: '', group: '' };
    return {
      id,
      unit,
      manager,
      epoch,
      state,
      name,
      group,
      ...(details.get(keyOf(manager, id)) ?? nothingKnown),
    };
  });
  cameras.sort((a, b) => compareText(a.id, b.id));
  alarms.sort((a, b) => compareText(a.server, b.server) || compareText(a.id, b.id));
  return { cameras, alarms, unreachable: own ? [] : [...unreachable].sort() };
}

/** A camera's details count only from its manager. */
function keyOf(manager: string, camera: string): string {
  return `${manager}/${camera}`;
}

function ownDetails(
  entries: readonly CameraEntry[],
  { directory, live, status, ptz }: CameraListSources,
): [string, CameraDetails][] {
  const durable = new Map(status().cameras.map(({ id, durableThrough }) => [id, durableThrough]));
  return entries
    .filter(({ manager }) => manager === directory.self)
    .map(({ id }) => {
      const snapshot = live.snapshot(id);
      const main = snapshot?.tracks.filter(({ rendition }) => rendition === 'main') ?? [];
      const video = main.find(({ kind }) => kind === 'video');
      const details: CameraDetails = {
        lastFrameAt: snapshot?.lastFrameUs === undefined ? null : formatMs(snapshot.lastFrameUs),
        durableThrough: durable.get(id) ?? null,
        width: video?.format.width ?? null,
        height: video?.format.height ?? null,
        codecs: main.length === 0 ? null : main.map(({ format }) => codecString(format)).join(','),
        ptz: axesOf(ptz?.of(id)),
        frameRate: ptz?.frameRate(id) ?? null,
      };
      return [keyOf(directory.self, id), details];
    });
}

function axesOf(state: PtzState | undefined): CameraDetails['ptz'] {
  if (state === undefined) return null;
  const { pan, tilt, zoom } = state.limits;
  return { pan: pan !== undefined, tilt: tilt !== undefined, zoom: zoom !== undefined };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function addAnswer(
  server: string,
  {
    details,
    alarms,
    unreachable,
  }: {
    details: Map<string, CameraDetails>;
    alarms: CamerasAnswer['alarms'];
    unreachable: Set<string>;
  },
  access: PeerAccess,
): Promise<void> {
  try {
    const { json } = await getPeerJson(access, server, '/api/cameras', serverAnswerMs);
    const answer = detailsJson.parse(json);
    for (const { id, ...rest } of answer.cameras) details.set(keyOf(server, id), rest);
    // A server speaks for itself alone.
    alarms.push(...answer.alarms.map((alarm) => ({ ...alarm, server })));
  } catch (thrown) {
    if (!(thrown instanceof Failure || thrown instanceof z.ZodError)) throw thrown;
    unreachable.add(server);
  }
}
