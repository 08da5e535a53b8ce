/** A machine whose address changes while it runs: by a lease of DHCP that comes after the start, say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchAddress } from '../../firmware/roles/advertised-address.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

test('another address is told once, within seconds, until nobody wants to know', () => {
  const clock = new VirtualClock();
  let host = '127.0.0.1';
  const told: string[] = [];
  const end = watchAddress(
    clock,
    () => ({ host, port: 7 }),
    (address) => told.push(address.host),
  );
  clock.advance(60_000);
  assert.deepEqual(told, []);
  host = '10.0.0.7';
  clock.advance(5_000);
  assert.deepEqual(told, ['10.0.0.7']);
  clock.advance(60_000);
  assert.deepEqual(told, ['10.0.0.7']);
  host = '127.0.0.1';
  clock.advance(60_000);
  assert.deepEqual(told, ['10.0.0.7'], 'the cable is out');
  end();
  host = '10.0.0.8';
  clock.advance(60_000);
  assert.deepEqual(told, ['10.0.0.7']);
});
