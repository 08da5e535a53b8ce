/** What Prometheus reads: names, format, bounds, and that figures are those of the moment. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { addProcessMetrics } from '../../firmware/io/process-metrics.ts';
import { gapReasons } from '../../firmware/media/sample.ts';
import { withTimings } from '../../firmware/recording/disk-timings.ts';
import { Metrics } from '../../firmware/telemetry/metrics.ts';
import { TelemetryCounts } from '../../firmware/telemetry/telemetry-counts.ts';
import type { StatusAnswer } from '../../firmware/viewing/api.ts';
import type { CameraEntry, ServerEntry } from '../../firmware/viewing/directory.ts';
import { wellBox } from '../support/box-reports.ts';
import { diskContract } from '../support/disk-contract.ts';
import { type MetricFamily, parseExposition, valueOf } from '../support/prometheus-text.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { SimulatedMachine } from '../support/simulated-machine.ts';
import { statusOf } from '../support/viewing-site.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const utcMs = Date.parse('2026-11-22T12:00:00Z');
const about = { version: '1.2.3', site: 'home', server: 'ss-1' };

interface Scene {
  readonly metrics: Metrics;
  readonly status: { -readonly [K in keyof StatusAnswer]: StatusAnswer[K] };
  readonly cameras: CameraEntry[];
  readonly servers: ServerEntry[];
  readonly counts: TelemetryCounts;
  readonly read: () => Promise<Map<string, MetricFamily>>;
}

function scene(): Scene {
  const metrics = new Metrics(about);
  const status = { ...statusOf('ss-1') };
  const cameras: CameraEntry[] = [];
  const servers: ServerEntry[] = [];
  const counts = new TelemetryCounts();
  metrics.observe({
    directory: { site: 'home', self: 'ss-1', servers: () => [...servers], cameras: () => cameras },
    status: () => status,
    live: { snapshot: () => ({ tracks: [], lastFrameUs: (utcMs - 1_500) * 1000 }), viewers: () => 3 },
    utcMs: () => utcMs,
    linkCosts: () => [{ server: 'ss-2', linkCostMs: 12.5 }],
    disks: () => wellBox('ss-1'),
    mqtt: counts,
  });
  return {
    metrics,
    status,
    cameras,
    servers,
    counts,
    read: async () => parseExposition((await metrics.render()).text),
  };
}

const camera = (id: string, manager = 'ss-1', state: CameraEntry['state'] = 'online'): CameraEntry => ({
  id,
  unit: id,
  manager,
  epoch: 1,
  state,
});
const server = (id: string, state: ServerEntry['state'], hops?: number): ServerEntry => ({
  id,
  state,
  hops,
  pageUrl: '',
  cameras: [],
});

describe('the figures of a server', () => {
  test('are those of the moment, of itself and the cameras that it manages', async () => {
    const { status, cameras, servers, read } = scene();
    cameras.push(camera('cam-1'), camera('cam-2', 'ss-1', 'offline'), camera('cam-3', 'ss-2'));
    servers.push(server('ss-1', 'self', 0), server('ss-2', 'reachable', 1), server('ss-3', 'unreachable'));
    status.cameras = [
      { id: 'cam-1', receivedBytes: 1234, samples: 9, durableThrough: '2026-11-22T11:59:58.000Z' },
    ];
    status.volumes = [
      {
        number: 0,
        id: 'x',
        folder: '/data/"odd"\\\nname',
        state: 'full',
        reason: 'full',
        totalBytes: 1000,
        freeBytes: 100,
        recordedBytes: 800,
        reserveBytes: 50,
      },
    ];
    status.alarms = [{ id: 'camera/cam-1', kind: 'silent', text: '', since: '' }];
    status.refused = { 'a bad seal': 7 };
    const families = await read();
    const folder = 'folder="/data/\\"odd\\"\\\\\\nname"';
    const expected: [string, number | undefined][] = [
      ['starling_build_info{version="1.2.3",site="home",server="ss-1"}', 1],
      ['starling_camera_up{camera="cam-1"}', 1],
      ['starling_camera_up{camera="cam-2"}', 0],
      ['starling_camera_up{camera="cam-3"}', undefined],
      ['starling_camera_received_bytes_total{camera="cam-1"}', 1234],
      ['starling_camera_frame_age_seconds{camera="cam-1"}', 1.5],
      ['starling_camera_durable_age_seconds{camera="cam-1"}', 2],
      ['starling_viewers{camera="cam-1"}', 3],
      [`starling_storage_free_bytes{volume="0",${folder}}`, 100],
      [`starling_storage_total_bytes{volume="0",${folder}}`, 1000],
      [`starling_storage_reserve_bytes{volume="0",${folder}}`, 50],
      [`starling_storage_up{volume="0",${folder}}`, 0],
      ['starling_peer_up{peer="ss-2"}', 1],
      ['starling_peer_up{peer="ss-3"}', 0],
      ['starling_peer_up{peer="ss-1"}', undefined],
      ['starling_peer_link_cost_seconds{peer="ss-2"}', 0.0125],
      ['starling_refusals_total{reason="a bad seal"}', 7],
      ['starling_alarms{kind="silent"}', 1],
      ['starling_alarms{kind="volume-full"}', 0],
      ['starling_mqtt_connected', 0],
    ];
    for (const [series, value] of expected) assert.equal(valueOf(families, series), value, series);
    // A camera that went elsewhere is another server's to tell of.
    cameras.length = 0;
    assert.equal(valueOf(await read(), 'starling_camera_up{camera="cam-1"}'), undefined);
  });

  test('that are counted begin at 0 and only grow', async () => {
    const { metrics, read } = scene();
    metrics.happened('suspicion');
    metrics.happened('death');
    metrics.wrote(0.003);
    metrics.synced(20);
    const after = await read();
    assert.equal(valueOf(after, 'starling_overlay_suspicions_total'), 1);
    assert.equal(valueOf(after, 'starling_overlay_deaths_total'), 1);
    assert.equal(valueOf(after, 'starling_segment_write_seconds_bucket{le="0.0025"}'), 0);
    assert.equal(valueOf(after, 'starling_segment_write_seconds_bucket{le="0.005"}'), 1);
    assert.equal(valueOf(after, 'starling_segment_sync_seconds_bucket{le="10"}'), 0);
    assert.equal(valueOf(after, 'starling_segment_sync_seconds_sum'), 20);
  });

  test('say which camera has gaps: of those there are, and the ones managed here from 0 on', async () => {
    const { metrics, cameras, read } = scene();
    const family = 'starling_camera_recording_gap_seconds_total';
    const gaps = async (id: string, reason = 'damaged'): Promise<number | undefined> =>
      valueOf(await read(), `${family}{camera="${id}",reason="${reason}"}`);
    const tell = (id: string, seconds: number): void =>
      metrics.gap({ camera: id, fromUs: 0, toUs: seconds * 1e6, reason: 'damaged' });
    // Recovery finds gaps before the network knows any camera.
    tell('cam-1', 2.5);
    assert.equal(await gaps('cam-1'), undefined);
    cameras.push(camera('cam-1'), camera('cam-2'), camera('cam-3', 'ss-2'));
    assert.equal(await gaps('cam-1'), 2.5);
    for (const reason of gapReasons) assert.equal(await gaps('cam-2', reason), 0, reason);
    assert.equal(await gaps('cam-3'), undefined, 'another server tells of it');
    tell('cam-1', -5);
    tell('cam-1', 1);
    tell('cam-2', 4);
    assert.deepEqual([await gaps('cam-1'), await gaps('cam-2')], [3.5, 4]);
    // What this server has counted goes on to be true when the camera is handed over.
    cameras[0] = camera('cam-1', 'ss-2');
    assert.equal(await gaps('cam-1'), 3.5);
    for (let number = 0; number < 1_000; number++) tell(`gone-${number}`, 1);
    assert.equal((await read()).get(family)?.samples.size, 2 * gapReasons.length);
  });

  test('are named as Prometheus wants it: base units, _total for counters alone, a help for each', async () => {
    const { metrics, read } = scene();
    addProcessMetrics(metrics.registry);
    const families = await read();
    for (const name of [
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_p99_seconds',
      'process_resident_memory_bytes',
    ]) {
      assert.equal(families.has(name), true, name);
    }
    for (const { name, type, help } of families.values()) {
      if (!name.startsWith('starling_')) continue;
      assert.equal(name.endsWith('_total'), type === 'counter', name);
      assert.doesNotMatch(name, /_(ms|milliseconds|kb|mb|gb|percent|minutes|hours)(_|$)/, name);
      assert.equal(help.length > 10, true, name);
    }
  });

  test('stay within bounds, however many servers there are', async () => {
    const { servers, read } = scene();
    for (let number = 0; number < 5_000; number++) {
      servers.push(
        server(
          `ss-${number}`,
          number % 2 === 0 ? 'reachable' : 'unreachable',
          number % 2 === 0 ? 5_000 - number : undefined,
        ),
      );
    }
    const peers = (await read()).get('starling_peer_up');
    assert.equal(peers?.samples.size, 256);
    assert.equal(peers?.samples.has('starling_peer_up{peer="ss-4998"}'), true, 'the nearest first');
  });

  test('can be read several times at once', async () => {
    const { cameras, read } = scene();
    cameras.push(camera('cam-1'));
    const all = await Promise.all(Array.from({ length: 20 }, read));
    for (const families of all) assert.equal(valueOf(families, 'starling_camera_up{camera="cam-1"}'), 1);
  });

  const promtool = spawnSync('promtool', ['--version']).status === 0;
  test('pass promtool', { skip: promtool ? false : 'promtool is not installed' }, async () => {
    const { metrics, cameras } = scene();
    cameras.push(camera('cam-1'));
    addProcessMetrics(metrics.registry);
    const own = (await metrics.render()).text
      .split(/(?=# HELP )/)
      .filter((family) => family.startsWith('# HELP starling'));
    execFileSync('promtool', ['check', 'metrics'], { input: own.join('') });
  });
});

test('the strict reader refuses what is sloppy', () => {
  const head = '# HELP a_total x\n# TYPE a_total counter\n';
  for (const bad of [
    'a_total 1\n',
    `${head}a_total 1`,
    `${head}a_total 1\na_total 1\n`,
    `${head}a_total{b="1",b="2"} 1\n`,
    `${head}a_total{b="x"y"} 1\n`,
    `${head}a_total -1\n`,
    `${head}a_total one\n`,
    `${head}b_total 1\n`,
    `${head}${head}`,
    '# TYPE a counter\na 1\n',
  ]) {
    assert.throws(() => parseExposition(bad), bad);
  }
  assert.equal(valueOf(parseExposition(`${head}a_total{b="1"} 5\n`), 'a_total{b="1"}'), 5);
});

diskContract('a disk with timings', async () => {
  const disk = withTimings(
    new SimulatedDisk(new SimulatedMachine(1), 1e9),
    new VirtualClock(),
    new Metrics(about),
  );
  await disk.createDirectory('/disk');
  return { disk, folder: '/disk', close: async () => undefined };
});

test('what a disk takes for its writes and syncs is told in seconds, of those that fail, too', async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const slow = async (ms: number): Promise<number> => {
    clock.advance(ms);
    if (ms > 1000) throw new Error('broken');
    return 0;
  };
  let ms = 250;
  const below = new SimulatedDisk(new SimulatedMachine(1), 1e9);
  const disk = withTimings(
    Object.assign(Object.create(below) as SimulatedDisk, {
      createFile: async () => ({
        append: () => slow(ms),
        sync: async () => void (await slow(ms)),
        close: async () => undefined,
      }),
    }),
    clock,
    {
      wrote: (seconds) => told.push(`wrote ${seconds}`),
      synced: (seconds) => told.push(`synced ${seconds}`),
    },
  );
  const file = await disk.createFile('/x');
  await file?.append([]);
  await file?.sync();
  ms = 2_000;
  await assert.rejects(async () => file?.sync(), /broken/);
  assert.deepEqual(told, ['wrote 0.25', 'synced 0.25', 'synced 2']);
});
