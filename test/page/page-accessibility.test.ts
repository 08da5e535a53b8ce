/**
 * axe-core finds no serious or critical fault in any view of the page, dark or light, wide or on a phone, and no view
 * logs an error or is wider than its screen. The engine is given to the page as text, which its policy cannot forbid.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { type ChromiumOptions, openChromium } from '../support/chromium.ts';
import { assertFits } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import { PageFixtureApi } from '../support/page-fixture-api.ts';
import { furnish, goToView, pageViews } from '../support/page-views.ts';

/** Each colour and each size once; all four of them with STARLING_ALL_LOOKS=1. */
const looks: readonly (readonly [name: string, options: ChromiumOptions])[] = [
  ['dark', {}],
  ['on a phone, light', { width: 360, height: 740, touch: true, colorScheme: 'light' }],
  ...(process.env['STARLING_ALL_LOOKS'] === undefined
    ? []
    : ([
        ['light', { colorScheme: 'light' }],
        ['on a phone, dark', { width: 360, height: 740, touch: true }],
      ] as const)),
];

let fixture: PageFixture;
let axe: string;

before(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  fixture = await openPageFixture();
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

interface Fault {
  readonly id: string;
  readonly impact: string;
  readonly nodes: { readonly html: string; readonly failureSummary: string }[];
}

/** Faults that keep somebody from using the page, each with its element. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate<Fault[]>(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)`,
  );
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}

describe('everybody can use the page', { timeout: 400_000 }, () => {
  for (const [look, options] of looks) {
    it(`in every view, ${look}`, async (context) => {
      await using browser = await openChromium(options);
      for (const view of pageViews(fixture)) {
        await context.test(view.name, async () => {
          fixture.api = new PageFixtureApi();
          furnish(fixture);
          if (view.signedOut === true) fixture.api.session = null;
          await goToView(browser.page, fixture, view);
          assert.deepEqual(await faults(browser.page), []);
          await assertFits(browser.page);
          const errors = browser.errors.splice(0);
          assert.deepEqual(
            errors.filter((error) => !(view.signedOut === true && error.includes('401'))),
            [],
          );
        });
      }
    });
  }

  it('and axe-core would see a fault', async () => {
    fixture.api = new PageFixtureApi();
    await using browser = await openChromium();
    await browser.page.goto(`${fixture.url}#/settings/users`);
    await browser.page.waitForSelector('.table');
    await browser.page.evaluate(`document.querySelector('.row-actions button').removeAttribute('aria-label');
      document.querySelector('.row-actions button').removeAttribute('title')`);
    assert.match((await faults(browser.page)).join(), /button-name/);
  });
});
