/** The connections of the TLS port: which of them goes when there are too many. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { HandshakeTable, TooManyConnections } from '../../firmware/io/handshake-table.ts';

class FakeSocket extends EventEmitter {
  readonly localAddress = '192.0.2.200';
  readonly remoteAddress: string;
  readonly remotePort: number;
  bytesRead = 0;
  /** why it was destroyed */
  reason: string | undefined;

  constructor(remoteAddress: string, remotePort: number) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  destroy(error?: Error): void {
    if (error instanceof TooManyConnections) assert.equal(error.address, this.remoteAddress);
    this.reason = error?.message ?? 'closed';
    this.emit('close');
  }
}

const crowded = 'too many connections without a handshake from one address';
const full = 'too many connections';

function scene(connectionsMax: number, unfinishedMax: number) {
  const table = new HandshakeTable({ connectionsMax, unfinishedMax });
  let port = 0;
  const open = (address: string, bytesRead = 0): FakeSocket => {
    const socket = new FakeSocket(address, ++port);
    table.add(socket as unknown as Socket);
    socket.bytesRead = bytesRead;
    return socket;
  };
  /** By another object than the one that was added, as the TLS socket is. */
  const finish = ({ remoteAddress, remotePort }: FakeSocket): void =>
    table.finish(new FakeSocket(remoteAddress, remotePort) as unknown as Socket);
  return { table, open, finish };
}

const reasons = (sockets: readonly FakeSocket[]): unknown[] => sockets.map(({ reason }) => reason);

test('one more unfinished connection of an address than the most makes its oldest go, and no other’s', () => {
  const { table, open } = scene(100, 3);
  const other = open('b');
  const sockets = [open('a'), open('a'), open('a'), open('a'), open('a')];
  assert.deepEqual(reasons(sockets), [crowded, crowded, undefined, undefined, undefined]);
  assert.equal(other.reason, undefined);
  assert.equal(table.size, 4);
});

test('one that has said nothing goes before an older one that has', () => {
  const { open } = scene(100, 4);
  const sockets = [open('a', 300), open('a', 300), open('a'), open('a'), open('a')];
  assert.deepEqual(reasons(sockets), [undefined, undefined, crowded, undefined, undefined]);
});

test('one that came last is spared, though it is the only one that has said nothing', () => {
  const { open } = scene(100, 4);
  const sockets = [open('a', 1), open('a', 1), open('a', 1), open('a', 1), open('a')];
  assert.deepEqual(reasons(sockets), [crowded, undefined, undefined, undefined, undefined]);
});

test('when there are too many in all, the address with the most unfinished ones pays', () => {
  const { table, open } = scene(5, 3);
  const b = open('b');
  const c = [open('c'), open('c'), open('c')];
  const a = [open('a'), open('a')];
  assert.deepEqual(reasons(c), [full, undefined, undefined]);
  // Now `c` and `a` have two each, and `c` has had some for longer.
  const d = open('d');
  assert.deepEqual(reasons(c), [full, full, undefined]);
  assert.deepEqual(reasons([...a, b, d]), [undefined, undefined, undefined, undefined]);
  assert.equal(table.size, 5);
});

test('one that has finished its handshake does not count for its address, and never goes', () => {
  const { table, open, finish } = scene(4, 2);
  const finished = [open('a'), open('a')];
  finish(finished[0] as FakeSocket);
  finish(finished[1] as FakeSocket);
  const later = [open('a'), open('a'), open('a')];
  assert.deepEqual(reasons(finished), [undefined, undefined]);
  assert.deepEqual(reasons(later), [crowded, undefined, undefined]);
  finish(later[1] as FakeSocket);
  finish(later[2] as FakeSocket);
  const newest = open('b');
  assert.equal(newest.reason, full, 'nobody else can go');
  assert.deepEqual(reasons([...finished, ...later.slice(1)]), [undefined, undefined, undefined, undefined]);
  assert.equal(table.size, 4);
});

test('what closes is forgotten, and finishing what is not there does nothing', () => {
  const { table, open, finish } = scene(100, 2);
  const sockets = [open('a'), open('a')];
  sockets[0]?.destroy();
  assert.equal(table.size, 1);
  finish(sockets[0] as FakeSocket);
  const third = open('a');
  assert.deepEqual(reasons([...sockets, third]), ['closed', undefined, undefined]);
});

test('all can be closed', () => {
  const { table, open, finish } = scene(100, 2);
  const sockets = [open('a'), open('b')];
  finish(sockets[0] as FakeSocket);
  table.destroyAll();
  assert.deepEqual(reasons(sockets), ['closed', 'closed']);
  assert.equal(table.size, 0);
});
