/** The memory of a link's payloads: used again, but never while somebody holds it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PayloadHold, PayloadMemory } from '../../firmware/media/payload-memory.ts';

const longBytes = 256 * 1024;

function buffersOf(payloads: readonly Buffer[]): number {
  return new Set(payloads.map(({ buffer }) => buffer)).size;
}

test('payloads that are released one after the other need no more memory than those that are held', () => {
  const memory = new PayloadMemory();
  const payloads: Buffer[] = [];
  for (let turn = 0; turn < 1_000; turn++) {
    const { payload, hold } = memory.take(50_000);
    payloads.push(payload);
    hold?.release();
  }
  assert(buffersOf(payloads) <= 3, `${buffersOf(payloads)} blocks for payloads that nobody holds`);
});

test('a payload that somebody holds keeps its bytes, whatever comes after it', () => {
  const action = fc.record({ bytes: fc.integer({ min: 0, max: 90_000 }), keptFor: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 120 }), (actions) => {
      const memory = new PayloadMemory();
      const held: { payload: Buffer; mark: number; hold: PayloadHold | undefined; until: number }[] = [];
      for (const [turn, { bytes, keptFor }] of actions.entries()) {
        const { payload, hold } = memory.take(bytes);
        assert.equal(payload.length, bytes);
        payload.fill(turn & 0xff);
        held.push({ payload, mark: turn & 0xff, hold, until: turn + keptFor });
        for (const one of held.splice(0)) {
          assert(
            one.payload.every((byte) => byte === one.mark),
            'a held payload has changed',
          );
          if (one.until > turn) held.push(one);
          else one.hold?.release();
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('memory is used again only after its last holder has released it', () => {
  const memory = new PayloadMemory();
  const first = memory.take(200_000);
  first.hold?.retain();
  first.payload.fill(7);
  first.hold?.release();
  for (let turn = 0; turn < 50; turn++) {
    const { payload, hold } = memory.take(200_000);
    payload.fill(9);
    hold?.release();
  }
  assert(first.payload.every((byte) => byte === 7));
});

test('a payload longer than a block has memory of its own, for which nobody has to care', () => {
  const { payload, hold } = new PayloadMemory().take(longBytes + 1);
  assert.equal(payload.length, longBytes + 1);
  assert.equal(hold, undefined);
});

test('a hold that is released too often is a bug, and not memory that two samples share', () => {
  const memory = new PayloadMemory();
  const { hold } = memory.take(longBytes);
  memory.take(longBytes);
  hold?.release();
  assert.throws(() => hold?.release(), /released too often/);
});
