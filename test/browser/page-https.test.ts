/**
 * The page over HTTPS on a real server, in a browser that has imported the site's authority, and in one that has not.
 * Nothing is told to overlook certificates.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { openChromium } from '../support/chromium.ts';
import { live } from '../support/page-checks.ts';
import { type SecureSite, startSecureSite } from '../support/secure-site.ts';

let site: SecureSite;

before(async () => {
  site = await startSecureSite();
});

after(async () => {
  await site?.[Symbol.asyncDispose]();
});

/** Opens the page as soon as the server is there; rejects with the browser's own words when it refuses. */
async function open(page: Page): Promise<void> {
  for (const untilMs = Date.now() + 30_000; ; ) {
    try {
      await page.goto(`${site.url}/#/camera/cam-1`);
      return;
    } catch (problem) {
      // The page that says so may still be on its way when it is tried again.
      const starting = /ERR_CONNECTION_REFUSED|interrupted by another navigation/.test(String(problem));
      if (!starting || Date.now() > untilMs) throw problem;
    }
  }
}

describe('the page over HTTPS', { timeout: 120_000 }, () => {
  it('is there for a browser that trusts the site, with pictures and a session that lasts', async () => {
    await using browser = await openChromium({ authority: site.authority });
    const { page } = browser;
    await open(page);
    await page.fill('[name="username"]', 'admin');
    await page.fill('[name="password"]', site.password);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.camera-page');
    await live(page, 'cam-1');
    assert.equal(await page.evaluate('isSecureContext'), true);
    await page.reload();
    await live(page, 'cam-1');
    const [cookie, ...others] = await page.context().cookies();
    assert.ok(cookie !== undefined && others.length === 0, 'one cookie');
    assert.match(cookie.name, /^__Host-starling/);
    assert.deepEqual([cookie.secure, cookie.httpOnly, cookie.sameSite], [true, true, 'Strict']);
    // It is nobody yet; and the camera may not have joined yet, or not be live yet.
    const meant =
      /status of 401|status of 404.*\/api\/cameras\/cam-1\/|cam-1\/live' failed.*response code: (404|503)/;
    assert.deepEqual(
      browser.errors.filter((error) => !meant.test(error)),
      [],
    );
  });

  it('is refused by a browser that does not know the site', async () => {
    await using browser = await openChromium();
    await assert.rejects(open(browser.page), /ERR_CERT_AUTHORITY_INVALID/);
  });
});
