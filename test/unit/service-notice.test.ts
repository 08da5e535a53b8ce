/** What the service manager is told, by a virtual clock, and for real: systemd-notify against a socket like systemd's. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { serviceManager } from '../../firmware/io/systemd-notify.ts';
import { cameraState, serverState } from '../../firmware/roles/unit-notice.ts';
import { CommitWatch, ProgressWatch } from '../../firmware/runtime/progress-watch.ts';
import { ServiceNotice } from '../../firmware/runtime/service-notice.ts';
import { until } from '../support/network.ts';
import { NotifySocket, notifyMissing } from '../support/notify-socket.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function scene({ watchdogMs }: { watchdogMs?: number } = { watchdogMs: 30_000 }) {
  const clock = new VirtualClock();
  const told: string[] = [];
  const lines: string[] = [];
  const state = { joined: false, status: 'looks for a server', working: true };
  const faults: Error[] = [];
  const notice = new ServiceNotice({
    manager: {
      watchdogMs,
      notify: async (assignments) => {
        const fault = faults.shift();
        if (fault !== undefined) throw fault;
        told.push(assignments.join(' '));
      },
    },
    clock,
    log: (level, message) => lines.push(`${level} ${message}`),
  });
  const pass = async (ms: number): Promise<string[]> => {
    for (let done = 0; done < ms; done += 1_000) {
      clock.advance(1_000);
      await settle();
    }
    return told.splice(0);
  };
  return {
    clock,
    told,
    lines,
    state,
    faults,
    notice,
    pass,
    started: () => notice.started(() => state),
  };
}

describe('a unit', () => {
  test('asks for time while it starts, is ready when it has joined, lives, and stops', async () => {
    const { state, notice, pass, started, told } = scene();
    assert.deepEqual(await pass(10_000), [
      'EXTEND_TIMEOUT_USEC=55000000 STATUS=starts',
      'EXTEND_TIMEOUT_USEC=55000000',
    ]);
    started();
    assert.deepEqual(await pass(1_000), [
      'EXTEND_TIMEOUT_USEC=55000000 WATCHDOG=1 STATUS=looks for a server',
    ]);
    state.joined = true;
    state.status = 'frames flow';
    notice.now();
    assert.deepEqual(await pass(1_000), ['READY=1 WATCHDOG=1 STATUS=frames flow']);
    assert.deepEqual(await pass(20_000), ['WATCHDOG=1', 'WATCHDOG=1']);
    await notice[Symbol.asyncDispose]();
    assert.deepEqual(told, ['STOPPING=1 STATUS=stops']);
    assert.deepEqual(await pass(30_000), ['STOPPING=1 STATUS=stops']);
  });

  test('that finds no server is ready after 45 s, and says what is missing', async () => {
    const { pass, started } = scene();
    started();
    const told = await pass(60_000);
    const ready = told.filter((line) => line.includes('READY=1'));
    assert.equal(ready.length, 1, told.join('\n'));
    assert.equal(told.findIndex((line) => line.includes('READY=1')) >= 4, true, told.join('\n'));
  });

  test('that is stuck says so once and is not alive any more, until it works again', async () => {
    const { state, pass, started, lines } = scene();
    started();
    state.joined = true;
    await pass(10_000);
    state.working = false;
    assert.deepEqual(await pass(30_000), []);
    assert.deepEqual(lines, ['error the watchdog is not fed: looks for a server']);
    state.working = true;
    assert.deepEqual(await pass(10_000), ['WATCHDOG=1']);
  });

  test('without a watchdog tells only what has changed', async () => {
    const { state, pass, started } = scene({});
    started();
    state.joined = true;
    await pass(10_000);
    assert.deepEqual(await pass(60_000), []);
    state.status = 'no frame for 10 s\n\u001b[2J';
    assert.deepEqual(await pass(10_000), ['STATUS=no frame for 10 s  [2J']);
  });

  test('whose message was lost says it again, and complains once', async () => {
    const { state, pass, started, lines, faults } = scene();
    await pass(1_000);
    faults.push(new Error('no socket'), new Error('no socket'));
    state.joined = true;
    started();
    const told = await pass(30_000);
    assert.match(told[0] ?? '', /READY=1 WATCHDOG=1 STATUS=looks for a server/);
    assert.deepEqual(lines, ['warn the service manager cannot be told anything: no socket']);
  });

  test('on a busy machine says what is new when the message before has arrived, and keeps no queue', async () => {
    const clock = new VirtualClock();
    const told: string[] = [];
    let arrive = (): void => undefined;
    const notice = new ServiceNotice({
      manager: {
        watchdogMs: 30_000,
        notify: (assignments) => {
          told.push(assignments.join(' '));
          return new Promise((resolve) => {
            arrive = resolve;
          });
        },
      },
      clock,
      log: () => undefined,
    });
    notice.started(() => ({ joined: true, working: true, status: 'works' }));
    clock.advance(60_000);
    await settle();
    assert.equal(told.length, 1);
    arrive();
    await settle();
    assert.deepEqual(told.slice(1), ['READY=1 WATCHDOG=1 STATUS=works']);
    arrive();
    await settle();
    assert.equal(told.length, 2);
    notice.stopping();
    arrive();
    await settle();
    assert.equal(told.at(-1), 'STOPPING=1 STATUS=stops');
  });

  test('that nobody watches tells nothing and waits for nothing', () => {
    const clock = new VirtualClock();
    const notice = new ServiceNotice({ manager: undefined, clock, log: () => undefined });
    notice.started(() => assert.fail('it was asked'));
    notice.now();
    notice.stopping();
    assert.equal(clock.pending, 0);
  });
});

describe('work', () => {
  test('that has begun and stands still is stuck; that never began is not', () => {
    const watch = new ProgressWatch(1_000);
    assert.equal(watch.observe(0, 0), true);
    assert.equal(watch.observe(1e9, 0), true);
    assert.equal(watch.observe(1e9 + 1, 5), true);
    assert.equal(watch.observe(1e9 + 1_000, 5), true);
    assert.equal(watch.observe(1e9 + 1_001, 5), false);
    assert.equal(watch.observe(1e9 + 2_000, 5, false), true, 'nothing is due');
    assert.equal(watch.observe(1e9 + 3_000, 4), true, 'any change is work');
  });

  test('of a server is stuck when pictures come and nothing is committed, and a volume would take them', () => {
    const play = (
      seen: (second: number) => { received: number; committed: number; usable: boolean },
    ): boolean => {
      const watch = new CommitWatch(60_000);
      let working = true;
      for (let second = 0; second < 600; second += 10) working = watch.observe(second * 1000, seen(second));
      return working;
    };
    const until = (end: number) => (second: number) => Math.min(second, end);
    assert.equal(
      play((at) => ({ received: at, committed: at, usable: true })),
      true,
    );
    assert.equal(
      play((at) => ({ received: at, committed: until(100)(at), usable: true })),
      false,
    );
    assert.equal(
      play((at) => ({ received: until(130)(at), committed: until(100)(at), usable: true })),
      false,
      'held back',
    );
    assert.equal(
      play((at) => ({ received: until(105)(at), committed: until(100)(at), usable: true })),
      true,
      'silent',
    );
    assert.equal(
      play((at) => ({ received: at, committed: until(100)(at), usable: false })),
      true,
      'no volume',
    );
    assert.equal(
      play((at) => ({ received: at, committed: 0, usable: true })),
      true,
      'never began',
    );
  });

  test('is told in a line of status', () => {
    const clock = new VirtualClock();
    const camera = { manager: undefined as string | undefined, samples: 0 };
    const ofCamera = cameraState({
      clock,
      cameras: 1,
      manager: () => camera.manager,
      samples: () => camera.samples,
    });
    assert.equal(ofCamera().status, 'no frame yet; looks for a server');
    camera.manager = 'box';
    camera.samples = 25;
    assert.deepEqual(ofCamera(), { joined: true, working: true, status: 'frames flow; managed by box' });
    clock.advance(119_000);
    assert.equal(ofCamera().status, 'no frame for 119 s; managed by box');
    clock.advance(1_000);
    assert.equal(ofCamera().working, false);
    const box = { clock, joined: () => false, neighbors: () => 2, cameras: () => [], usable: () => false };
    assert.equal(serverState(box)().status, 'cannot record: no volume works; has not joined yet');
    const well = serverState({ ...box, joined: () => true, usable: () => true });
    assert.equal(well().status, 'records 0 cameras, 2 neighbors');
  });
});

describe('systemd-notify', { skip: notifyMissing() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-notify-'));
  after(() => rmSync(folder, { recursive: true }));

  test('carries what a unit says, in order, and no other program speaks for it', async () => {
    await using socket = await NotifySocket.open(join(folder, 'socket'));
    const environment: NodeJS.ProcessEnv = {
      ...process.env,
      NOTIFY_SOCKET: socket.path,
      WATCHDOG_USEC: '30000000',
    };
    const manager = serviceManager(environment);
    assert.ok(manager !== undefined, 'there is a socket');
    assert.equal(environment['NOTIFY_SOCKET'], undefined);
    assert.equal(manager.watchdogMs, 30_000);
    const begun = performance.now();
    await manager.notify(['READY=1', 'STATUS=frames flow; managed by box']);
    await manager.notify(['WATCHDOG=1']);
    const ms = (performance.now() - begun) / 2;
    await until('all has come', () => socket.heard('WATCHDOG=1'));
    assert.deepEqual(socket.messages, ['READY=1 STATUS=frames flow; managed by box', 'WATCHDOG=1']);
    console.log(`a message takes ${ms.toFixed(1)} ms`);
  });

  test('is not used without a socket; a watchdog of another process is not fed; a failure is told', async () => {
    const socket = join(folder, 'nothing');
    assert.equal(serviceManager({}), undefined);
    const other = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' };
    assert.equal(serviceManager(other)?.watchdogMs, undefined);
    const nowhere = serviceManager({ ...process.env, NOTIFY_SOCKET: socket });
    await assert.rejects(nowhere?.notify(['READY=1']) ?? Promise.resolve());
    const none = serviceManager({ NOTIFY_SOCKET: socket, PATH: '/nowhere' });
    await assert.rejects(none?.notify(['READY=1']) ?? Promise.resolve(), /systemd-notify is missing/);
  });
});
