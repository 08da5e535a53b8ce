/** Who speaks for a camera at a broker while two servers may both think that it is theirs. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CameraClaims } from '../../firmware/telemetry/camera-claims.ts';

const goneMs = 3_000;
const limits = { goneMs, epochMax: 1_000_000 };
const mine = (epoch: number, online = true) => [{ id: 'cam-1', epoch, online }];

/** A server that has listened for a second and speaks for the camera. */
function speaking(epoch: number): CameraClaims {
  const claims = new CameraClaims('ss-1', limits);
  assert.deepEqual(claims.observe(0, mine(epoch)), { begun: ['cam-1'], ended: [] });
  claims.listening(0, 'cam-1');
  assert.equal(claims.standing(1_000, 'cam-1'), 'present');
  return claims;
}

describe('a server', () => {
  test('says nothing of a camera before the broker had time to say what it knows', () => {
    const claims = new CameraClaims('ss-1', limits);
    claims.observe(0, mine(5));
    assert.equal(claims.standing(10_000, 'cam-1'), 'silent');
    claims.listening(10_000, 'cam-1');
    assert.equal(claims.standing(10_100, 'cam-1'), 'silent');
    assert.equal(claims.standing(10_300, 'cam-1'), 'present');
  });

  test('that was away falls silent by a higher epoch, though it still believes that the camera is its own', () => {
    const claims = speaking(5);
    assert.equal(claims.heard(1_000, 'cam-1', { manager: 'ss-2', epoch: 6 }), false);
    assert.equal(claims.standing(1_001, 'cam-1'), 'silent');
  });

  test('that comes back finds the higher epoch retained, and says nothing at all', () => {
    const claims = new CameraClaims('ss-1', limits);
    claims.observe(0, mine(5, false));
    claims.listening(0, 'cam-1');
    claims.heard(10, 'cam-1', { manager: 'ss-2', epoch: 6 });
    for (let ms = 0; ms < 100_000; ms += 500) assert.equal(claims.standing(ms, 'cam-1'), 'silent');
  });

  test('publishes over what an old manager or a stranger said', () => {
    const claims = speaking(6);
    assert.equal(claims.heard(1_000, 'cam-1', { manager: 'ss-2', epoch: 5 }), true);
    assert.equal(claims.heard(2_000, 'cam-1', undefined), true);
    assert.equal(claims.heard(3_000, 'cam-1', { manager: 'ss-1', epoch: 6 }), true);
    assert.equal(claims.heard(9_000, 'cam-2', undefined), false);
  });

  test('does not mind what it said itself before, and what the broker says first', () => {
    const claims = new CameraClaims('ss-1', limits);
    claims.observe(0, mine(6));
    claims.listening(0, 'cam-1');
    assert.equal(claims.heard(10, 'cam-1', { manager: 'ss-1', epoch: 6 }), false);
    assert.equal(claims.heard(20, 'cam-1', { manager: 'ss-2', epoch: 5 }), false);
    assert.equal(claims.standing(300, 'cam-1'), 'present');
  });

  test('that holds the camera speaks again when the higher epoch was of an earlier life of it', () => {
    const claims = speaking(1);
    claims.heard(1_000, 'cam-1', { manager: 'ss-2', epoch: 900 });
    assert.equal(claims.standing(15_999, 'cam-1'), 'silent');
    assert.equal(claims.standing(16_000, 'cam-1'), 'present');
    // What the overlay did not confirm in all that time silences it no more.
    assert.equal(claims.heard(17_000, 'cam-1', { manager: 'ss-2', epoch: 901 }), true);
    assert.equal(claims.standing(17_000, 'cam-1'), 'present');
    // But when it loses the camera: another server may have it then.
    claims.observe(18_000, mine(1, false));
    claims.heard(18_500, 'cam-1', { manager: 'ss-2', epoch: 902 });
    for (let ms = 18_500; ms < 100_000; ms += 500) assert.equal(claims.standing(ms, 'cam-1'), 'silent');
  });

  test('calls a camera that it lost gone only after another server had time to take it', () => {
    const claims = speaking(5);
    claims.observe(2_000, mine(5, false));
    assert.equal(claims.standing(2_000 + goneMs - 1, 'cam-1'), 'silent');
    assert.equal(claims.standing(2_000 + goneMs, 'cam-1'), 'gone');
    claims.observe(6_000, mine(6));
    assert.equal(claims.standing(6_000, 'cam-1'), 'present');
  });

  test('that heard of the new manager does not call the camera gone', () => {
    const claims = speaking(5);
    claims.observe(2_000, mine(5, false));
    claims.heard(2_500, 'cam-1', { manager: 'ss-2', epoch: 6 });
    for (let ms = 2_500; ms < 100_000; ms += 500) assert.equal(claims.standing(ms, 'cam-1'), 'silent');
  });

  test('that gets the camera back with an epoch of its own speaks at once', () => {
    const claims = speaking(5);
    claims.heard(1_000, 'cam-1', { manager: 'ss-2', epoch: 6 });
    claims.observe(1_500, mine(7));
    assert.equal(claims.standing(1_500, 'cam-1'), 'present');
  });

  test('stops listening to a camera that is another server’s, and begins again in a new session', () => {
    const claims = speaking(5);
    assert.deepEqual(claims.observe(2_000, []), { begun: [], ended: ['cam-1'] });
    assert.equal(claims.standing(2_000, 'cam-1'), 'silent');
  });
});

test('two servers that both believe for a while agree on the one with the higher epoch, in any order of events', () => {
  // Everything either says reaches the other at once or late; whoever is silent says nothing.
  for (let order = 0; order < 64; order++) {
    const servers = [
      { id: 'old', epoch: 5, claims: new CameraClaims('old', limits) },
      { id: 'new', epoch: 6, claims: new CameraClaims('new', limits) },
    ];
    for (const { claims, epoch } of servers) claims.observe(0, mine(epoch));
    let retained = { manager: '', epoch: -1 };
    const waiting: { to: CameraClaims; claim: { manager: string; epoch: number } }[] = [];
    const listenedAt = [(order & 3) * 400, ((order >> 2) & 3) * 400];
    for (let ms = 0; ms < 8_000; ms += 200) {
      for (const [place, server] of servers.entries()) {
        const { claims, epoch, id } = server;
        if (ms === listenedAt[place]) {
          claims.listening(ms, 'cam-1');
          if (retained.epoch >= 0 && retained.manager !== id) claims.heard(ms, 'cam-1', retained);
        }
        const other = servers[1 - place];
        if (claims.standing(ms, 'cam-1') !== 'present' || other === undefined) continue;
        if (retained.manager === id && retained.epoch === epoch) continue;
        if ((order >> 4) % 2 === place && ms % 400 === 0) continue;
        retained = { manager: id, epoch };
        waiting.push({ to: other.claims, claim: retained });
      }
      for (const { to, claim } of waiting.splice(0)) to.heard(ms, 'cam-1', claim);
    }
    assert.deepEqual(retained, { manager: 'new', epoch: 6 }, `order ${order}`);
    assert.equal(servers[0]?.claims.standing(8_000, 'cam-1'), 'silent', `order ${order}`);
  }
});
