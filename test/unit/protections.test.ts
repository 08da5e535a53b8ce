/** Protected ranges: rows of the site document that retention asks about. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DocumentRow } from '../../firmware/overlay/packets.ts';
import {
  type ProtectionRow,
  Protections,
  type ProtectionWish,
} from '../../firmware/recording/protections.ts';

const wish: ProtectionWish = {
  camera: 'door',
  fromUs: 100,
  toUs: 200,
  note: 'the parcel',
  by: 'ann',
  atUs: 7,
};

function rowOf({ id, value }: ProtectionRow, count = 0): DocumentRow {
  return { kind: 'protect', id, time: { ms: 1, count }, author: 'ss-1', value };
}

function added(protections: Protections, more: Partial<ProtectionWish> = {}, server = 'ss-1'): string {
  const row = protections.rowFor(server, { ...wish, ...more });
  assert.ok(row.ok);
  protections.take([rowOf(row.value)]);
  return row.value.id;
}

test('a range is kept with its note, and what touches it is protected, to the microsecond', () => {
  const protections = new Protections();
  const id = added(protections);
  assert.deepEqual(protections.of('door'), [{ ...wish, id }]);
  for (const [fromUs, toUs, kept] of [
    [0, 100, false],
    [0, 101, true],
    [150, 160, true],
    [199, 300, true],
    [200, 300, false],
  ] as const) {
    assert.equal(protections.isProtected('door', { fromUs, toUs }), kept, `${fromUs}..${toUs}`);
  }
  assert.equal(protections.isProtected('yard', { fromUs: 100, toUs: 200 }), false);
});

test('two servers never write over each other’s ranges, and a number that is free is used again', () => {
  const protections = new Protections();
  assert.equal(added(protections), 'door.ss-1.1');
  assert.equal(added(protections, { fromUs: 50 }), 'door.ss-1.2');
  assert.equal(added(protections, {}, 'ss-2'), 'door.ss-2.1');
  assert.deepEqual(
    protections.of('door').map(({ id }) => id),
    ['door.ss-1.2', 'door.ss-1.1', 'door.ss-2.1'],
  );
  const gone = protections.rowWithout('door', 'door.ss-1.1');
  assert.ok(gone);
  const version = protections.version();
  protections.take([rowOf(gone)]);
  assert.notEqual(protections.version(), version);
  assert.equal(protections.of('door').length, 2);
  assert.equal(protections.rowWithout('door', 'door.ss-1.1'), undefined);
  assert.equal(protections.rowWithout('yard', 'door.ss-1.2'), undefined);
  assert.equal(added(protections), 'door.ss-1.1');
});

test('what makes no sense or is too much is refused', () => {
  const protections = new Protections();
  for (const bad of [
    { camera: '../x' },
    { toUs: 100 },
    { fromUs: Number.NaN },
    { note: 'é'.repeat(201) },
    { by: 'x'.repeat(101) },
  ]) {
    assert.equal(protections.rowFor('ss-1', { ...wish, ...bad }).ok, false, JSON.stringify(bad));
  }
  for (let n = 0; n < 100; n++) added(protections);
  assert.equal(protections.rowFor('ss-1', wish).ok, false);
  assert.equal(protections.rowFor('ss-1', { ...wish, camera: 'yard' }).ok, true);
});

test('rows that are damaged, of another kind or with a strange id protect nothing and break nothing', () => {
  const protections = new Protections();
  const row = protections.rowFor('ss-1', wish);
  assert.ok(row.ok);
  const { value = Buffer.alloc(0) } = row.value;
  protections.take([{ ...rowOf(row.value), kind: 'history' }]);
  for (const id of [
    'door',
    'door.1',
    'door.ss-1.0',
    'door.ss-1.1.1',
    '..',
    'Door.ss-1.1',
    'door.ss-1.1234567',
  ]) {
    protections.take([rowOf({ id, value })]);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.string({ maxLength: 40 }), (bytes, id) => {
      protections.take([rowOf({ id: 'door.ss-1.1', value: Buffer.from(bytes) }), rowOf({ id, value })]);
      protections.take([rowOf({ id: 'door.ss-1.1', value: undefined })]);
    }),
  );
  assert.deepEqual(protections.of('door'), []);
  protections.take([rowOf(row.value), rowOf({ ...row.value, value: Buffer.from('damaged') })]);
  assert.deepEqual(protections.of('door'), []);
});
