/** What people set about cameras and servers: rows of the site document, and the routes that change them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  deletionOf,
  deletionValue,
  historyDeletion,
  removedCameras,
} from '../../firmware/overlay/camera-deletion.ts';
import type { DocumentRow } from '../../firmware/overlay/packets.ts';
import { SiteDocument } from '../../firmware/overlay/site-document.ts';
import { SettingsDesk } from '../../firmware/roles/settings-desk.ts';
import {
  cameraSettingsKind,
  givenNameMax,
  SiteSettings,
  serverSettingsKind,
} from '../../firmware/site/site-settings.ts';
import type { CameraEntry } from '../../firmware/viewing/directory.ts';
import { bareViewing, cameraEntry, emptyArchive } from '../support/bare-viewing.ts';

const none = { name: '', group: '', days: undefined, maxMb: undefined };

/** A desk that writes into a document, of which other servers may hear. */
function desk() {
  const document = new SiteDocument([]);
  const settings = new SiteSettings();
  const state = { full: false, listed: true };
  let count = 0;
  const hear = (row: DocumentRow): void => settings.take([row]);
  const made = new SettingsDesk({
    settings,
    write: ({ kind, id, value }) => {
      if (state.full) return;
      count += 1;
      const row = { kind, id, time: { ms: 1, count }, author: 's1', value };
      if (document.write(row)) hear(row);
      if (kind === historyDeletion) state.listed = false;
    },
    utcUs: () => 5_000_000,
    isListed: () => state.listed,
  });
  return { document, settings, state, desk: made };
}

describe('settings of the site', () => {
  test('are the same on every server that has the same rows, whatever came in between', () => {
    const { desk: one, document } = desk();
    assert.deepEqual(one.ofCamera('door'), none);
    one.changeCamera('door', { name: 'Haustür 🚪', days: 30 });
    one.changeCamera('door', { group: 'Hof', maxMb: 500 });
    one.changeServer('s1', { name: 'Scheune', days: 7 });
    const wanted = { name: 'Haustür 🚪', group: 'Hof', days: 30, maxMb: 500 };
    const other = new SiteSettings();
    other.take(document.rows());
    for (const settings of [one, other]) {
      assert.deepEqual(settings.ofCamera('door'), wanted);
      assert.deepEqual(settings.ofServer('s1'), { name: 'Scheune', days: 7 });
    }
    assert.deepEqual([...other.allCameras().keys()], ['door']);
  });

  test('that are all taken back leave a deletion and nothing else', () => {
    const { desk: one, document } = desk();
    one.changeCamera('door', { name: 'Door', days: 30 });
    one.changeCamera('door', { name: '', days: undefined });
    assert.equal(document.get(cameraSettingsKind, 'door'), undefined);
    assert.equal(document.size, 1);
    const changed = one.changeServer('s1', {});
    assert.deepEqual(changed, { ok: true, value: { name: '', days: undefined } });
    assert.equal(document.size, 1, 'nothing is written for nothing');
  });

  test('cannot be what makes no sense', () => {
    const { desk: one, document } = desk();
    for (const wish of [
      { name: 'x'.repeat(givenNameMax + 1) },
      { name: 'a\nb' },
      { group: ' yard' },
      { name: '\ud800' },
      { days: 0 },
      { days: 36_501 },
      { days: 1.5 },
      { days: Number.NaN },
      { maxMb: 9 },
      { maxMb: 1e10 },
    ])
      assert.equal(one.changeCamera('door', wish).ok, false, JSON.stringify(wish));
    assert.equal(document.size, 0);
    const longest = '€'.repeat(givenNameMax);
    assert.equal(one.changeCamera('door', { name: longest, group: longest }).ok, true);
    assert.equal(one.ofCamera('door').name, longest);
  });

  test('that the document has no room for are refused, not half there', () => {
    const { desk: one, state } = desk();
    state.full = true;
    const refused = { ok: false, reason: 'the site document is full' };
    assert.deepEqual(one.changeCamera('door', { name: 'Door' }), refused);
    assert.deepEqual(one.changeServer('s1', { days: 3 }), refused);
    assert.deepEqual(one.removeCamera('door', 4), refused);
    assert.deepEqual(one.ofCamera('door'), none);
  });

  test('from damaged rows are none, and never what cannot be', () => {
    const { document, desk: one } = desk();
    one.changeCamera('door', { name: 'Door', group: 'Yard', days: 30, maxMb: 500 });
    const whole = document.get(cameraSettingsKind, 'door') ?? Buffer.alloc(0);
    const row = (kind: string, id: string, value: Buffer): DocumentRow => {
      return { kind, id, time: { ms: 1, count: 1 }, author: 's1', value };
    };
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
            const bent = Buffer.from(whole);
            bent[at] = byte;
            return bent;
          }),
        ),
        fc.constantFrom('door', '../x', '__proto__', ''),
        (bytes, id) => {
          const settings = new SiteSettings();
          settings.take([row(cameraSettingsKind, id, Buffer.from(bytes))]);
          settings.take([row(serverSettingsKind, id, Buffer.from(bytes))]);
          for (const [camera, { name, days, maxMb }] of settings.allCameras()) {
            assert.equal(camera, 'door');
            assert(name.length <= givenNameMax, name);
            assert(days === undefined || (days >= 1 && days <= 36_500), String(days));
            assert(maxMb === undefined || maxMb >= 10, String(maxMb));
          }
        },
      ),
    );
    const settings = new SiteSettings();
    settings.take([row(cameraSettingsKind, 'door', whole)]);
    settings.take([row(cameraSettingsKind, 'door', whole.subarray(1))]);
    assert.deepEqual(settings.ofCamera('door'), none);
    // A line break in the name; no days at all; 4 MB.
    for (const [at, bytes] of [
      [1, [0x0a]],
      [11, [0, 0]],
      [14, [0, 0, 0, 4]],
    ] as const) {
      settings.take([row(cameraSettingsKind, 'door', whole)]);
      assert.equal(settings.ofCamera('door').maxMb, 500);
      const bent = Buffer.from(whole);
      bent.set(bytes, at);
      settings.take([row(cameraSettingsKind, 'door', bent)]);
      assert.deepEqual(settings.ofCamera('door'), none, `byte ${at}`);
    }
  });
});

