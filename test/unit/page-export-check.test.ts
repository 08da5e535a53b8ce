/** What the page says of a file that it has saved. Times in seconds of a day. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordingsAnswer } from '../../firmware/viewing/api.ts';
import { checkFile } from '../../firmware/viewing/web/export-check.ts';

const midnightMs = Date.parse('2026-11-22T00:00:00Z');
const iso = (seconds: number) => new Date(midnightMs + seconds * 1_000).toISOString();
const range = (from: number, to: number) => ({
  fromMs: midnightMs + from * 1_000,
  toMs: midnightMs + to * 1_000,
});

function list(
  stretches: readonly (readonly [server: string, from: number, to: number])[],
  more: Partial<RecordingsAnswer> = {},
): RecordingsAnswer {
  const segments = stretches.map(([server, from, to]) => ({
    server,
    name: `${from}`,
    from: iso(from),
    to: iso(to),
    bytes: 1,
    captureId: 'boot.1',
    epoch: 1,
    open: false,
    url: `/${server}/${from}`,
  }));
  return { camera: 'gate', segments, gaps: [], unreachable: [], truncated: false, ...more };
}

test('a file that holds all that is listed is complete', () => {
  const check = checkFile(
    range(0, 100),
    list([
      ['a', 0, 60],
      ['b', 60, 120],
    ]),
    [range(0, 100)],
  );
  assert.deepEqual(check, { missing: [], unsure: undefined });
});

test('what is listed and not in the file is missing, also where another server has it', () => {
  const listed = list([
    ['a', 0, 60],
    ['b', 60, 120],
  ]);
  assert.deepEqual(checkFile(range(0, 100), listed, [range(0, 60)]).missing, [range(60, 100)]);
  assert.deepEqual(checkFile(range(10, 100), listed, [range(40, 100)]).missing, [range(10, 40)]);
});

test('of a list that was cut nothing can be concluded', () => {
  const { missing, unsure } = checkFile(range(0, 100), list([['a', 0, 60]], { truncated: true }), [
    range(0, 60),
  ]);
  assert.deepEqual(missing, []);
  assert.match(unsure ?? '', /too many/);
});

test('a hole may be what a silent server has, unless its reason is known', () => {
  const silent = { unreachable: ['b'] };
  const held = [range(0, 60)];
  assert.match(checkFile(range(0, 100), list([['a', 0, 60]], silent), held).unsure ?? '', /No answer from b/);
  const gaps = [{ from: iso(60), to: iso(200), reason: 'camera-off' as const }];
  assert.equal(checkFile(range(0, 100), list([['a', 0, 60]], { ...silent, gaps }), held).unsure, undefined);
  assert.equal(checkFile(range(0, 60), list([['a', 0, 60]], silent), held).unsure, undefined);
});
