/**
 * An image of a server, made and flashed by the commands that people use, in an emulated amd64 machine: it finds a
 * server on this machine by multicast and answers at its serial port. The short form of `test/board` for every run.
 */
import assert from 'node:assert';
import { after, before, test } from 'node:test';
import { buildImage, secondsSince } from '../support/guest/board-image.ts';
import { BoardSite, type GuestUnit } from '../support/guest/board-site.ts';
import { askConsole } from '../support/guest/console-session.ts';
import { describeWithGuests, patience } from '../support/guest/guests-suite.ts';
import type { FieldUnit } from '../support/namespaces-units.ts';

/** Where processors are translated and shared. */
const bootMs = 480_000 * patience;

describeWithGuests('a server from its image', 'amd64', () => {
  let site: BoardSite;
  let near: FieldUnit;
  let unit: GuestUnit;

  before(async () => {
    site = await BoardSite.open();
    const image = await buildImage(site.folder('images'), {
      board: 'virtual',
      role: 'server',
      architecture: 'amd64',
    });
    near = await site.server('ss-near');
    unit = await site.serverGuest('ss-guest', image);
  });
  after(() => site?.[Symbol.asyncDispose]());

  test('joins a server on this machine by multicast', async () => {
    const startedMs = performance.now();
    near.start();
    const { accelerator } = await unit.switchOn();
    await site.untilSaid(`${near.id} reaches ${unit.id}`, unit, bootMs, async () => {
      const { servers } = await near.site();
      return servers.some(({ id, state }) => id === unit.id && state === 'reachable');
    });
    console.log(`from power (${accelerator}) to its neighbor: ${secondsSince(startedMs)}`);
  });

  test('answers at its serial port', async () => {
    const status = await askConsole(unit.guest, 'status');
    console.log(status);
    assert.match(status, /ss-guest +server/);
    assert.match(await askConsole(unit.guest, 'net'), /ss-near/);
  });
});