/** Server `s1`; cameras `door`, online, and `old`, not; of `shed` there are recordings only. */
function scene() {
  const parts = desk();
  const cameras: CameraEntry[] = [
    cameraEntry('door', 's1'),
    { ...cameraEntry('old', 's2'), epoch: 7, state: 'unreachable' },
  ];
  const server = (id: string, state: 'self' | 'unreachable') => {
    return { id, state, hops: undefined, pageUrl: `http://${id}/`, cameras: [] };
  };
  const { ask: send } = bareViewing({
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [server('s1', 'self'), server('s2', 'unreachable')],
      cameras: () => cameras,
    },
    archive: { ...emptyArchive, cameras: async () => ['shed'] },
    settings: parts.desk,
  });
  const ask = async (method: string, path: string, body?: unknown): Promise<[number, unknown]> => {
    const headers = { 'x-starling': '1', 'content-type': 'application/json' };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await send(path, { method, headers, ...text });
    return [response.status, await response.json()];
  };
  return { ...parts, cameras, ask };
}

describe('over HTTP', () => {
  test('a camera gets its name, its group and its days, and the lists show them', async () => {
    const { ask } = scene();
    const path = '/api/cameras/door/settings';
    const fresh = { camera: 'door', name: '', group: '', days: null, maxMb: null };
    assert.deepEqual(await ask('GET', path), [200, fresh]);
    const named = { ...fresh, name: '<b>Door</b>', days: 30 };
    assert.deepEqual(await ask('PATCH', path, { name: '<b>Door</b>', days: 30 }), [200, named]);
    assert.deepEqual(await ask('PATCH', path, { days: null, group: 'Yard' }), [
      200,
      { ...named, days: null, group: 'Yard' },
    ]);
    const [, list] = await ask('GET', '/api/cameras');
    const [door] = (list as { cameras: { name: string; group: string; ptz: unknown }[] }).cameras;
    assert.deepEqual([door?.name, door?.group, door?.ptz], ['<b>Door</b>', 'Yard', null]);
    assert.equal((await ask('PATCH', '/api/cameras/shed/settings', { days: 3 }))[0], 200, 'a former camera');
  });

  test('a server gets its name and its days, also one that is away', async () => {
    const { ask, settings } = scene();
    const path = '/api/servers/s2/settings';
    assert.deepEqual(await ask('PATCH', path, { name: 'Barn', days: 14 }), [
      200,
      { server: 's2', name: 'Barn', days: 14 },
    ]);
    assert.deepEqual(await ask('GET', path), [200, { server: 's2', name: 'Barn', days: 14 }]);
    assert.deepEqual(settings.ofServer('s2').days, 14);
    const [, site] = await ask('GET', '/api/site');
    const { servers } = site as { servers: { id: string; name: string }[] };
    assert.deepEqual(
      servers.map(({ name }) => name),
      ['', 'Barn'],
    );
  });

  test('nothing is set that cannot be, or of what nobody knows', async () => {
    const { ask, document } = scene();
    for (const change of [
      {},
      [],
      { days: 0 },
      { days: '5' },
      { days: 1.5 },
      { maxMb: 1 },
      { name: null },
      { name: 'x'.repeat(61) },
      { name: 'a\u0000' },
      { colour: 'red' },
      { maxMb: 2 ** 53 },
    ])
      assert.equal(
        (await ask('PATCH', '/api/cameras/door/settings', change))[0],
        400,
        JSON.stringify(change),
      );
    assert.equal((await ask('PATCH', '/api/servers/s1/settings', { maxMb: 500 }))[0], 400);
    for (const path of ['/api/cameras/nobody/settings', '/api/servers/nobody/settings']) {
      assert.equal((await ask('GET', path))[0], 404);
      assert.equal((await ask('PATCH', path, { days: 5 }))[0], 404);
    }
    assert.equal(document.size, 0);
  });

  test('a camera that is gone for good is taken off the lists, but not one that is there', async () => {
    const { ask, document, state } = scene();
    assert.equal((await ask('DELETE', '/api/cameras/door'))[0], 409);
    assert.equal((await ask('DELETE', '/api/cameras/nobody'))[0], 404);
    assert.equal(document.size, 0);
    assert.deepEqual(await ask('DELETE', '/api/cameras/old'), [200, { camera: 'old', recordings: 'kept' }]);
    assert.deepEqual(deletionOf(document, 'old'), { untilUs: 5_000_000, epoch: 7 });
    const history = deletionValue({ untilUs: 5_000_000, epoch: 0 });
    const onlyItsHistory = { ...document.rows()[0], kind: historyDeletion, id: 'kept', value: history };
    assert.deepEqual(removedCameras([...document.rows(), onlyItsHistory as DocumentRow]), ['old']);
    assert.equal(state.listed, false);
  });

  test('what a full document refuses is said', async () => {
    const { ask, state } = scene();
    state.full = true;
    for (const [method, path, body] of [
      ['PATCH', '/api/cameras/door/settings', { name: 'Door' }],
      ['PATCH', '/api/servers/s1/settings', { days: 5 }],
      ['DELETE', '/api/cameras/old', undefined],
    ] as const)
      assert.equal((await ask(method, path, body))[0], 409, path);
  });
});
