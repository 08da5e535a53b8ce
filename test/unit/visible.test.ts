/** What somebody sees whose rights hold for some cameras only. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tablesJson } from '../../firmware/viewing/network-json.ts';
import { visibleAlarms, visibleIds, visibleLog, visibleTables } from '../../firmware/viewing/visible.ts';
import { figureOne } from '../support/figure-one.ts';

const rights = { cameras: ['cam-1'] };

test('lists have the own cameras only', () => {
  assert.deepEqual(visibleIds(rights, ['cam-0', 'cam-1', 'cam-10']), ['cam-1']);
  assert.deepEqual(visibleIds({ cameras: 'all' }, ['cam-0']), ['cam-0']);
  assert.deepEqual(visibleIds({ cameras: [] }, ['cam-0']), []);
});

test('tables name no other camera, and keep the servers', () => {
  const tables = visibleTables(rights, tablesJson(figureOne));
  const named = new Set(JSON.stringify([tables.query, tables.history]).match(/cam-\d+/g));
  assert.deepEqual([...named], ['cam-1']);
  assert.equal(tables.query.servers.length, figureOne.query.servers.length);
  assert.deepEqual(tables.neighbor, tablesJson(figureOne).neighbor);
});

test('alarms of other cameras are left out, those of volumes are not', () => {
  const alarms = ['camera/cam-0', 'camera/cam-1', 'volume//disk'].map((id) => ({ id }));
  assert.deepEqual(
    visibleAlarms(rights, alarms).map(({ id }) => id),
    ['camera/cam-1', 'volume//disk'],
  );
});

test('of the log, what names another camera is left out, by whole names', () => {
  const texts = [
    'cam-1 joined',
    'cam-10 joined',
    'cam-0: lost {"camera":"cam-0"}',
    'ss-2 is suspected',
    'CAM-0',
  ];
  const entries = texts.map((text, number) => ({ number, time: '', level: 'info' as const, text }));
  const log = { server: 'ss-1', newest: 4, entries };
  const seen = visibleLog(rights, log, ['cam-0', 'cam-1', 'cam-10']).entries.map(({ text }) => text);
  assert.deepEqual(seen, ['cam-1 joined', 'ss-2 is suspected', 'CAM-0']);
  assert.equal(visibleLog({ cameras: 'all' }, log, ['cam-0']), log);
});
