/** Playlists for players that cannot sign in: a signed link lets them have its parts, through any server, and nothing else. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ErrorAnswer } from '../../firmware/viewing/api.ts';
import { AccessSite } from '../support/access-site.ts';
import { openFullSite } from '../support/full-site.ts';
import type { ViewingSite } from '../support/viewing-site.ts';

const access = new AccessSite(['a', 'b']);
const viewer = access.token('viewer', { role: 'viewer', cameras: ['door', 'yard'] });
let site: ViewingSite;

before(async () => {
  site = await openFullSite(access);
});

after(() => site[Symbol.asyncDispose]());

/** Asks without showing who asks. */
function anonymously(server: string, target: string): Promise<Response> {
  return fetch(site.server(server).url + target);
}

async function linkTo(camera: string): Promise<string> {
  const response = await fetch(`${site.server('a').url}/api/cameras/${camera}/links`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${viewer.text}`,
      'content-type': 'application/json',
      'x-starling': '1',
    },
    body: JSON.stringify({
      what: 'playlist',
      from: '2026-11-22T12:00:00Z',
      to: '2026-11-22T12:10:00Z',
      seconds: 600,
    }),
  });
  assert.equal(response.status, 201, await response.clone().text());
  return ((await response.json()) as { url: string }).url;
}

for (const camera of ['door', 'yard']) {
  for (const server of ['a', 'b']) {
    test(`a link to the playlist of ${camera} is enough for all its parts, on ${server}`, async () => {
      const response = await anonymously(server, await linkTo(camera));
      const text = await response.text();
      assert.equal(response.status, 200, text);
      const addresses = [...text.matchAll(/^(\/.*)$|URI="(.*)"/gm)].map(([, part, map]) => part ?? map ?? '');
      assert.ok(addresses.length >= 2, text);
      for (const address of addresses) {
        const part = await anonymously(server, address);
        assert.equal(part.status, 200, `${address}: ${await part.clone().text()}`);
        assert.ok((await part.arrayBuffer()).byteLength > 0, 'an empty part');
        assert.equal((await anonymously(server, address.replace(/\?.*/, ''))).status, 401);
        const other = await anonymously(server, address.replace(/[^/]*\.mp4/, '0-0.mp4'));
        assert.equal(other.status, 401, 'another part');
        assert.ok(((await other.json()) as ErrorAnswer).error.length > 0);
      }
    });
  }
}
