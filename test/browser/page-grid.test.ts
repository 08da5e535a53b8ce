/** The grid's groups, layout and keyboard in Debian's Chromium, against a stand-in for the server. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { waitFor } from '../support/chromium.ts';
import { assertFits, live, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import { PageFixtureApi } from '../support/page-fixture-api.ts';

let fixture: PageFixture;

before(async () => {
  fixture = await openPageFixture();
});

beforeEach(() => {
  fixture.api = new PageFixtureApi();
  const plain = { days: null, maxMb: null };
  fixture.api.cameraSettings.set('gate', { name: 'Main gate', group: 'Outside', ...plain });
  fixture.api.cameraSettings.set('yard', { name: 'Yard', group: 'Outside', ...plain });
  fixture.api.cameraSettings.set('stairs', { name: 'Stairs', group: 'Inside', ...plain });
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

function names(page: Page): Promise<string[]> {
  return page.locator('.tile-name').allInnerTexts();
}

function inOrder(page: Page, expected: readonly string[]): Promise<string[]> {
  return waitFor(
    expected.join(', '),
    () => names(page),
    (shown) => shown.join() === expected.join(),
  );
}

describe('the grid', { timeout: 180_000 }, () => {
  it('shows cameras by their names, and a group alone, with a socket for those only', () =>
    withPage(fixture, '#/', {}, async ({ page }) => {
      await inOrder(page, ['Main gate', 'Stairs', 'Yard']);
      await live(page, 'stairs');
      await page.click('.groups >> text=Outside');
      await inOrder(page, ['Main gate', 'Yard']);
      assert.equal(new URL(page.url()).hash, '#/?group=Outside');
      await waitFor(
        'nobody watches the stairs',
        async () => fixture.viewers('stairs'),
        (count) => count === 0,
      );
      await page.reload();
      await inOrder(page, ['Main gate', 'Yard']);
      assert.equal(await page.getAttribute('.groups >> text=Outside', 'aria-current'), 'page');
    }));

  it('keeps columns, order and hidden cameras on this device, by keyboard', () =>
    withPage(fixture, '#/', {}, async ({ page }) => {
      await inOrder(page, ['Main gate', 'Stairs', 'Yard']);
      await page.selectOption('.columns-choice select', '2');
      assert.equal(new URL(page.url()).hash, '#/?layout=2');
      await page.keyboard.press('Escape');
      await page.focus('button:has-text("Arrange")');
      await page.keyboard.press('Enter');
      await page.focus('.grip >> nth=0');
      await page.keyboard.press('ArrowRight');
      await inOrder(page, ['Stairs', 'Main gate', 'Yard']);
      await page.waitForSelector('[role="status"]:has-text("Main gate: place 2 of 3")', {
        state: 'attached',
      });
      await page.keyboard.press('End');
      await inOrder(page, ['Stairs', 'Yard', 'Main gate']);
      await waitFor(
        'the grip that moved keeps the focus',
        () => page.evaluate<string>(`document.activeElement.ariaLabel`),
        (label) => label.startsWith('Move Main gate, place 3 of 3'),
      );
      await page.click('[aria-label="Hide Yard on this device"]');
      await inOrder(page, ['Stairs', 'Main gate']);
      await page.goto(fixture.url);
      await page.reload();
      await inOrder(page, ['Stairs', 'Main gate']);
      assert.equal(await page.inputValue('.columns-choice select'), '2', 'without it in the address');
      await page.click('button:has-text("Arrange")');
      await page.click('text="Show Yard"');
      await inOrder(page, ['Stairs', 'Yard', 'Main gate']);
    }));

  it('takes a hidden camera back with one click', () =>
    withPage(fixture, '#/', {}, async ({ page }) => {
      await page.click('button:has-text("Arrange")');
      await page.click('[aria-label="Hide Stairs on this device"]');
      await inOrder(page, ['Main gate', 'Yard']);
      await page.click('.toast >> text="Undo"');
      await inOrder(page, ['Main gate', 'Stairs', 'Yard']);
    }));

  for (const touch of [false, true]) {
    it(`moves a camera that is dragged, ${touch ? 'with a finger' : 'with a mouse'}`, () =>
      withPage(fixture, '#/?layout=3', { touch }, async ({ page }) => {
        await live(page, 'gate');
        await page.click('button:has-text("Arrange")');
        const [from, to] = await Promise.all([
          page.locator('.grip >> nth=0').boundingBox(),
          page.locator('.tile >> nth=2').boundingBox(),
        ]);
        assert.ok(from !== null && to !== null, 'nothing to drag');
        const [x, y] = [from.x + from.width / 2, from.y + from.height / 2];
        await page.mouse.move(x, y);
        await page.mouse.down();
        await page.mouse.move(x + 40, y - 20);
        await page.mouse.move(to.x + to.width / 2, to.y + 60, { steps: 8 });
        await page.mouse.up();
        await inOrder(page, ['Stairs', 'Yard', 'Main gate']);
        await live(page, 'gate');
      }));
  }

  it('fills the screen with pictures alone', () =>
    withPage(fixture, '#/', {}, async ({ page }) => {
      await live(page, 'gate');
      await page.keyboard.press('f');
      await page.waitForSelector('.grid-page:fullscreen');
      await waitFor(
        'two rows of two',
        () => page.locator('.tile >> nth=0').boundingBox(),
        (box) => box !== null && box.width > 600 && box.height > 380,
      );
      assert.equal(await page.isVisible('.grid-bar'), false);
      await page.keyboard.press('f');
      await page.waitForSelector('.grid-bar');
    }));

  it('sends nothing for pictures that are far off the screen', () =>
    withPage(fixture, '#/?layout=1', { width: 700, height: 300 }, async ({ page }) => {
      await live(page, 'gate');
      await waitFor(
        'nobody watches the yard',
        async () => fixture.viewers('yard'),
        (count) => count === 0,
      );
      await page.locator('.tile >> nth=2').scrollIntoViewIfNeeded();
      await live(page, 'yard');
    }));

  it('can be used with the keyboard alone', () =>
    withPage(fixture, '#/', {}, async ({ page }) => {
      await live(page, 'gate');
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate('document.activeElement.innerText'), 'Skip to the content');
      await page.keyboard.press('Enter');
      assert.equal(await page.evaluate('document.activeElement.id'), 'content');
      await page.keyboard.press('Shift+?');
      await page.waitForSelector('dialog h2:text("Keyboard")');
      assert.match(await page.innerText('dialog'), /Open the first, second … camera/);
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog', { state: 'detached' });
      await page.keyboard.press('2');
      await page.waitForSelector('h1:text-is("Stairs")');
      assert.equal(await page.title(), 'Stairs · harbour · Starling');
      await page.keyboard.press(']');
      await page.waitForSelector('h1:text-is("Yard")');
      await page.keyboard.press('Escape');
      await page.waitForSelector('.grid');
    }));

  it('keeps what a hostile or old device memory holds from doing harm', () =>
    withPage(
      fixture,
      '#/',
      {},
      async ({ page }) => {
        await inOrder(page, ['Main gate', 'Stairs', 'Yard']);
      },
      `localStorage.setItem('starling.grid', '{"columns":"x","order":{"length":9},"hidden":[1,null,{}]}');
       localStorage.setItem('starling.theme', '[');`,
    ));

  it('fits a phone, with its ways at the foot', () =>
    withPage(fixture, '#/', { width: 360, height: 740, touch: true }, async ({ page }) => {
      await live(page, 'gate');
      await assertFits(page);
      for (const way of ['Network', 'Settings', 'Cameras']) {
        await page.click(`.ways-bottom >> text=${way}`);
        await page.waitForSelector(`.ways-bottom a[aria-current]:has-text("${way}")`);
        await assertFits(page);
      }
    }));
});
