/**
 * How often the page asks for a live picture that it has lost, in Debian's Chromium against a stand-in for the server:
 * a camera whose manager died is with another server within two seconds, and is to be seen then.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { waitFor } from '../support/chromium.ts';
import { live, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';

/** Notes when sockets are opened. */
const noteSockets = `(() => {
  window.openedAt = [];
  window.WebSocket = class extends WebSocket {
    constructor(...plan) {
      super(...plan);
      window.openedAt.push(performance.now());
    }
  };
})()`;

let fixture: PageFixture;

before(async () => {
  fixture = await openPageFixture();
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('a live picture that was lost', { timeout: 120_000 }, () => {
  it('is asked for twice a second for five seconds, then ever less often', () =>
    withPage(
      fixture,
      '#/camera/gate',
      { refusals: true },
      async ({ page }) => {
        await live(page, 'gate');
        const lostAt = await page.evaluate<number>('performance.now()');
        await fixture.goDown();
        const times = await waitFor(
          'a second between two attempts',
          async () => [
            lostAt,
            ...(await page.evaluate<number[]>('window.openedAt')).filter((at) => at > lostAt),
          ],
          (all) => (all.at(-1) ?? 0) - (all.at(-2) ?? 0) > 1_000 && (all.at(-1) ?? 0) > lostAt + 5_000,
          30_000,
        );
        const early = times.filter((at) => at <= lostAt + 5_000);
        const waits = early.slice(1).map((at, place) => at - (early[place] ?? 0));
        const text = waits.map((ms) => ms.toFixed(0)).join(', ');
        console.log(`attempts after ${text} ms`);
        assert.ok(waits.length >= 8, `${waits.length} attempts in five seconds`);
        assert.ok(
          waits.every((ms) => ms < 1_000),
          text,
        );
        await fixture.comeUp();
        await live(page, 'gate');
      },
      noteSockets,
    ));
});
