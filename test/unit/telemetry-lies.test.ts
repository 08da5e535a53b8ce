/** Lies about a camera at a broker: what somebody says who may write there and knows nothing of the network. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CameraClaims, type KnownServer } from '../../firmware/telemetry/camera-claims.ts';
import { SessionBench } from '../support/session-bench.ts';
import { camera, peer, topics } from '../support/telemetry-rig.ts';

const goneMs = 3_000;
const limits = { goneMs, epochMax: 1_000_000 };
const self: KnownServer = { id: 'ss-1', state: 'self' };
const near: KnownServer = { id: 'ss-2', state: 'reachable' };
const far: KnownServer = { id: 'ss-3', state: 'unreachable' };

interface Scene {
  readonly claims: CameraClaims;
  /** for how many ms of two minutes nothing is said, if somebody lies every 100 ms, or only so many times */
  readonly silentMs: (
    lie: { manager: string; epoch: number },
    options?: { online?: boolean; lies?: number },
  ) => number;
}

function scene(...servers: KnownServer[]): Scene {
  const claims = new CameraClaims('ss-1', limits);
  const look = (ms: number, online: boolean): void =>
    void claims.observe(ms, [{ id: 'cam-1', epoch: 5, online }], servers);
  return {
    claims,
    silentMs: (lie, { online = true, lies = Number.POSITIVE_INFINITY } = {}) => {
      look(-100_000, online);
      claims.listening(-100_000, 'cam-1');
      let silentMs = 0;
      for (let ms = 1_000; ms < 121_000; ms += 100) {
        look(ms, online);
        if ((ms - 1_000) / 100 < lies) claims.heard(ms, 'cam-1', lie);
        if (claims.standing(ms, 'cam-1') === 'silent') silentMs += 100;
      }
      return silentMs;
    },
  };
}

describe('a claim to a camera that this server holds, repeated for ever,', () => {
  test('silences it not at all with an epoch that no camera can have', () => {
    const epoch = limits.epochMax + 1;
    assert.equal(scene(self, near).silentMs({ manager: 'ss-2', epoch }), 0);
    assert.equal(scene().silentMs({ manager: 'x', epoch: Number.MAX_SAFE_INTEGER }), 0);
  });

  test('silences it not at all in the name of a server that there is not', () => {
    assert.equal(scene(self, near, far).silentMs({ manager: 'x', epoch: 6 }), 0);
    assert.equal(scene(self).silentMs({ manager: 'x', epoch: 6 }), 0);
  });

  test('silences it once, for as long as the overlay may need to confirm it', () => {
    assert.equal(scene(self, near, far).silentMs({ manager: 'ss-2', epoch: 6 }), goneMs);
    assert.equal(scene(self, near, far).silentMs({ manager: 'ss-3', epoch: 6 }), 15_000);
    assert.equal(scene().silentMs({ manager: 'x', epoch: 6 }), 15_000, 'it knows nobody');
  });

  test('silences it no longer when the epochs rise', () => {
    const { claims, silentMs } = scene(self, near, far);
    assert.equal(silentMs({ manager: 'ss-3', epoch: 6 }), 15_000);
    for (let epoch = 7; epoch < 1_000; epoch++) {
      assert.equal(claims.heard(200_000 + epoch, 'cam-1', { manager: 'ss-3', epoch }), true);
      assert.equal(claims.standing(200_000 + epoch, 'cam-1'), 'present');
    }
  });

  test('silences it once more after it has lost the camera and got it back', () => {
    const { claims } = scene();
    const at = (ms: number, online: boolean): string => {
      claims.observe(ms, [{ id: 'cam-1', epoch: 5, online }], [self, near, far]);
      return claims.standing(ms, 'cam-1');
    };
    at(0, true);
    claims.listening(0, 'cam-1');
    claims.heard(1_000, 'cam-1', { manager: 'ss-3', epoch: 6 });
    assert.equal(at(16_000, true), 'present');
    at(17_000, false);
    assert.equal(at(18_000, true), 'present');
    assert.equal(claims.heard(19_000, 'cam-1', { manager: 'ss-3', epoch: 6 }), false);
    assert.equal(at(19_000, true), 'silent');
  });
});

describe('a claim to a camera that nobody holds', () => {
  const silentMs = (lies: number, manager: string, ...servers: KnownServer[]): number =>
    scene(...servers).silentMs({ manager, epoch: 6 }, { online: false, lies });
  const always = 120_000;

  test('is believed where this server cannot know better', () => {
    assert.equal(silentMs(1, 'ss-3', self, near, far), always, 'it may hold it, and cannot be asked');
    assert.equal(silentMs(1, 'x', self), always, 'a server that has just started knows nobody');
    assert.equal(silentMs(1, 'x'), always);
  });

  test('is not believed for long where its own tables would say so', () => {
    assert.equal(silentMs(1, 'ss-2', self, near, far), goneMs);
    assert.equal(silentMs(always, 'ss-2', self, near, far), goneMs, 'however often it comes');
  });

  test('is not believed for ever in the name of a server that there is not', () => {
    assert.equal(silentMs(1, 'x', self, near, far), 15_000);
  });
});

describe('a camera that was lied about', () => {
  const state = topics.camera('cam-1', 'state');
  const command = topics.camera('cam-1', 'ptz/set');
  const bench = async (): Promise<SessionBench> => {
    const opened = new SessionBench({ server: 'ss-1', goneMs, cameras: [camera('cam-1', 'ss-1', 5)] });
    opened.servers.push({ ...peer('ss-1'), state: 'self' }, peer('ss-2'));
    await opened.pass(2_000);
    assert.match(opened.retained.get(state) ?? '', /"manager":"ss-1","epoch":5/);
    return opened;
  };

  for (const lie of [
    { manager: 'x', epoch: Number.MAX_SAFE_INTEGER },
    { manager: 'ss-2', epoch: 0xffff_0001 },
    { manager: 'x', epoch: 6 },
  ]) {
    test(`by ${JSON.stringify(lie)} is told of rightly within two seconds, and steered meanwhile`, async () => {
      const { retained, steered, hear, pass } = await bench();
      await hear(state, JSON.stringify(lie));
      await hear(command, '{"pan": 10}', false);
      assert.deepEqual(steered, [{ pan: 10 }]);
      await pass(2_000);
      assert.match(retained.get(state) ?? '', /"manager":"ss-1","epoch":5/);
    });
  }

  test('for a minute, in the name of a server that there is, is steered and told of after three seconds', async () => {
    const { retained, steered, sent, hear, pass, counts } = await bench();
    const before = sent.length;
    for (let second = 0; second < 60; second++) {
      await hear(state, JSON.stringify({ manager: 'ss-2', epoch: 1_000 + second }));
      await hear(command, '{"pan": 10}', false);
      await pass(1_000);
      const right = /"manager":"ss-1"/.test(retained.get(state) ?? '');
      if (second > 4) assert.ok(right, `told wrongly after ${second} s`);
    }
    assert.ok(steered.length >= 55, `${steered.length} commands`);
    assert.equal(counts.commands.elsewhere, 60 - steered.length);
    // Nobody can make this server hurry: three topics, once a second.
    const said = sent
      .slice(before)
      .filter(({ topic }) => topic.includes('cam-1') && !topic.endsWith('result'));
    assert.ok(said.length <= 3 * 61, `${said.length} messages`);
  });
});
