/** A live playlist of a real camera, from the server that does not manage it: a player follows it, over a hand-over. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { run } from '../support/gst.ts';
import { getCameras, startNetwork, type TestNetwork, until, untilUp } from '../support/network.ts';

const camera = 'cam-1';
let network: TestNetwork;
let url: string;
let manager: string;

before(async () => {
  network = await startNetwork({ servers: 2, cameras: 1 });
  await untilUp(network, 2, 1);
  manager = (await getCameras(network.url()))[0]?.manager ?? '';
  url = `${network.url(manager === 'ss-1' ? 'ss-2' : 'ss-1')}/api/cameras/${camera}/playlist.m3u8`;
});

after(() => network[Symbol.asyncDispose]());

/** Numbers of the parts that the playlist has now, with their addresses. */
async function parts(): Promise<{ number: number; address: string }[]> {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) return [];
  const first = Number(/MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1]);
  assert.doesNotMatch(text, /ENDLIST/);
  const addresses = text.split('\n').filter((line) => line.startsWith('/'));
  return addresses.map((address, place) => ({ number: first + place, address }));
}

test('a player that begins to watch gets pictures, as many as the camera takes', async () => {
  await until('three parts are stored', async () => (await parts()).length >= 3, 40_000);
  const { stderr, code } = await run('ffmpeg', ['-v', 'info', '-i', url, '-t', '6', '-f', 'null', '-']);
  assert.equal(code, 0, stderr);
  const frames = Number(/.*frame=\s*(\d+)/s.exec(stderr)?.[1]);
  assert.ok(frames >= 140 && frames <= 155, `${frames} frames in 6 s of 25`);
});

test('numbers go on, and what was told stays, also when the camera goes to another server', async () => {
  const told = new Map<number, string>();
  const look = async (): Promise<number> => {
    for (const { number, address } of await parts()) {
      assert.equal(told.get(number) ?? address, address, `part ${number} became another`);
      told.set(number, address);
    }
    return Math.max(...told.keys());
  };
  const before = await look();
  const { pid } = network.unit(manager);
  assert.ok(pid !== undefined, 'the manager runs');
  process.kill(pid, 'SIGKILL');
  const survivor = manager === 'ss-1' ? 'ss-2' : 'ss-1';
  await until(
    'parts of the new manager',
    async () => {
      await look();
      return [...told.values()].filter((address) => address.includes(`/parts/${survivor}/`)).length >= 2;
    },
    60_000,
  );
  const last = await look();
  assert.ok(last > before);
  const numbers = [...told.keys()].sort((a, b) => a - b);
  assert.equal(numbers.length, last - (numbers[0] ?? 0) + 1, 'no number is left out');
});
