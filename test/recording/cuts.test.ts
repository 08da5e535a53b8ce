/**
 * Links that are cut without a word, servers that stand still, and a network that falls into two halves while a camera's
 * old manager still has what it sent. Outages are shorter than an outbox, so nothing may be missing.
 *
 * Cuts of 1 and 10 s in the suite; by hand also longer ones:
 * CUTS=1,10,50 node --import tsx --test test/recording/cuts.test.ts
 */
import assert from 'node:assert';
import { after, before, test } from 'node:test';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { type FieldUnit, managersOf } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { lasts, RecordingField } from '../support/recording-field.ts';

const cutsSeconds = (process.env['CUTS'] ?? '1,10').split(',').map(Number);
const freezeMs = 5_000;

describeOnNetwork('three servers and four cameras on a network that fails', [], () => {
  let site: RecordingField;
  before(async () => {
    site = await RecordingField.open({ servers: 3, cameras: 4, cameraMachines: 2 });
  });
  after(() => site?.[Symbol.dispose]());

  for (const seconds of cutsSeconds) {
    test(`cameras that nobody reaches for ${seconds} s send all of it afterwards`, async () => {
      const cams = site.camerasOf(1);
      site.lan.cut(cams.machine);
      await lasts(`a cut of ${seconds} s`, seconds * 1000);
      site.lan.heal();
      await site.untilDurable(`after ${seconds} s without a network`);
    });

    test(`a server that nobody reaches for ${seconds} s, and that hears nobody, loses nothing`, async () => {
      const victim = await busiest(site);
      site.lan.cut(victim.machine);
      await lasts(`a cut of ${seconds} s`, seconds * 1000);
      site.lan.heal();
      await site.untilDurable(`after ${seconds} s without ${victim.id}`);
    });
  }

  test('a server that stands still for 5 s', async () => {
    const victim = await busiest(site);
    await victim.freeze(freezeMs);
    await site.untilDurable(`${victim.id} stood still`);
  });

  test('an old manager that is cut off keeps what it has while another takes the camera over', async () => {
    await site.untilWhole('before the split');
    const old = await busiest(site);
    const its = [...(await until('it says whom it manages', () => managersOf([old]))).keys()];
    site.lan.split(old.machine);
    const others = site.servers.filter((one) => one !== old);
    await until('others manage its cameras', async () => {
      const now = await managersOf(others);
      return its.every((camera) => now.has(camera));
    });
    await site.untilDurable('the new managers record');
    site.lan.heal();
    await site.untilWhole('healed');
    await site.untilDurable('after the split');
  });

  test('the archive has everything once, in order', async () => {
    const verdicts = await site.verifyAll();
    assert.equal(
      verdicts.reduce((sum, { explained, tail }) => sum + explained + tail, 0),
      0,
      'nothing is missing',
    );
    const copies = verdicts.reduce((sum, one) => sum + one.copies, 0);
    assert.notEqual(copies, 0, 'two servers hold the same samples, or the split has shown nothing');
  });
});

/** The server that manages most cameras. */
async function busiest(site: RecordingField): Promise<FieldUnit> {
  // One that cannot be heard in time, on a machine that has much to do, is asked again.
  const managers = await until('servers say whom they manage', () => managersOf(site.running));
  const counts = new Map<string, number>();
  for (const server of managers.values()) counts.set(server, (counts.get(server) ?? 0) + 1);
  const [first] = [...site.running].sort((a, b) => (counts.get(b.id) ?? 0) - (counts.get(a.id) ?? 0));
  assert(first, 'a server runs');
  return first;
}
