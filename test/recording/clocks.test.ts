/**
 * Clocks that are set by an hour either way, and boards that wake in 1970, while cameras are recorded: nothing is lost,
 * nothing is read twice, and each sample is found under the date that the camera gave it. A camera that has a clock, or
 * has learnt the time, is not led astray by one clock that is set wrongly; one without follows its only manager.
 */
import assert from 'node:assert';
import { after, before, test } from 'node:test';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { until } from '../support/network.ts';
import { RecordingField } from '../support/recording-field.ts';
import { ShiftedClocks } from '../support/shifted-clock.ts';

const hourMs = 3_600_000;
/** How far a date may be off that is right. */
const rightMs = 20_000;
/** Some seconds: a new mapping is taken meanwhile, if any. */
const moreSamples = 300;
const steps = [
  ['an hour ahead', hourMs],
  ['an hour back', -hourMs],
  ['right again', 0],
] as const;
/** A minute after 1970 has begun, as on a board without a battery. */
const wakingMs = (): number => 60_000 - Date.now();

describeOnNetwork('two servers and four cameras whose clocks are set', ['gcc'], () => {
  let site: RecordingField;
  let clocks: ShiftedClocks;
  before(async () => {
    site = await open(2, (made) => {
      clocks = made;
    });
  });
  after(() => site?.[Symbol.dispose]());

  for (const [name, offsetMs] of steps) {
    test(`a server's clock is set ${name}, and cameras know better`, async () => {
      clocks.set(site.server(1), offsetMs);
      await site.untilLater(moreSamples);
      await site.untilDurable(`server ${name}`);
      assertDates(site, 0);
    });
  }

  for (const [name, offsetMs] of steps) {
    test(`the clock of cameras is set ${name}, and their managers know better`, async () => {
      clocks.set(site.camerasOf(1), offsetMs);
      await site.untilLater(moreSamples);
      await site.untilDurable(`cameras ${name}`);
      assertDates(site, 0);
    });
  }

  test('cameras that wake in 1970 get the time from their manager', async () => {
    const cams = site.camerasOf(1);
    await cams.stop();
    clocks.set(cams, wakingMs());
    cams.start();
    await site.untilLater(moreSamples);
    await site.untilDurable('cameras in 1970');
    assertDates(site, 0);
  });

  test('a server that wakes in 1970 is told the time later', async () => {
    const server = site.server(1);
    await server.kill();
    clocks.set(server, wakingMs());
    server.start();
    await site.untilWhole('with a server in 1970');
    await site.untilDurable('server in 1970');
    clocks.set(server, 0);
    await site.untilLater(moreSamples);
    await site.untilDurable('server in the present');
    assertDates(site, 0);
  });

  test('the archive has everything once, in order, under the dates that the cameras gave', async () => {
    await assertWhole(site);
  });
});

describeOnNetwork('cameras without a clock whose only manager is set to another time', ['gcc'], () => {
  let site: RecordingField;
  let clocks: ShiftedClocks;
  before(async () => {
    site = await open(1, (made, { cams }) => {
      clocks = made;
      for (const unit of cams) clocks.set(unit, wakingMs());
    });
  });
  after(() => site?.[Symbol.dispose]());

  for (const [name, offsetMs] of steps) {
    test(`follow it when it is set ${name}`, async () => {
      clocks.set(site.server(1), offsetMs);
      await until(`dates are ${name}`, () => datesAre(site, offsetMs), 30_000);
      await site.untilLater(moreSamples);
      await site.untilDurable(name);
    });
  }

  test('the archive has everything once, in order, under the dates that the cameras gave', async () => {
    await assertWhole(site);
  });
});

/** A site whose units have clocks of their own; `ready` is called before any of them runs. */
function open(
  servers: number,
  ready: (clocks: ShiftedClocks, site: RecordingField) => void,
): Promise<RecordingField> {
  const beforeStart = (site: RecordingField): void => {
    const clocks = new ShiftedClocks(site.rig.folder);
    for (const unit of [...site.servers, ...site.cams]) clocks.give(unit);
    ready(clocks, site);
  };
  return RecordingField.open({ servers, cameras: 4, cameraMachines: 2, beforeStart });
}

/** How far the newest dates are from the time, ms; NaN for a camera that knows none. */
function errorsMs(site: RecordingField): number[] {
  return site.histories().map(({ tracks }) => {
    const newest = tracks
      .filter(({ trackId }) => trackId === 1)
      .at(-1)
      ?.samples.at(-1);
    return (newest?.utcUs ?? Number.NaN) / 1000 - Date.now();
  });
}

function datesAre(site: RecordingField, offsetMs: number): boolean {
  return errorsMs(site).every((ms) => Math.abs(ms - offsetMs) < rightMs);
}

function assertDates(site: RecordingField, offsetMs: number): void {
  assert(datesAre(site, offsetMs), `dates are off by ${errorsMs(site).map(Math.round).join(', ')} ms`);
}

async function assertWhole(site: RecordingField): Promise<void> {
  const verdicts = await site.verifyAll();
  assert.equal(
    verdicts.reduce((sum, { explained, tail }) => sum + explained + tail, 0),
    0,
    'nothing is missing',
  );
}
