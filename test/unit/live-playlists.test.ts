/** Live playlists that several people ask for: each gets what there is, whoever asked before. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Archive } from '../../firmware/recording/archive.ts';
import { openAccess } from '../../firmware/viewing/access-control.ts';
import type { PeerClient, ServerEntry } from '../../firmware/viewing/directory.ts';
import { formatRecordings } from '../../firmware/viewing/recordings.ts';
import { formatDetail } from '../../firmware/viewing/segment-json.ts';
import { bareViewing, cameraEntry, emptyArchive } from '../support/bare-viewing.ts';
import { type Delivery, type StoredSegment, store } from '../support/stored-segments.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const delivery: Delivery = {
  holder: 1,
  capture: 0,
  gop: 0,
  frames: 40,
  soundLate: 0,
  soundEarly: 0,
  perSegment: 4,
  clockOffUs: 0,
  lostTail: 0,
};
const own = store(delivery, 0, false);
const others = store({ ...delivery, holder: 2, gop: 4 }, 1, false);
const path = '/api/cameras/door/playlist.m3u8';

function listed(stored: readonly StoredSegment[]) {
  return stored.map(({ detail }) => detail.listing);
}

/** What s2 says; nothing to users other than ann. */
const s2: PeerClient = {
  async get(server, target, { user = 'ann' }) {
    const body = new PassThrough();
    if (user !== 'ann') return { status: 401, headers: {}, body: body.end('{}') };
    const detail = others.find((one) => target.includes(`${one.detail.listing.name}.json`))?.detail;
    const segments = listed(others).map((one) => ({ ...one, server }));
    const list = formatRecordings('door', { segments, gaps: [], unreachable: [], truncated: false });
    body.end(detail === undefined ? JSON.stringify(list) : formatDetail(detail));
    return { status: 200, headers: {}, body };
  },
  webSocket: () => assert.fail('a live picture was asked for'),
};

const archive: Archive = {
  ...emptyArchive,
  segments: async () => listed(own),
  detail: async (_camera, name) => own.find(({ detail }) => detail.listing.name === name)?.detail,
};

/** Asks as somebody; a second later than the one before. */
function viewing(peers = s2): (name: string, headers?: Record<string, string>) => Promise<Response> {
  const clock = new VirtualClock();
  clock.advance(10_000);
  const servers: ServerEntry[] = [
    { id: 's1', state: 'self', hops: 0, pageUrl: '', cameras: [] },
    { id: 's2', state: 'reachable', hops: 1, pageUrl: '', cameras: [] },
  ];
  const { ask } = bareViewing({
    clock,
    archive,
    peers,
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => servers,
      cameras: () => [cameraEntry('door', 's2')],
    },
    access: {
      ...openAccess,
      identify: async (request) => ({
        principal: { name: request.header('user') ?? '', role: 'viewer', cameras: 'all', via: 'session' },
      }),
    },
  });
  return (name, headers = {}) => {
    clock.advance(1_000);
    return ask(path, { headers: { user: name, ...headers } });
  };
}

test('who asks for what this server has alone takes nothing from the others', async () => {
  const ask = viewing();
  const alone = await (await ask('ann', { 'x-starling-own': '1' })).text();
  assert.match(alone, /parts\/s1\//);
  assert.doesNotMatch(alone, /parts\/s2\//);
  const all = await (await ask('ann')).text();
  assert.match(all, /parts\/s1\/.*parts\/s2\//s);
  assert.doesNotMatch(await (await ask('ann', { 'x-starling-own': '1' })).text(), /parts\/s2\//);
  assert.equal(await (await ask('ann')).text(), all);
});

test('whom another server refuses makes it unreachable for nobody', async () => {
  const ask = viewing();
  const first = await ask('bob');
  assert.match(await first.text(), /parts\/s2\//);
  await ask('ann');
  await ask('bob');
  assert.doesNotMatch(await (await ask('ann')).text(), /EXT-X-GAP/);
});

test('a live playlist names who does not answer, and gives the rest', async () => {
  const ask = viewing({
    ...s2,
    get: async () => ({ status: 503, headers: {}, body: new PassThrough().end() }),
  });
  const response = await ask('ann');
  assert.equal(response.headers.get('x-starling-unreachable'), 's2');
  assert.match(await response.text(), /parts\/s1\//);
  assert.equal((await viewing()('ann')).headers.get('x-starling-unreachable'), null);
});
