/**
 * The page's view of the network, in Debian's Chromium against a stand-in for the server: the picture and its table,
 * the tables of any server, the story of a repair.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { waitFor } from '../support/chromium.ts';
import { artefacts, assertFits, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';

let fixture: PageFixture;

before(async () => {
  await mkdir(artefacts, { recursive: true });
  fixture = await openPageFixture();
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('the page’s view of the network', { timeout: 120_000 }, () => {
  it('shows servers, links with their cost, cameras on their managers and volumes, as a picture and as a table', () =>
    withPage(fixture, '#/network', {}, async ({ page }) => {
      await page.waitForSelector('.network-link');
      assert.match(
        (await page.getAttribute('.network-map', 'aria-label')) ?? '',
        /^3 servers, 2 of them reachable, 1 links?, 3 cameras/,
      );
      assert.equal(await page.locator('.network-server').count(), 3);
      assert.equal(await page.locator('.network-camera').count(), 3);
      assert.match(
        await page.innerText('tr[data-server="north"]'),
        /connected[^]*south \(1\.4 ms\)[^]*gate, yard[^]*free/,
      );
      assert.match(await page.innerText('tr[data-server="west"]'), /not reachable/);
      const place = () => page.getAttribute('.network-server >> nth=0 >> rect', 'x');
      const before = await place();
      await page.waitForResponse(/\/api\/tables/);
      await page.waitForResponse(/\/api\/tables/);
      assert.equal(await place(), before, 'nothing moves between polls');
      await page.screenshot({ path: `${artefacts}network-dark.png`, fullPage: true });
    }));

  it('tells a repair as a story', () =>
    withPage(fixture, '#/network', {}, async ({ page }) => {
      const story = page.locator('.story-death');
      await story.waitFor();
      assert.match(await story.innerText(), /west vanished; its cameras had another server after 0\.75 s/);
      assert.match(
        await story.innerText(),
        /north suspects it[^]*confirmed by south[^]*tells its cameras to find another server/,
      );
      const stories = await page.locator('.story').count();
      fixture.times.logs
        .get('south')
        ?.push('290 hands unit-stairs over to north', '290.2 nothing to see here');
      await waitFor(
        'the next story',
        () => page.locator('.story').count(),
        (count) => count === stories + 1,
      );
    }));

  it('shows the three tables of any server, by the list or by a click on the picture', () =>
    withPage(fixture, '#/network?server=south', { colorScheme: 'light' }, async ({ page }) => {
      await page.waitForSelector('.network-tables caption:has-text("3 · History")');
      assert.match(await page.innerText('.network-tables'), /south \(itself\)/);
      assert.match(await page.innerText('.network-tables'), /north: .*now\nwest: /);
      await page.click('.network-server >> nth=0');
      await page.waitForSelector('.network-tables :text("north (itself)")');
      assert.equal(new URL(page.url()).hash, '#/network?server=north');
      await page.selectOption('.network-choice select', 'west');
      await page.waitForSelector('text=west has not answered yet');
      await page.screenshot({ path: `${artefacts}network-light.png`, fullPage: true });
    }));

  it('follows a server’s death and its return', () => {
    const south = fixture.servers.find(({ id }) => id === 'south');
    assert.ok(south !== undefined, 'the fixture has a server south');
    return withPage(fixture, '#/network?server=south', {}, async ({ page }) => {
      await page.waitForSelector('.network-link');
      south.state = 'unreachable';
      await page.waitForSelector('tr[data-server="south"][data-state="unreachable"]');
      await page.waitForSelector('.network-link', { state: 'detached' });
      await page.waitForSelector('.notice:has-text("south does not answer: this is what it said at")', {
        timeout: 20_000,
      });
      south.state = 'reachable';
      await page.waitForSelector('.network-link');
    }).finally(() => {
      south.state = 'reachable';
    });
  });

  it('says what to do when its part of the page cannot be fetched, and is there after that', () =>
    withPage(fixture, '#/', { refusals: true }, async ({ page }) => {
      await page.route(/network-view/, (route) => route.abort('connectionrefused'));
      await page.click('a[href="#/network"]');
      await page.waitForSelector('h1:text-is("This part of the page could not be fetched")');
      await page.unroute(/network-view/);
      await page.click('button:has-text("Load the page anew")');
      await page.waitForSelector('.network-link');
    }));

  it('fits a phone', () =>
    withPage(
      fixture,
      '#/network',
      { width: 360, height: 740, touch: true, colorScheme: 'light' },
      async ({ page }) => {
        await page.waitForSelector('.network-link');
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-network-light.png`, fullPage: true });
      },
    ));
});
