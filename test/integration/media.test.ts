/** Recordings of two servers as progressive files with byte ranges, as days of a month, and as stretches of a year. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { DaysAnswer, ErrorAnswer, RecordingsAnswer } from '../../firmware/viewing/api.ts';
import { at, camera, originUs, RecordedSite } from '../support/recorded-site.ts';

let it: RecordedSite;

before(async () => {
  it = await RecordedSite.open();
});

after(() => it[Symbol.asyncDispose]());

function get(server: string, target: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${it.url(server)}/api/cameras/${camera}/${target}`, { headers });
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

/** Seconds of the first capture as UTC ms, as headers tell it. */
function utcMs(second: number): number {
  return Math.floor((originUs + (it.startSeconds + second) * 1e6) / 1000);
}

describe('a progressive file', () => {
  test('has each frame of both servers once, and no fragments', async () => {
    for (const server of ['a', 'b']) {
      const response = await get(server, `video.mp4?from=${at(0)}&to=${at(30)}&format=mp4`);
      const body = await bytesOf(response);
      assert.equal(response.headers.get('content-length'), String(body.length));
      assert.equal(body.indexOf('moof'), -1);
      const packets = await it.judge(body);
      assert.equal(packets.length, 300);
      for (const [place, { pts }] of packets.entries()) {
        assert.ok(Math.abs(pts - place / 30) < 0.002, `frame ${place} at ${pts}`);
      }
    }
  });

  test('can be read in ranges that fit together, and is not sent again to who has it', async () => {
    const query = `video.mp4?from=${at(0)}&to=${at(120)}&format=mp4`;
    const whole = await get('a', query);
    const body = await bytesOf(whole);
    const etag = whole.headers.get('etag') ?? '';
    const pieces: Buffer[] = [];
    const step = Math.ceil(body.length / 7);
    for (let start = 0; start < body.length; start += step) {
      const range = `bytes=${start}-${start + step - 1}`;
      const response = await get('a', query, { range, 'if-range': etag });
      assert.equal(response.status, 206);
      pieces.push(await bytesOf(response));
    }
    assert.ok(Buffer.concat(pieces).equals(body), 'the ranges are the file');
    assert.equal((await get('a', query, { 'if-none-match': etag })).status, 304);
    assert.equal((await get('a', query, { range: `bytes=${body.length}-` })).status, 416);
  });

  test('of more than two hours is refused, and says what else there is', async () => {
    const response = await get('a', `video.mp4?from=${at(0)}&to=${at(7201)}&format=mp4`);
    assert.equal(response.status, 400);
    assert.match(((await response.json()) as ErrorAnswer).advice, /fragmented/);
  });

  test('says what is missing while a server is away, and is whole when it is back', async () => {
    const query = `video.mp4?from=${at(0)}&to=${at(9)}&format=mp4`;
    await it.without('b', async () => {
      const response = await get('a', query);
      assert.match(response.headers.get('x-starling-partial') ?? '', /T12:00:0\d/);
      assert.equal((await it.judge(await bytesOf(response))).length, 150);
    });
    const response = await get('a', query);
    assert.equal(response.headers.get('x-starling-partial'), null);
    assert.equal((await it.judge(await bytesOf(response))).length, 270 - Math.floor(it.startSeconds * 30));
  });
});

describe('days and years', () => {
  test('the days of a month say how much is recorded, once where two servers have it', async () => {
    for (const server of ['a', 'b']) {
      const answer = await it.json<DaysAnswer>(server, `/api/cameras/${camera}/days?month=2026-11`);
      const [day, ...others] = answer.days;
      assert.deepEqual([day?.day, others.length, answer.unreachable], ['2026-11-22', 0, []]);
      assert.ok((day?.seconds ?? 0) >= 14 && (day?.seconds ?? 0) <= 23, `${day?.seconds} s`);
    }
  });

  test('days are those of the place', async () => {
    const east = await it.json<DaysAnswer>('a', `/api/cameras/${camera}/days?month=2026-11&offset=780`);
    assert.deepEqual(
      east.days.map(({ day }) => day),
      ['2026-11-23'],
    );
  });

  test('a month that is none is refused, and so is a camera that nobody knows', async () => {
    for (const query of [
      'month=2026-13',
      'month=now',
      'month=2026-11&offset=900',
      'month=2026-11&offset=x',
      '',
    ]) {
      assert.equal((await get('a', `days?${query}`)).status, 400, query);
    }
    assert.equal((await fetch(`${it.url('a')}/api/cameras/nobody/days?month=2026-11`)).status, 404);
  });

  test('a year is told in stretches of each server', async () => {
    const query = 'from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z';
    const answer = await it.json<RecordingsAnswer>(
      'b',
      `/api/cameras/${camera}/recordings?${query}&resolution=20`,
    );
    assert.deepEqual([answer.segments, answer.resolution, answer.unreachable], [[], 20, []]);
    const stretches = (answer.covered ?? []).map(({ server, from, to }) => {
      return [
        server,
        Math.round((Date.parse(from) - utcMs(0)) / 1000),
        Math.round((Date.parse(to) - utcMs(0)) / 1000),
      ];
    });
    assert.deepEqual(stretches.slice(0, 3), [
      ['a', 0, 5],
      ['b', 3, 10],
      ['b', 60, 64],
    ]);
    const coarse = await it.json<RecordingsAnswer>(
      'b',
      `/api/cameras/${camera}/recordings?${query}&resolution=3600`,
    );
    assert.ok((coarse.covered?.length ?? 0) < stretches.length, 'holes are closed');
    await it.without('a', async () => {
      const less = await it.json<RecordingsAnswer>(
        'b',
        `/api/cameras/${camera}/recordings?${query}&resolution=20`,
      );
      assert.deepEqual(less.unreachable, ['a']);
    });
  });
});

test('no request ran into a bug', () => {
  for (const server of it.site.servers.values()) assert.deepEqual(server.errors, []);
});
