/**
 * A site of servers `a` and `b` with all that a route may need: cameras `door` (managed and recorded by a) and `yard` (by
 * b), both live, mounts, streams, settings, a decoder; users and tokens that hold on both.
 */
import type { Clock } from '../../firmware/base/clock.ts';
import { accept } from '../../firmware/base/result.ts';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import { openAccess } from '../../firmware/viewing/access-control.ts';
import type { ViewingOptions } from '../../firmware/viewing/http-api.ts';
import type { AccessSite } from './access-site.ts';
import { wellBox } from './box-reports.ts';
import { networkAccess, unknownTo } from './figure-one.ts';
import { frame, videoTrack } from './media-samples.ts';
import { ViewingSite } from './viewing-site.ts';

/** UTC of PTS 0 of what is recorded, µs: 3 s of each camera. */
const originUs = Date.parse('2026-11-22T12:00:00Z') * 1000;

const position = { pan: 0, tilt: 0, zoom: 1 };
const mount = {
  position,
  moving: false,
  limits: { pan: [-90, 90], tilt: undefined, zoom: [1, 4] },
  fieldOfView: 60,
  presets: [{ name: 'home', ...position }],
} as const;

/** The accounts of each server. */
export type SiteAccess = Pick<AccessSite, 'of'>;

/** All that a route may need, but for recordings and other servers. `open`: whoever asks may do everything. */
export function fullParts(access: SiteAccess, server: string, open?: 'open'): Partial<ViewingOptions> {
  const accounts = access.of(server);
  return {
    access: open === 'open' ? openAccess : accounts,
    accounts,
    signLinks: (target) => accounts.links.covering(target),
    network: networkAccess({ where: async (camera) => ({ ...unknownTo(camera), manager: server }) }),
    streams: {
      stream: async () => ({ bitrateKbps: 500, frameRate: 10, keyframeIntervalMs: 1_000, restarted: false }),
    },
    ptz: { of: () => mount, command: async () => undefined, frameRate: () => 10 },
    settings: {
      ofCamera: () => ({ name: '', group: '', days: undefined, maxMb: undefined }),
      ofServer: () => ({ name: '', days: undefined }),
      changeCamera: (_, wish) => accept({ name: '', group: '', days: undefined, maxMb: undefined, ...wish }),
      changeServer: (_, wish) => accept({ name: '', days: undefined, ...wish }),
      removeCamera: () => accept(undefined),
    },
    events: { read: async () => ({ events: [], nextUs: undefined }) },
    decoder: { jpeg: async () => Buffer.from([0xff, 0xd8, 0xff, 0xd9]) },
    disks: () => wellBox(server),
    metrics: { render: async () => ({ type: 'text/plain; version=0.0.4', text: 'up 1\n' }) },
  };
}

/** Dispose what is returned; `access` must know servers `a` and `b`. */
export async function openFullSite(
  access: SiteAccess,
  { open, ...other }: { readonly open?: 'open'; readonly clock?: Clock } = {},
): Promise<ViewingSite> {
  const site = await ViewingSite.with(
    (server) => ({ ...fullParts(access, server, open), ...other }),
    'a',
    'b',
  );
  for (const [camera, manager] of [
    ['door', 'a'],
    ['yard', 'b'],
  ] as const) {
    site.addCamera(camera, manager);
    const tracks = [trackOf(camera)];
    const samples = Array.from({ length: 30 }, (_, sequence) => ({
      ...frame(sequence),
      payload: [nalUnit()],
    }));
    await site.record(manager, { tracks, epoch: 1, originUs, samples: [samples] });
    site.server(manager).live.publishTracks(camera, tracks);
    show(site, camera, samples);
  }
  return site;
}

/** Another live picture of both cameras: one that stays the newest for 10 s is an old one. */
export function showAnother(site: ViewingSite): void {
  const next = { ...frame(30), payload: [nalUnit()] };
  for (const camera of ['door', 'yard']) show(site, camera, [next]);
}

function show(site: ViewingSite, camera: string, samples: readonly Sample[]): void {
  const { live } = site.server(camera === 'door' ? 'a' : 'b');
  for (const sample of samples) live.publishSample(camera, 1, sample, originUs + sample.ptsUs);
}

/** With parameter sets as they have to be, so that a picture can be asked for. */
function trackOf(camera: string): TrackDescription {
  const track = videoTrack('boot-1.1', camera);
  const parameterSets = [0xe1, 0, 4, 0x67, 0x42, 0xc0, 0x1e, 1, 0, 1, 0x68];
  return {
    ...track,
    format: { ...track.format, config: Buffer.from([1, 0x42, 0xc0, 0x1e, 0xff, ...parameterSets]) },
  };
}

/** A NAL unit of 96 bytes behind its length. */
function nalUnit(): Buffer {
  const bytes = Buffer.alloc(100, 0x65);
  bytes.writeUInt32BE(96);
  return bytes;
}
