/**
 * Disks that are taken away under a server and come back: ext4 file systems on loop devices. Nothing is missing, and
 * nothing is ever written into the folder where a disk should be.
 */
import assert from 'node:assert';
import { describe, test } from 'node:test';
import { LoopVolume, loopVolumesMissing } from '../support/loop-volume.ts';
import { namespacesMissing } from '../support/namespaces.ts';
import { until } from '../support/network.ts';
import { RecordingField } from '../support/recording-field.ts';

/** Samples of a camera. */
const twoSegments = 500;

const missing = namespacesMissing('nsenter', 'losetup', 'mkfs.ext4') || loopVolumesMissing();
if (missing === false) describe('servers whose disks are taken away', suite);
else test('servers whose disks are taken away', { skip: missing }, () => undefined);

function suite(): void {
  test('a disk that is taken away from a server is missed, and the other server takes over', async () => {
    using disk = new LoopVolume(64);
    using site = await RecordingField.open({
      servers: 2,
      cameras: 3,
      settingsOf: (number) => (number === 1 ? { volumes: [disk.folder], retention: { reserveMb: 4 } } : {}),
    });
    disk.takeAway(site.server(1));
    await site.untilLater(twoSegments);
    await site.untilDurable('without the disk');
    assert.equal(await stateOf(site, 1), 'missing');
    assert.match(await alarmsOf(site, 1), /volume-missing/);
    // Started without it, the server finds an empty folder in its place.
    await site.server(1).kill();
    site.server(1).start();
    await site.untilWhole('ss-1 is started without its disk');
    assert.equal(await stateOf(site, 1), 'missing');
    await site.untilLater(twoSegments);
    assert.deepEqual(disk.entries, [], 'nothing is written into the empty mount point');
    disk.bringBack(site.server(1));
    await until('the disk is used again', async () => (await stateOf(site, 1)) === 'ok', 60_000);
    await site.untilDurable('with the disk again');
    await site.verifyAll(site.server(2));
  });

  test('of two disks one is taken away, and recording goes on on the other', async () => {
    using disk = new LoopVolume(64);
    using other = new LoopVolume(64);
    using site = await RecordingField.open({
      servers: 1,
      cameras: 4,
      settings: { volumes: [disk.folder, other.folder], retention: { reserveMb: 4 } },
    });
    disk.takeAway(site.server(1));
    await site.untilLater(twoSegments);
    await site.untilDurable('on the other disk');
    assert.deepEqual(disk.entries, [], 'nothing is written into the empty mount point');
    disk.bringBack(site.server(1));
    await site.untilLater(twoSegments);
    await site.untilDurable('with both disks again');
    await site.verifyAll();
  });
}

/** What a server says of its first volume. */
async function stateOf(site: RecordingField, server: number): Promise<string | undefined> {
  return (await site.status(server)).volumes[0]?.state;
}

/** Kinds of the alarms that a server raises. */
async function alarmsOf(site: RecordingField, server: number): Promise<string> {
  return (await site.status(server)).alarms.map(({ kind }) => kind).join(', ');
}
