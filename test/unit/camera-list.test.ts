/** Whom the list of cameras asks, so that no alarm of a server is missing in it. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import type { Principal } from '../../firmware/access/principal.ts';
import { Failure } from '../../firmware/base/failure.ts';
import { openAccess } from '../../firmware/viewing/access-control.ts';
import type { AlarmAnswer, CamerasAnswer } from '../../firmware/viewing/api.ts';
import type { ServerEntry } from '../../firmware/viewing/directory.ts';
import { bareViewing, cameraEntry } from '../support/bare-viewing.ts';

const alarmOf = (id: string): AlarmAnswer => ({
  id,
  kind: id.startsWith('volume/') ? 'volume-failed' : 'not-saved',
  text: `${id} is not well`,
  since: '2026-11-22T12:00:00.000Z',
});

const server = (id: string, state: ServerEntry['state']): ServerEntry => ({
  id,
  state,
  hops: state === 'unreachable' ? undefined : 1,
  pageUrl: `http://${id}/`,
  cameras: [],
});

interface Asked {
  readonly list: CamerasAnswer;
  /** the servers that were asked, and for whom */
  readonly asked: readonly string[];
}

/**
 * The list of `s1`, whose camera `here` is the only one of the site. `s2` had its disk pulled, so it has no camera any
 * more; `s3` cannot be reached, and `s4` does not answer.
 */
async function ask(who: Partial<Principal> = {}): Promise<Asked> {
  const asked: string[] = [];
  const principal: Principal = { name: 'anna', role: 'viewer', cameras: 'all', via: 'session', ...who };
  const answer = { cameras: [], alarms: [alarmOf('volume//data'), alarmOf('camera/there')] };
  const { ask: get } = bareViewing({
    access: { ...openAccess, identify: async () => ({ principal }) },
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [
        server('s1', 'self'),
        server('s2', 'reachable'),
        server('s3', 'unreachable'),
        server('s4', 'reachable'),
      ],
      cameras: () => [cameraEntry('here', 's1')],
    },
    peers: {
      get: async (id, path, { user, headers }) => {
        asked.push(`${id} ${path} ${user} ${headers?.['x-starling-own']}`);
        if (id === 's4') throw new Failure('UNREACHABLE', 's4 is late', { advice: 'Wait.' });
        return { status: 200, headers: {}, body: Readable.from([Buffer.from(JSON.stringify(answer))]) };
      },
      webSocket: () => assert.fail('a WebSocket was opened'),
    },
  });
  const response = await get('/api/cameras');
  assert.equal(response.status, 200);
  return { list: (await response.json()) as CamerasAnswer, asked };
}

const shown = ({ list }: Asked): string[] => list.alarms.map(({ server: from, id }) => `${from} ${id}`);

describe('the list of cameras', () => {
  test('has the alarms of a server that can record nothing, and so has no cameras', async () => {
    const answered = await ask();
    assert.deepEqual(shown(answered), ['s2 camera/there', 's2 volume//data']);
    assert.deepEqual(answered.asked, ['s2 /api/cameras anna 1', 's4 /api/cameras anna 1']);
    assert.deepEqual(answered.list.unreachable, ['s3', 's4']);
  });

  test('has of them what somebody may see who may see some cameras only', async () => {
    for (const cameras of [['here'], []])
      assert.deepEqual(shown(await ask({ cameras })), ['s2 volume//data']);
    assert.deepEqual(shown(await ask({ cameras: ['there'] })), ['s2 camera/there', 's2 volume//data']);
  });
});
