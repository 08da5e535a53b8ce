/**
 * Every view of the page, and how to get there: for what has to hold in all of them, and for their pictures. A view is an
 * address and, where it needs one, something to do there.
 */
import type { Page } from 'playwright-core';
import type { PageFixture } from './page-fixture.ts';

export interface PageView {
  readonly name: string;
  /** from `#` on */
  readonly hash: string;
  /** nobody is signed in */
  readonly signedOut?: boolean;
  /** appears when the view is there */
  readonly there: string;
  /** gets to what is hidden at first */
  readonly open?: (page: Page) => Promise<void>;
}

const click = (selector: string) => (page: Page) => page.click(selector);

/** Gives the cameras names and groups, as they have in real life. */
export function furnish({ api }: PageFixture): void {
  const plain = { days: null, maxMb: null };
  api.cameraSettings.set('gate', { name: 'Main gate', group: 'Outside', ...plain, days: 30 });
  api.cameraSettings.set('yard', { name: 'Yard', group: 'Outside', ...plain });
  api.cameraSettings.set('stairs', { name: 'Stairs, ground floor', group: 'Inside', ...plain });
}

/** All views, the dialogs among them. */
export function pageViews({ archive }: PageFixture): readonly PageView[] {
  const at = new Date(archive.facts.fromMs + 5_000).toISOString();
  const live = 'video[data-state="live"]';
  return [
    { name: 'sign-in', hash: '#/', signedOut: true, there: '.sign-in' },
    { name: 'grid', hash: '#/', there: live },
    { name: 'arrange', hash: '#/', there: live, open: click('button:has-text("Arrange")') },
    { name: 'camera', hash: '#/camera/gate', there: `.ptz-pad, ${live}` },
    { name: 'recording', hash: `#/camera/gate?at=${at}`, there: '.picture-recording video' },
    { name: 'keyboard', hash: '#/camera/gate', there: live, open: (page) => page.keyboard.press('Shift+?') },
    { name: 'share', hash: '#/camera/gate', there: live, open: click('[aria-label="Share a link"]') },
    {
      name: 'stream',
      hash: '#/camera/gate',
      there: live,
      open: click('[aria-label="Frame rate and bit rate"]'),
    },
    { name: 'playback', hash: `#/play?cameras=gate,yard&at=${at}`, there: 'main' },
    { name: 'playback-choice', hash: '#/play', there: 'main h1' },
    { name: 'network', hash: '#/network?server=south', there: 'main h1' },
    { name: 'settings-cameras', hash: '#/settings/cameras', there: '.table' },
    {
      name: 'camera-settings',
      hash: '#/settings/cameras',
      there: '.table',
      open: click('[aria-label="Change Main gate"]'),
    },
    { name: 'settings-servers', hash: '#/settings/servers', there: '.volumes' },
    { name: 'settings-users', hash: '#/settings/users', there: '.table' },
    { name: 'user', hash: '#/settings/users', there: '.table', open: click('[aria-label^="Change cleo"]') },
    { name: 'settings-tokens', hash: '#/settings/tokens', there: '.table' },
    { name: 'settings-audit', hash: '#/settings/audit', there: '.table' },
    { name: 'settings-account', hash: '#/settings/account', there: '.account' },
  ];
}

/** Goes to a view and waits until it is there and at rest. */
export async function goToView(page: Page, fixture: PageFixture, view: PageView): Promise<void> {
  // an address of its own, so that every view begins anew
  await page.goto('about:blank');
  await page.goto(`${fixture.url}${view.hash}`);
  await page.waitForSelector(view.there, { timeout: 15_000, state: 'attached' });
  await view.open?.(page);
  if (view.open !== undefined && view.name !== 'arrange') await page.waitForSelector('dialog[open] h2');
  await page.waitForFunction(`!document.querySelector('[aria-busy="true"]')`);
}
