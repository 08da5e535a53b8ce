/** Services in order and back; refusals that cannot fill a log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusals } from '../../firmware/runtime/log.ts';
import { ServiceStack } from '../../firmware/runtime/service-stack.ts';

test('services are closed once, in the opposite order, each after the one before', async () => {
  const stack = new ServiceStack();
  const order: string[] = [];
  const slow = async (name: string): Promise<void> => {
    order.push(`${name} begins`);
    await new Promise(setImmediate);
    order.push(`${name} is closed`);
  };
  stack.use({ [Symbol.asyncDispose]: () => slow('first') });
  stack.defer(() => void order.push('second is closed'));
  stack.defer(() => slow('third'));
  await Promise.all([stack[Symbol.asyncDispose](), stack[Symbol.asyncDispose]()]);
  await stack[Symbol.asyncDispose]();
  const expected = ['third begins', 'third is closed', 'second is closed', 'first begins', 'first is closed'];
  assert.deepEqual(order, expected);
});

test('one that fails to close keeps no other open, and the first failure is told', async () => {
  const stack = new ServiceStack();
  const closed: string[] = [];
  stack.defer(() => void closed.push('bottom'));
  stack.defer(() => {
    throw new Error('second failure');
  });
  stack.defer(() => Promise.reject(new Error('first failure')));
  await assert.rejects(stack[Symbol.asyncDispose](), /first failure/);
  assert.deepEqual(closed, ['bottom']);
});

test('a refusal is logged the first time and counted always', () => {
  const lines: string[] = [];
  const refusals = new Refusals((level, message) => lines.push(`${level} ${message}`));
  for (let number = 0; number < 1_000; number++) refusals.refuse('bad seal', `10.0.0.${number}`);
  refusals.refuse('stale offer', 'ss-1');
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /^warn refused: bad seal \(from 10\.0\.0\.0/);
  assert.deepEqual(refusals.snapshot(), { 'bad seal': 1_000, 'stale offer': 1 });
});

test('reasons without end are counted together from some point on', () => {
  const lines: string[] = [];
  const refusals = new Refusals((_, message) => lines.push(message));
  for (let number = 0; number < 1_000; number++) refusals.refuse(`reason ${number}`, 'somebody');
  const counts = refusals.snapshot();
  assert.equal(counts['other'], 1_000 - 64);
  assert.equal(Object.keys(counts).length, 65);
  assert.equal(lines.length, 65);
  refusals.refuse('reason 5', 'somebody');
  assert.equal(refusals.snapshot()['reason 5'], 2);
});
