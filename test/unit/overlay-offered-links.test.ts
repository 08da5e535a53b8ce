/** How many servers one offers a link at a time, when all look for it at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { degreeDefault, profiles } from '../../firmware/overlay/constants.ts';
import { nonceBytes } from '../../firmware/overlay/packets.ts';
import { addressOf, sent, ssJoinOf, TestServer } from '../support/server-events.ts';

let nonces = 0;

/** They hear of the server by anycast, all at the same time. */
function search(server: TestServer, joiners: readonly string[]): void {
  for (const joiner of joiners) {
    const nonce = Buffer.alloc(nonceBytes);
    nonce.writeUInt32BE(++nonces);
    server.datagram(joiner, 'ss-join', ssJoinOf({ nonce, link: addressOf(joiner) }), { multicast: false });
  }
  server.run(500);
}

const joiners = Array.from({ length: 30 }, (_, number) => `ss-${number + 10}`);

test('a server whom thirty find at once offers no more links than it may have', () => {
  const server = new TestServer();
  search(server, joiners);
  assert.equal(server.dials.length, degreeDefault.max);
});

test('links that it has count, and so do offers that are being considered', () => {
  const server = new TestServer();
  for (const link of [1, 2, 3]) server.neighbor(link, `ss-${link + 1}`);
  search(server, joiners.slice(0, 2));
  const offered = server.dials.map(({ address }) => address.host);
  for (const [at, host] of offered.entries()) {
    const effects = server.dialed(host, 20 + at, { unit: host, role: 'server' });
    assert.equal(sent(effects, 'ss-response', 20 + at).length, 1);
  }
  search(server, joiners.slice(2));
  assert.equal(server.dials.length, degreeDefault.max - 3 - offered.length);
});

test('an offer that failed, was turned down or was forgotten leaves room for others', () => {
  const server = new TestServer();
  search(server, joiners);
  const [failed = '', turnedDown = '', ...others] = server.dials.map(({ address }) => address.host);
  server.dialFailed(failed);
  server.dialed(turnedDown, 20, { unit: turnedDown, role: 'server' });
  server.step({ type: 'closed', link: 20, reason: 'it can be reached already' });
  search(server, ['ss-90', 'ss-91', 'ss-92']);
  assert.equal(server.dials.length, others.length + 2);
  server.run(profiles.lan.replyMs);
  search(server, ['ss-93', 'ss-94', 'ss-95']);
  assert.equal(server.dials.length, others.length + 2 + 3);
});
