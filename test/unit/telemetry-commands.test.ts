/** Commands by MQTT: anybody may have written them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CommandDesk, type CommandResult } from '../../firmware/telemetry/command-desk.ts';
import { parseClaim, parsePtzCommand, parseStreamCommand } from '../../firmware/telemetry/commands.ts';
import type { SteerWish } from '../../firmware/telemetry/steer-access.ts';
import { TelemetryCounts } from '../../firmware/telemetry/telemetry-counts.ts';
import type { StreamOutcome } from '../../firmware/viewing/stream-access.ts';

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? '');

describe('a pan-tilt-zoom command', () => {
  test('names a place, or a velocity, or a preset, or stop', () => {
    const good: unknown[] = [
      { pan: 10 },
      { pan: -170.5, tilt: 3, zoom: 2 },
      { pan: 5, relative: true },
      { velocity: { pan: 0.5 } },
      { preset: 'Front door' },
      { stop: true },
    ];
    for (const one of good) assert.deepEqual(parsePtzCommand(bytes(one)), { ok: true, value: one });
  });

  test('is refused when it is anything else, with a reason that is short', () => {
    const bad: unknown[] = [
      null,
      5,
      'stop',
      [],
      {},
      { pan: '10' },
      { pan: 1e9 },
      { pan: null },
      { stop: false },
      { stop: 1 },
      { pan: 1, stop: true },
      { pan: 1, colour: 2 },
      { velocity: { pan: 2 } },
      { velocity: { up: 1 } },
      { preset: '' },
      { preset: 'a'.repeat(65) },
      { preset: 'a\nb' },
      { relative: true },
      { pan: { gt: 1 } },
    ];
    for (const one of bad) {
      const parsed = parsePtzCommand(bytes(one));
      assert.equal(parsed.ok, false, JSON.stringify(one));
      if (!parsed.ok)
        assert.equal(parsed.reason.length > 0 && parsed.reason.length < 200, true, parsed.reason);
    }
    for (const text of [
      '',
      '{',
      'NaN',
      '{"pan":Infinity}',
      '{"pan":1}{"pan":2}',
      '{"__proto__":{"pan":1}}',
    ]) {
      assert.equal(parsePtzCommand(Buffer.from(text)).ok, false, text);
    }
    assert.equal(parsePtzCommand(Buffer.from([0xff, 0xfe])).ok, false);
    assert.equal(parsePtzCommand(Buffer.alloc(1025, ' ')).ok, false);
  });
});

test('a stream command is within the bounds of the settings', () => {
  assert.deepEqual(parseStreamCommand(bytes({ frameRate: 10 })), {
    ok: true,
    value: { frameRate: 10, reset: false },
  });
  assert.deepEqual(parseStreamCommand(bytes({ reset: true })), { ok: true, value: { reset: true } });
  for (const bad of [
    {},
    { frameRate: 0 },
    { frameRate: 61 },
    { frameRate: 2.5 },
    { frameRate: '10' },
    { gop: 1 },
  ]) {
    assert.equal(parseStreamCommand(bytes(bad)).ok, false, JSON.stringify(bad));
  }
});

test('whatever comes is a command within bounds or refused, and never an exception', () => {
  const seed = Date.now() % 1e9;
  const wild = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }).map((some) => Buffer.from(some)),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record(
        {
          pan: fc.oneof(fc.double(), fc.anything()),
          tilt: fc.double(),
          zoom: fc.double(),
          velocity: fc.oneof(fc.record({ pan: fc.double() }), fc.anything()),
          preset: fc.string(),
          stop: fc.boolean(),
          frameRate: fc.oneof(fc.integer(), fc.double()),
          epoch: fc.double(),
          manager: fc.string(),
        },
        { requiredKeys: [] },
      )
      .map(bytes),
  );
  const isSafe = (payload: Buffer): boolean => {
    const ptz = parsePtzCommand(payload);
    const { pan = 0, tilt = 0, zoom = 1 } = ptz.ok ? ptz.value : {};
    const stream = parseStreamCommand(payload);
    const rate = (stream.ok ? stream.value.frameRate : undefined) ?? 1;
    const epoch = parseClaim(payload)?.epoch ?? 0;
    const bounded = [pan, tilt, zoom].every((value) => Math.abs(value) <= 720);
    return bounded && Number.isInteger(rate) && rate >= 1 && rate <= 60 && Number.isSafeInteger(epoch);
  };
  fc.assert(fc.property(wild, isSafe), { seed, numRuns: 2_000 });
});

describe('the command desk', () => {
  interface Desk {
    readonly desk: CommandDesk;
    readonly counts: TelemetryCounts;
    readonly told: CommandResult[];
    readonly steered: SteerWish[];
    readonly lines: string[];
    answer: (refusal: string | undefined) => void;
  }

  const openDesk = (streams: () => Promise<StreamOutcome> = async () => ({ refusal: 'busy' })): Desk => {
    const counts = new TelemetryCounts();
    const told: CommandResult[] = [];
    const steered: SteerWish[] = [];
    const lines: string[] = [];
    const waiting: ((refusal: string | undefined) => void)[] = [];
    const desk = new CommandDesk({
      counts,
      log: (level, message) => lines.push(`${level} ${message}`),
      streams: { stream: streams },
      steering: {
        mount: () => null,
        steer: (_camera, wish) => {
          steered.push(wish);
          return new Promise((resolve) => waiting.push(resolve));
        },
      },
      onStream: () => undefined,
      tell: (_camera, result) => told.push(result),
    });
    return { desk, counts, told, steered, lines, answer: (refusal) => waiting.shift()?.(refusal) };
  };
  const command = (
    value: unknown,
    options: { retained?: boolean; here?: boolean; command?: 'ptz' | 'stream' } = {},
  ) => ({
    camera: 'cam-1',
    command: options.command ?? ('ptz' as const),
    here: options.here ?? true,
    message: { topic: 't', payload: bytes(value), retained: options.retained ?? false },
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('carries out what is well formed and says so', async () => {
    const { desk, steered, told, counts, answer } = openDesk();
    desk.take(command({ pan: 10 }));
    assert.deepEqual(steered, [{ pan: 10 }]);
    answer(undefined);
    await turn();
    assert.deepEqual(told, [{ command: 'ptz', outcome: 'done', reason: '' }]);
    assert.equal(counts.commands.done, 1);
  });

  test('ignores a retained command, and one for a camera that is managed elsewhere', () => {
    const { desk, steered, counts, told } = openDesk();
    desk.take(command({ pan: 10 }, { retained: true }));
    desk.take(command({ pan: 10 }, { here: false }));
    assert.deepEqual(steered, []);
    assert.deepEqual([counts.commands.retained, counts.commands.elsewhere], [1, 1]);
    assert.deepEqual(told, []);
  });

  test('tells a refusal and a failure of the camera', async () => {
    const { desk, told, answer } = openDesk(async () => Promise.reject(new Error('cam-1 does not answer')));
    desk.take(command({ pan: 10 }));
    answer('beyond its limits');
    desk.take(command({ frameRate: 5 }, { command: 'stream' }));
    await turn();
    assert.deepEqual(told.map(({ outcome, reason }) => `${outcome}: ${reason}`).sort(), [
      'failed: cam-1 does not answer',
      'refused: beyond its limits',
    ]);
  });

  test('lets no more than four commands of a camera wait, and logs a flood of nonsense once', () => {
    const { desk, steered, counts, lines } = openDesk();
    for (let number = 0; number < 10; number++) desk.take(command({ pan: number }));
    assert.equal(steered.length, 4);
    assert.equal(counts.commands.busy, 6);
    const { desk: other, counts: counted, lines: said } = openDesk();
    for (let number = 0; number < 1_000; number++) other.take(command({ nonsense: number }));
    assert.equal(counted.commands.malformed, 1_000);
    assert.equal(said.length, 1);
    assert.equal(lines.length, 1);
  });
});
