/** Links to videos in a format: what the real access code makes of them, as they were made and altered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorAnswer, LinkAnswer } from '../../firmware/viewing/api.ts';
import { AccessRig, addUser, cookieOf, signIn } from '../support/access-rig.ts';
import { bareViewing, cameraEntry } from '../support/bare-viewing.ts';

const range = { from: '2026-11-22T11:00:00Z', to: '2026-11-22T11:10:00Z' };

async function scene() {
  const rig = new AccessRig();
  const server = await rig.server('s1');
  const { access } = server;
  const { ask } = bareViewing({
    access,
    accounts: access,
    clock: rig.clock,
    directory: { site: 'home', self: 's1', servers: () => [], cameras: () => [cameraEntry('door', 's1')] },
  });
  await addUser(server, 'anna', { cameras: ['door'] });
  const cookie = cookieOf((await signIn(server, 'anna')).cookie);
  const make = async (wish: object): Promise<[number, LinkAnswer & ErrorAnswer]> => {
    const headers = { cookie, 'x-starling': '1', 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(wish) };
    const response = await ask('/api/cameras/door/links', init, { secure: true });
    return [response.status, (await response.json()) as LinkAnswer & ErrorAnswer];
  };
  return { make, open: async (url: string) => (await ask(url)).status };
}

/** Nothing is recorded: who is let in finds nothing. */
const letIn = 404;

for (const format of ['mp4', 'fragmented']) {
  test(`a link to a video with format=${format} is good as it was made, and not when it is altered`, async () => {
    const { make, open } = await scene();
    const [status, { url }] = await make({ what: 'video', ...range, format });
    assert.equal(status, 201);
    assert.equal(new URL(url, 'http://x').searchParams.get('format'), format);
    assert.equal(await open(url), letIn);
    const other = format === 'mp4' ? 'fragmented' : 'mp4';
    for (const altered of [
      url.replace(`format=${format}`, `format=${other}`),
      url.replace(`&format=${format}`, ''),
      `${url}&format=${other}`,
    ]) {
      assert.notEqual(altered, url);
      assert.equal(await open(altered), 401, altered);
    }
  });
}

test('a link without a format has none, and none can be added to it', async () => {
  const { make, open } = await scene();
  const [, { url }] = await make({ what: 'video', ...range });
  assert.ok(!url.includes('format'), url);
  assert.equal(await open(url), letIn);
  assert.equal(await open(`${url}&format=mp4`), 401);
});

test('a format that there is not, or of what is no video, is refused', async () => {
  const { make } = await scene();
  assert.equal((await make({ what: 'video', ...range, format: 'avi' }))[0], 400);
  for (const what of ['live', 'playlist', 'frame']) {
    const [status, { error, advice }] = await make({ what, ...range, format: 'mp4' });
    assert.deepEqual([status, error], [400, 'only a video has a format'], what);
    assert.match(advice, /what: video/);
  }
});
