/**
 * The commands about the network on a real one of three servers and two cameras: the tables of all servers agree, each
 * finds every camera, and a server that is told to leave hands its cameras over without losing a frame or being
 * suspected by anybody.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { LogAnswer, TablesAnswer, WhereAnswer } from '../../firmware/viewing/api.ts';
import { run } from '../support/gst.ts';
import {
  bundle,
  getCameras,
  getRecordings,
  getSite,
  startNetwork,
  type TestNetwork,
  until,
  untilUp,
} from '../support/network.ts';
import { assertPlayable, picturesOf } from '../support/recorded-video.ts';

const servers = ['ss-1', 'ss-2', 'ss-3'];
const cameras = ['cam-1', 'cam-2'];

interface Left {
  readonly server: string;
  readonly seconds: number;
  readonly cameras: readonly { readonly camera: string; readonly manager: string | null }[];
}

describe('the commands about a network', () => {
  let network: TestNetwork;
  /** the server that leaves: the manager of cam-1 */
  let leaving = '';
  let others: string[] = [];
  let leftAt = 0;

  before(async () => {
    network = await startNetwork({ servers: 3, cameras: 2 });
    await untilUp(network, 3, 2);
  });

  after(async () => network?.[Symbol.asyncDispose]());

  /** Runs a command of the program against one server. */
  async function starling(server: string, ...args: string[]): ReturnType<typeof run> {
    return run(process.execPath, [bundle, ...args, '--server', network.url(server)]);
  }

  async function json<T>(server: string, ...args: string[]): Promise<T> {
    const { stdout, stderr, code } = await starling(server, ...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout.toString()) as T;
  }

  const tablesOfAll = (): Promise<TablesAnswer[]> =>
    Promise.all(servers.map((server) => json<TablesAnswer>(server, 'tables')));

  async function logOf(server: string): Promise<LogAnswer['entries']> {
    const { stdout, code } = await starling(server, 'log', '--lines', '500', '--json');
    assert.equal(code, 0);
    const lines = stdout.toString().trim().split('\n');
    return lines.map((line) => JSON.parse(line) as LogAnswer['entries'][number]);
  }

  test('show tables that agree, whichever server is asked', async () => {
    const all = await until('each server has the other two as neighbors, with a cost', async () => {
      const tables = await tablesOfAll();
      const linked = tables.every(({ neighbor: { oneHop } }) => {
        return oneHop.length === 2 && oneHop.every(({ linkCostMs }) => linkCostMs > 0);
      });
      return linked ? tables : undefined;
    });
    const managers = new Map((await getCameras(network.url())).map(({ id, manager }) => [id, manager]));
    const joined = new Map(all.map(({ server, neighbor }) => [server, neighbor.joinTime]));
    for (const { server, network: id, neighbor, query, history } of all) {
      assert.deepEqual(id, all[0]?.network, `${server} is in the same network`);
      for (const row of neighbor.oneHop) {
        assert.deepEqual(row.joinTime, joined.get(row.server), `${server} knows when ${row.server} joined`);
        assert.deepEqual(
          row.neighbors.toSorted(),
          servers.filter((one) => one !== row.server),
        );
        assert.equal(row.suspected, false);
      }
      assert.deepEqual(neighbor.twoHop, [], 'everybody is one link away');
      const own = cameras.filter((camera) => managers.get(camera) === server);
      assert.deepEqual(query.direct, own);
      assert.deepEqual(query.indirect, {
        oneHop: cameras.filter((camera) => !own.includes(camera)),
        further: [],
      });
      for (const row of query.servers) {
        assert.deepEqual(
          row.direct,
          cameras.filter((camera) => managers.get(camera) === row.server),
        );
        assert.deepEqual([...row.direct, ...row.indirect1, ...row.indirect2].toSorted(), cameras);
      }
      assert.deepEqual(
        history.filter(({ state }) => state === 'online').map(({ camera }) => camera),
        own,
      );
    }
  });

  test('find the manager of every camera from every server', async () => {
    const managers = new Map((await getCameras(network.url())).map(({ id, manager }) => [id, manager]));
    for (const server of servers) {
      for (const camera of cameras) {
        const found = await json<WhereAnswer>(server, 'where', camera);
        assert.deepEqual(
          [found.manager, found.state],
          [managers.get(camera), 'online'],
          `${server}: ${camera}`,
        );
        const last = found.tenures.at(-1);
        assert.deepEqual([last?.server, last?.lastEpoch, last?.to], [found.manager, found.epoch, null]);
      }
      assert.equal((await starling(server, 'where', 'cam-9')).code, 3);
    }
  });

  test('make a server leave, which hands its cameras over and is suspected by nobody', async () => {
    await until('enough is recorded before', async () => {
      const [first] = (await getRecordings(network.url(), 'cam-1')).segments;
      return first !== undefined && Date.parse(first.to) - Date.parse(first.from) > 5_000;
    });
    const before = await getCameras(network.url());
    leaving = before.find(({ id }) => id === 'cam-1')?.manager ?? '';
    others = servers.filter((server) => server !== leaving);
    const handedOver = before.filter(({ manager }) => manager === leaving).map(({ id }) => id);
    leftAt = Date.now();
    const left = await json<Left>(leaving, 'leave');
    console.log(`${leaving} left after ${left.seconds} s: ${JSON.stringify(left.cameras)}`);
    assert.equal(left.server, leaving);
    assert.deepEqual(
      left.cameras.map(({ camera }) => camera),
      handedOver,
    );
    for (const { camera, manager } of left.cameras) {
      assert(manager !== null && others.includes(manager), `${camera} went to ${manager}`);
    }
    assert.equal((await starling(leaving, 'leave')).code, 5, 'it is gone');

    for (const server of others) {
      await until(`${server} knows who has the cameras`, async () => {
        const now = await getCameras(network.url(server));
        return left.cameras.every(({ camera, manager }) => {
          return now.some((one) => one.id === camera && one.manager === manager && one.state === 'online');
        });
      });
      const told = (await logOf(server)).filter(({ time }) => Date.parse(time) >= leftAt);
      const suspicions = told.filter(({ text }) => text.includes(`${leaving} suspected`));
      assert.deepEqual(suspicions, [], `${server} suspected nothing`);
      const { neighbor } = await json<TablesAnswer>(server, 'tables');
      assert(
        !neighbor.oneHop.some((row) => row.server === leaving),
        `${server} has no such neighbor any more`,
      );
      const { manager, tenures } = await json<WhereAnswer>(server, 'where', 'cam-1');
      assert.deepEqual(
        tenures.slice(-2).map((tenure) => tenure.server),
        [leaving, manager],
      );
    }
    await until('the demo says that it left', () =>
      network.messages.some((line) => line.startsWith(`${leaving} has left`)),
    );
    assert.equal(network.unit(leaving).pid, undefined);
  });

  test('lose no frame by it, as is seen when the server is back', async () => {
    const [url = ''] = others.map((server) => network.url(server));
    await until('the new manager has recorded for some time', async () => {
      const last = (await getRecordings(url, 'cam-1')).segments.at(-1);
      return last !== undefined && Date.parse(last.to) - leftAt > 6_000;
    });
    network.unit(leaving).start();
    await until(`${leaving} is back`, async () => {
      return (await getSite(url)).servers.every(({ state }) => state !== 'unreachable');
    });
    const { segments, gaps } = await until('both parts are listed', async () => {
      const list = await getRecordings(url, 'cam-1');
      return list.unreachable.length === 0 && new Set(list.segments.map(({ server }) => server)).size >= 2
        ? list
        : undefined;
    });
    assert.deepEqual(gaps, []);
    assert.equal(segments[0]?.server, leaving);
    const from = new Date(leftAt - 3_000).toISOString();
    const to = new Date(leftAt + 4_000).toISOString();
    const response = await fetch(`${url}/api/cameras/cam-1/video.mp4?from=${from}&to=${to}`);
    assert.equal(response.status, 200);
    const file = join(network.folder, 'both.mp4');
    await writeFile(file, Buffer.from(await response.arrayBuffer()));
    await assertPlayable(file);
    const pictures = await picturesOf(file, 960, 540);
    const [first] = pictures;
    assert(first !== undefined && pictures.length > 7 * 25 - 2, `${pictures.length} pictures`);
    for (const [n, { frameNumber }] of pictures.entries()) {
      assert.equal(frameNumber, first.frameNumber + n, 'every frame once, in order');
    }
  });

  test('tell what was known last of a camera that died with its manager', async () => {
    await untilUp(network, 3, 2);
    const manager = (await getCameras(network.url())).find(({ id }) => id === 'cam-2')?.manager ?? '';
    const asked = servers.find((server) => server !== manager) ?? '';
    const cameraPid = network.unit('cam-2').pid;
    const managerPid = network.unit(manager).pid;
    assert(cameraPid !== undefined && managerPid !== undefined);
    process.kill(cameraPid, 'SIGSTOP');
    try {
      process.kill(managerPid, 'SIGKILL');
      const { code, stdout, stderr } = await starling(asked, 'where', 'cam-2');
      assert.equal(code, 6, stderr);
      assert.match(stdout.toString(), new RegExp(`^manager +${manager}\nstate +unreachable$`, 'm'));
      assert.match(stderr, /unreachable/);
    } finally {
      process.kill(cameraPid, 'SIGCONT');
    }
  });
});
