/** `starling ptz`, `watch`, `set` and `forget`, against a server that answers as the API says. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, test } from 'node:test';
import type { Command } from 'commander';
import { addCameraCommands } from '../../firmware/cli/camera-commands.ts';
import { addServerOptions } from '../../firmware/cli/server-option.ts';
import { addSettingsCommands } from '../../firmware/cli/settings-commands.ts';
import { addWatchCommand } from '../../firmware/cli/watch-command.ts';
import type { PtzAnswer } from '../../firmware/viewing/api.ts';
import { type CommandResult, fakeServer, runCommandLine } from '../support/command-line.ts';

const answering = (answer: object, status = 200): RequestListener => {
  return (_request, response) => response.writeHead(status).end(JSON.stringify(answer));
};

const still: PtzAnswer = {
  camera: 'door',
  position: { pan: -30, tilt: 5, zoom: 2 },
  moving: false,
  limits: { pan: [-90, 90], tilt: null, zoom: [1, 4] },
  fieldOfView: 60,
  presets: [{ name: 'home', pan: 0, tilt: 0, zoom: 1 }],
};

const ptz = (...argv: string[]): Promise<CommandResult> =>
  runCommandLine(addCameraCommands, ['ptz', 'door', ...argv]);

describe('starling ptz', () => {
  test('tells where a camera looks, how far it can, and the places it knows', async () => {
    await using server = await fakeServer(answering(still));
    const { out, code, err } = await ptz('--server', server.url);
    assert.deepEqual([code, err, server.asked], [0, '', ['GET /api/cameras/door/ptz']]);
    assert.deepEqual(
      out
        .trim()
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
      [
        ['door', 'PAN', 'TILT', 'ZOOM'],
        ['now', '-30.0', '5.0', '2.00'],
        ['limits', '-90 to 90', 'fixed', '1 to 4'],
        ['home', '0.0', '0.0', '1.00'],
      ],
    );
    assert.deepEqual(JSON.parse((await ptz('--server', server.url, '--json')).out), still);
  });

  test('turns it, one way at a time', async () => {
    await using server = await fakeServer(answering(still));
    const done: readonly (readonly [string[], string, string])[] = [
      [['--pan', '-30', '--tilt', '5.5', '--zoom', '2'], 'POST ptz', '{"pan":-30,"tilt":5.5,"zoom":2}'],
      [['--pan', '10', '--relative'], 'POST ptz', '{"pan":10,"relative":true}'],
      [['--preset', 'Ärger am Tor'], 'POST ptz', '{"preset":"Ärger am Tor"}'],
      [['--stop'], 'POST ptz', '{"stop":true}'],
      [['--save', 'am Tor'], 'PUT presets/am%20Tor', ''],
      [['--drop', 'am Tor'], 'DELETE presets/am%20Tor', ''],
    ];
    for (const [argv, asked, body] of done) {
      const { code, err } = await ptz('--server', server.url, ...argv);
      assert.deepEqual([code, err], [0, ''], argv.join(' '));
      const [method, end] = asked.split(' ');
      assert.deepEqual(
        [server.asked.at(-1), server.bodies.at(-1)],
        [`${method} /api/cameras/door/${end}`, body],
      );
    }
  });

  test('waits until it stands still, when it is told to', async () => {
    const answers = [{ ...still, moving: true }, { ...still, moving: true }, still];
    await using server = await fakeServer((_request, response) => {
      response.end(JSON.stringify(answers.shift() ?? still));
    });
    const { out, code } = await ptz('--server', server.url, '--pan', '5', '--wait');
    assert.equal(code, 0);
    assert.deepEqual(server.asked, [
      'POST /api/cameras/door/ptz',
      'GET /api/cameras/door/ptz',
      'GET /api/cameras/door/ptz',
    ]);
    assert.match(out, /^now /m);
  });

  test('refuses what cannot be meant without asking anybody', async () => {
    await using server = await fakeServer(answering(still));
    for (const argv of [
      ['--pan', '5', '--stop'],
      ['--save', 'a', '--drop', 'a'],
      ['--relative'],
      ['--pan', 'left'],
      ['--zoom', '1e3'],
      ['--tilt', ''],
      ['--save', 'a/b'],
      ['--preset', ''],
      ['--save', 'x'.repeat(33)],
    ])
      assert.equal((await ptz('--server', server.url, ...argv)).code, 2, argv.join(' '));
    assert.deepEqual(server.asked, []);
  });

  test('ends with the code for what went wrong', async () => {
    for (const [status, code] of [
      [400, 2],
      [403, 4],
      [404, 3],
      [409, 1],
      [502, 5],
    ] as const) {
      await using server = await fakeServer(answering({ error: 'no', advice: 'do not' }, status));
      const { code: ended, err } = await ptz('--server', server.url, '--stop');
      assert.deepEqual([ended, err], [code, 'error: no\ndo not\n']);
    }
    assert.equal((await ptz('--server', 'http://127.0.0.1:1', '--stop')).code, 5);
  });
});

describe('starling watch', () => {
  const opened: string[] = [];
  const watch = (browser: boolean, ...argv: string[]): Promise<CommandResult> =>
    runCommandLine(
      (program: Command, terminal) => {
        addWatchCommand(addServerOptions(program.command('watch')), terminal, async (address) => {
          opened.push(address);
          return browser;
        });
      },
      ['watch', ...argv],
    );
  const site: RequestListener = (request, response) => {
    const answer = request.url?.endsWith('/links')
      ? { url: '/api/cameras/door/playlist.m3u8?signature=x', expiresAt: '2026-11-23T13:00:00.000Z' }
      : { cameras: [{ id: 'door' }], alarms: [], unreachable: [] };
    response.end(JSON.stringify(answer));
  };

  test('opens the page at a camera, live or at a time, and prints where that is', async () => {
    await using server = await fakeServer(site);
    const live = await watch(true, 'door', '--server', server.url);
    assert.deepEqual([live.code, live.err, live.out], [0, '', `${server.url}/#/camera/door\n`]);
    const then = await watch(false, 'door', '--server', server.url, '--at', '-10m');
    const address = `${server.url}/#/camera/door?at=2026-11-22T12:50:00.000Z`;
    assert.deepEqual([then.code, then.out, opened.at(-1)], [0, `${address}\n`, address]);
    assert.match(then.err, /no browser here/);
  });

  test('prints an address for a player that cannot sign in', async () => {
    await using server = await fakeServer(site);
    const count = opened.length;
    const live = await watch(true, 'door', '--server', server.url, '--url');
    const address = `${server.url}/api/cameras/door/playlist.m3u8?signature=x`;
    assert.deepEqual(
      [live.out, live.err, live.code],
      [`${address}\n`, 'until 2026-11-23T13:00:00.000Z\n', 0],
    );
    const then = await watch(true, 'door', '--server', server.url, '--url', '--json', '--at', '-10m');
    assert.deepEqual(JSON.parse(then.out), { url: address, expiresAt: '2026-11-23T13:00:00.000Z' });
    assert.deepEqual(server.bodies, [
      '{"what":"live"}',
      '{"what":"playlist","from":"2026-11-22T12:50:00.000Z","to":"2026-11-22T13:00:00.000Z"}',
    ]);
    assert.equal(opened.length, count, 'nothing was opened');
  });

  test('knows what there is to watch', async () => {
    await using server = await fakeServer(site);
    assert.equal((await watch(true, 'gate', '--server', server.url)).code, 3);
    assert.equal((await watch(true, 'door', '--server', server.url, '--at', '2027-01-01T00:00:00Z')).code, 2);
  });
});

describe('starling set', () => {
  const camera = { camera: 'door', name: 'Front door', group: '', days: 30, maxMb: null };
  const set = (...argv: string[]): Promise<CommandResult> => runCommandLine(addSettingsCommands, argv);

  test('tells and changes what is set about a camera or a server', async () => {
    await using server = await fakeServer(answering(camera));
    const told = await set('set', 'camera', 'door', '--server', server.url);
    assert.equal(told.out.replaceAll(/ +/g, ' '), 'door\nname Front door\ngroup -\ndays 30\nMB default\n');
    const at = ['--server', server.url];
    await set(
      'set',
      'camera',
      'door',
      ...at,
      '--name',
      '',
      '--group',
      'Yard',
      '--days',
      'default',
      '--max-mb',
      '500',
    );
    await set('set', 'server', 'ss-1', ...at, '--name', 'Barn', '--days', '14');
    assert.deepEqual(server.asked.slice(1), [
      'PATCH /api/cameras/door/settings',
      'PATCH /api/servers/ss-1/settings',
    ]);
    assert.deepEqual(server.bodies.slice(1), [
      '{"name":"","group":"Yard","days":null,"maxMb":500}',
      '{"name":"Barn","days":14}',
    ]);
    assert.equal((await set('set', 'camera', 'door', ...at, '--days', 'many')).code, 2);
    assert.equal((await set('set')).code, 2);
  });

  test('forgets a camera that is gone', async () => {
    await using server = await fakeServer(answering({ camera: 'door', recordings: 'kept' }));
    const { out, code } = await set('forget', 'door', '--server', server.url);
    assert.deepEqual([code, server.asked], [0, ['DELETE /api/cameras/door']]);
    assert.match(out, /its recordings stay/);
  });
});
