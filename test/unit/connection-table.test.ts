/** The connections of browsers: when there are too many, the longest idle goes. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { ConnectionTable } from '../../firmware/io/connection-table.ts';

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.1';
  readonly localPort = 8300;
  readonly remotePort: number;
  destroyed = false;

  constructor(remotePort: number) {
    super();
    this.remotePort = remotePort;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

function scene(connectionsMax: number) {
  const table = new ConnectionTable(connectionsMax);
  let port = 0;
  const open = (): FakeSocket => {
    const socket = new FakeSocket(++port);
    table.add(socket as unknown as Socket);
    return socket;
  };
  const begin = (socket: FakeSocket): (() => void) => table.begin(socket as unknown as Socket);
  return { table, open, begin };
}

test('one more than the most makes the longest idle go', () => {
  const { table, open, begin } = scene(3);
  const [first, second, third] = [open(), open(), open()];
  begin(first)();
  const fourth = open();
  assert.deepEqual(
    [first, second, third, fourth].map(({ destroyed }) => destroyed),
    [false, true, false, false],
  );
  assert.equal(table.size, 3);
});

test('one that is being answered stays; when all are, the new one goes', () => {
  const { table, open, begin } = scene(2);
  const [first, second] = [open(), open()];
  const answered = begin(first);
  begin(second);
  const third = open();
  assert.deepEqual([first.destroyed, second.destroyed, third.destroyed], [false, false, true]);
  answered();
  const fourth = open();
  assert.deepEqual([first.destroyed, fourth.destroyed, table.size], [true, false, 2]);
});

test('two requests on one connection are two: it is idle after both', () => {
  const { open, begin } = scene(1);
  const first = open();
  const [one, two] = [begin(first), begin(first)];
  one();
  assert.equal(open().destroyed, true);
  two();
  assert.equal(open().destroyed, false);
  assert.equal(first.destroyed, true);
});

test('the TLS socket above a connection counts for it, and what closes is forgotten', () => {
  const { table, open, begin } = scene(1);
  const first = open();
  begin(new FakeSocket(first.remotePort));
  assert.equal(open().destroyed, true, 'the first is busy');
  first.destroy();
  assert.equal(table.size, 0);
  assert.equal(open().destroyed, false);
});
