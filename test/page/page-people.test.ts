/**
 * Signing in, rights, and the settings of people in Debian's Chromium, against a stand-in for the server that keeps what
 * it is told.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { waitFor } from '../support/chromium.ts';
import { artefacts, live, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import { PageFixtureApi } from '../support/page-fixture-api.ts';

let fixture: PageFixture;

before(async () => {
  fixture = await openPageFixture();
});

beforeEach(() => {
  fixture.api = new PageFixtureApi();
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function signIn(page: Page, user: string, password: string): Promise<void> {
  await page.fill('[name="username"]', user);
  await page.fill('[name="password"]', password);
  await page.keyboard.press('Enter');
}

/** What the page asked the server to change, when there is as much of it as expected. */
function changes(count: number): Promise<readonly string[]> {
  return waitFor(
    `${count} changes`,
    async () => fixture.api.changes,
    (asked) => asked.length >= count,
  );
}

describe('signing in', { timeout: 120_000 }, () => {
  it('leads to the address that was asked for, and says so when the password is wrong', () => {
    fixture.api.session = null;
    return withPage(fixture, '#/camera/gate', { refusals: true }, async ({ page }) => {
      await page.waitForSelector('.sign-in');
      assert.equal(await page.locator('video').count(), 0, 'nothing is shown before');
      assert.equal(await page.getAttribute('[name="username"]', 'autocomplete'), 'username');
      assert.equal(await page.getAttribute('[name="password"]', 'autocomplete'), 'current-password');
      await signIn(page, 'anna', 'wrong');
      await page.waitForSelector('.form-problem:text("Unknown name, or wrong password.")');
      await signIn(page, 'anna', 'right');
      await live(page, 'gate');
      assert.equal(new URL(page.url()).hash, '#/camera/gate');
      assert.equal(fixture.connections > 0, true);
    });
  });

  it('says when one may try again after too many tries', () => {
    fixture.api.session = null;
    fixture.api.retryAfter = 2;
    return withPage(fixture, '', { refusals: true }, async ({ page }) => {
      await page.waitForSelector('.sign-in');
      await signIn(page, 'anna', 'wrong');
      await page.waitForSelector('text=/You can try again at \\d\\d:\\d\\d:\\d\\d/');
      assert.equal(await page.isDisabled('button[type="submit"]'), true);
      fixture.api.retryAfter = 0;
      await page.waitForSelector('button[type="submit"]:enabled', { timeout: 5_000 });
      await signIn(page, 'anna', 'right');
      await live(page, 'gate');
    });
  });

  it('asks again when a session has ended, over what was being typed, which is kept', () =>
    withPage(fixture, '#/settings/users', { refusals: true }, async ({ page }) => {
      await page.click('text="Add a user"');
      await page.fill('[name="user"]', 'dora');
      fixture.api.session = null;
      await page.waitForSelector('h2:text("Please sign in again")', { timeout: 6_000 });
      await page.keyboard.press('Escape');
      assert.equal(await page.isVisible('h2:text("Please sign in again")'), true, 'it cannot be waved away');
      assert.equal(await page.inputValue('[name="username"]'), 'anna');
      await page.fill('dialog.sign-in-again [name="password"]', 'right');
      await page.keyboard.press('Enter');
      await page.waitForSelector('dialog.sign-in-again', { state: 'detached' });
      assert.equal(await page.inputValue('[name="user"]'), 'dora');
    }));

  it('signs out and forgets what was shown', () =>
    withPage(fixture, '#/settings/account', { refusals: true }, async ({ page }) => {
      await page.click('text="Sign out"');
      await page.waitForSelector('.sign-in');
      assert.deepEqual(fixture.api.changes, ['DELETE /api/session']);
      assert.equal(await page.locator('.page-header').count(), 0);
    }));
});

describe('servers', { timeout: 120_000 }, () => {
  it('show what is wrong with their machines, and what to do', () =>
    withPage(fixture, '#/settings/servers', {}, async ({ page }) => {
      await page.waitForSelector('text="Disk sda: 8 sectors cannot be read."');
      await page.waitForSelector('text="Replace the disk soon."');
      await page.waitForSelector('text="Disk sda: WDC WD40EFRX-68N32N0, 4.0 TB, 34 °C, wants attention"');
      await page.waitForSelector('text="Disk sda: WDC WD40EFRX-68N32N0, 4.0 TB, 34 °C, well"');
      await page.screenshot({ path: `${artefacts}servers.png`, fullPage: true });
    }));
});

describe('rights', { timeout: 120_000 }, () => {
  it('offers a viewer neither steering, nor streams, nor settings of others', () => {
    fixture.api.session = {
      user: 'cleo',
      role: 'viewer',
      cameras: ['gate', 'yard'],
      via: 'session',
      expiresAt: null,
    };
    return withPage(fixture, '#/', {}, async ({ page }) => {
      await live(page, 'gate');
      assert.equal(await page.locator('.tile').count(), 2, 'only cameras of the list');
      await page.click('.tile >> nth=0');
      await live(page, 'gate');
      assert.equal(await page.locator('.ptz').count(), 0);
      assert.equal(await page.locator('[aria-label="Frame rate and bit rate"]').count(), 0);
      await page.click('.ways-top >> text=Settings');
      await page.waitForSelector('.settings-nav');
      const offered = await page.locator('.settings-nav a').allInnerTexts();
      assert.deepEqual(offered, ['Cameras', 'Servers', 'Your account']);
      assert.equal(await page.locator('.row-actions button').count(), 0);
      await page.goto(`${fixture.url}#/settings/users`);
      await page.waitForSelector('text="Only an admin of this site may see this."');
      assert.deepEqual(fixture.api.changes, []);
    });
  });

  it('offers an operator steering and streams, and no settings of people', () => {
    fixture.api.session = { user: 'ben', role: 'operator', cameras: 'all', via: 'session', expiresAt: null };
    return withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await page.waitForSelector('.ptz');
      await page.waitForSelector('[aria-label="Frame rate and bit rate"]');
      await page.goto(`${fixture.url}#/settings/cameras`);
      await page.waitForSelector('[aria-label="Stream of gate"]');
      assert.equal(await page.locator('[aria-label="Change gate"]').count(), 0);
    });
  });

  it('says so when somebody has no camera', () => {
    fixture.api.session = { user: 'cleo', role: 'viewer', cameras: [], via: 'session', expiresAt: null };
    return withPage(fixture, '#/', {}, async ({ page }) => {
      await page.waitForSelector('text=/No camera has been given to you yet/');
    });
  });

  it('shows names that are HTML as they are', () => {
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    const { api } = fixture;
    api.cameraSettings.set('gate', { name: evil, group: evil, days: null, maxMb: null });
    api.users = [{ user: evil, role: 'viewer', cameras: 'all', createdAt: new Date(0).toISOString() }];
    api.tokens = [{ ...(api.tokens[0] ?? assert.fail('no token')), name: evil, createdBy: evil }];
    api.audit = [{ ...(api.audit[0] ?? assert.fail('no entry')), user: evil, action: evil, detail: evil }];
    api.ptz = { ...api.ptz, presets: [{ name: evil, pan: 0, tilt: 0, zoom: 1 }] };
    return withPage(fixture, '#/', {}, async ({ page }) => {
      await live(page, 'gate');
      for (const view of ['/', '/camera/gate', '/settings/users', '/settings/tokens', '/settings/audit']) {
        await page.goto(`${fixture.url}#${view}`);
        await page.getByRole('main').getByText(evil).filter({ visible: true }).first().waitFor();
      }
      assert.equal(await page.locator('img, main script').count(), 0);
      assert.doesNotMatch(await page.title(), /^[12]$/);
    });
  });
});

describe('the settings of people', { timeout: 120_000 }, () => {
  it('add a user, with errors beside their fields, and nothing lost by closing too early', () =>
    withPage(fixture, '#/settings/users', { refusals: true }, async ({ page }) => {
      await page.click('text="Add a user"');
      await page.click('dialog >> text="Add"');
      await page.waitForSelector('.field-error:text("Give a name.")');
      assert.equal(await page.evaluate('document.activeElement.name'), 'user');
      await page.fill('[name="user"]', 'dora');
      await page.fill('[name="password"]', 'short');
      await page.click('dialog >> text="Add"');
      await page.waitForSelector('.field-error:text("A password has at least 8 characters.")');
      assert.equal(await page.getAttribute('[name="password"]', 'aria-invalid'), 'true');
      await page.keyboard.press('Escape');
      await page.waitForSelector('text="There are changes that are not saved."');
      assert.equal(await page.inputValue('[name="user"]'), 'dora');
      await page.fill('[name="password"]', 'long enough');
      await page.selectOption('[name="role"]', 'operator');
      await page.check('text="Only these"');
      await page.check('dialog >> text="stairs"');
      await page.click('dialog >> text="Add"');
      await page.waitForSelector('th:text("dora")');
      assert.equal(
        (await changes(2)).at(-1),
        'PUT /api/users/dora {"role":"operator","cameras":["stairs"],"password":"long enough"}',
      );
    }));

  it('add nobody by a name that somebody has already', () =>
    withPage(fixture, '#/settings/users', { refusals: true }, async ({ page }) => {
      await page.click('text="Add a user"');
      await page.fill('[name="user"]', 'ben');
      await page.fill('[name="password"]', 'long enough');
      await page.click('dialog >> text="Add"');
      await page.waitForSelector('.field-error:has-text("There is a user ben already.")');
      assert.equal(fixture.api.users.find(({ user }) => user === 'ben')?.role, 'operator');
    }));

  it('change a user as they are when the dialog opens, not as they were when the page did', () =>
    withPage(fixture, '#/settings/users', {}, async ({ page }) => {
      await page.waitForSelector('tr:has-text("ben") >> text="operator"');
      const others = fixture.api.users.filter(({ user }) => user !== 'ben');
      const since = new Date(0).toISOString();
      const ben = { user: 'ben', role: 'viewer' as const, cameras: ['gate'], createdAt: since };
      fixture.api.users = [...others, ben];
      await page.click('[aria-label="Change ben"]');
      await page.fill('[name="password"]', 'long enough');
      await page.click('dialog >> text="Save"');
      assert.equal(
        (await changes(1)).at(-1),
        'PUT /api/users/ben {"role":"viewer","cameras":["gate"],"password":"long enough"}',
      );
    }));

  it('make nobody again who was deleted while the dialog was open', () =>
    withPage(fixture, '#/settings/users', { refusals: true }, async ({ page }) => {
      await page.click('[aria-label="Change ben"]');
      await page.fill('[name="password"]', 'long enough');
      fixture.api.users = fixture.api.users.filter(({ user }) => user !== 'ben');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('dialog:has-text("There is no user ben any longer.")');
      assert.ok(!fixture.api.users.some(({ user }) => user === 'ben'));
    }));

  it('change rights and delete a user, but not the last admin', () =>
    withPage(fixture, '#/settings/users', { refusals: true }, async ({ page }) => {
      await page.click('[aria-label="Change ben"]');
      await page.selectOption('[name="role"]', 'viewer');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('tr:has-text("ben") >> text="viewer"');
      await page.click('[aria-label="Delete ben"]');
      await page.click('dialog >> text="Delete"');
      await page.waitForSelector('th:text("ben")', { state: 'detached' });
      await page.click('[aria-label="Delete anna"]');
      await page.click('dialog >> text="Delete"');
      await page.waitForSelector('.toast:has-text("This is the last admin.")');
      assert.equal(await page.isVisible('th:text("anna")'), true);
    }));

  it('make a token that is shown once, and revoke it', () =>
    withPage(fixture, '#/settings/tokens', {}, async ({ page }) => {
      await page.click('text="Make a token"');
      await page.fill('[name="name"]', 'Grafana');
      await page.click('dialog >> text="Make"');
      await page.waitForSelector('text="Copy it now:"');
      const token = await page.inputValue('dialog input');
      assert.match(token, /^stl_/);
      await page.click('text="I have copied it"');
      await page.waitForSelector('th:text("Grafana")');
      assert.doesNotMatch(await page.content(), new RegExp(token));
      await page.click('[aria-label="Revoke Grafana"]');
      await page.click('dialog >> text="Revoke"');
      await page.waitForSelector('th:text("Grafana")', { state: 'detached' });
    }));

  it('show the audit log by pages, filtered, and what is missing', () =>
    withPage(fixture, '#/settings/audit', {}, async ({ page }) => {
      const rows = page.locator('tbody tr');
      await waitFor(
        'the first page',
        () => rows.count(),
        (count) => count === 50,
      );
      await page.waitForSelector('text="No answer from west: what was done there is missing here."');
      await page.click('text="Show older ones"');
      await waitFor(
        'all of it',
        () => rows.count(),
        (count) => count === 70,
      );
      await page.waitForSelector('text="This is all."');
      await page.fill('[name="user"]', 'ben');
      await page.click('text="Filter"');
      await page.selectOption('.filters select', 'yard');
      await waitFor(
        'only what ben did with yard',
        () => rows.allInnerTexts(),
        (texts) => texts.length > 0 && texts.every((text) => text.includes('ben') && text.includes('yard')),
      );
    }));

  it('change one’s own password', () =>
    withPage(fixture, '#/settings/account', { refusals: true }, async ({ page }) => {
      const fill = async (old: string, fresh: string, again: string) => {
        await page.fill('[name="old"]', old);
        await page.fill('[name="new"]', fresh);
        await page.fill('[name="again"]', again);
        await page.click('text="Change the password"');
      };
      await fill('wrong', 'long enough', 'long  enough');
      await page.waitForSelector('.field-error:text("This is not the same.")');
      await fill('wrong', 'long enough', 'long enough');
      await page.waitForSelector('.field-error:has-text("The old password is wrong.")');
      await fill('right', 'long enough', 'long enough');
      await page.waitForSelector('.toast:has-text("Your password is changed.")');
      assert.equal(await page.inputValue('[name="new"]'), '');
    }));

  it('change a camera’s name and retention, and take it back', () =>
    withPage(fixture, '#/settings/cameras', { refusals: true }, async ({ page }) => {
      await page.click('[aria-label="Change gate"]');
      await page.fill('[name="name"]', 'Main gate');
      await page.fill('[name="group"]', 'Outside');
      await page.fill('[name="days"]', '40000');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('.field-error:text("Expected 1..36500.")');
      await page.fill('[name="days"]', '30');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('th:has-text("Main gate")');
      assert.equal(
        (await changes(2)).at(-1),
        'PATCH /api/cameras/gate/settings {"name":"Main gate","group":"Outside","days":30}',
      );
      await page.click('.toast >> text="Undo"');
      await page.waitForSelector('th a:text-is("gate")');
      assert.equal(
        (await changes(3)).at(-1),
        'PATCH /api/cameras/gate/settings {"name":"","group":"","days":null}',
      );
    }));

  it('show how full the volumes are and which one has failed, and name a server', () =>
    withPage(fixture, '#/settings/servers', {}, async ({ page }) => {
      await page.waitForSelector('.card:has-text("south") >> text="The disk answers with errors."');
      await page.waitForSelector('.card:has-text("north") >> text="2.5 TB recorded, 1.3 TB of 4.0 TB free"');
      await page.click('[aria-label="Change north"]');
      await page.fill('[name="days"]', '14');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('text="Keeps recordings for 14 days."');
    }));

  it('leave alone what somebody else has changed meanwhile', () => {
    const { serverSettings } = fixture.api;
    serverSettings.set('north', { name: '', days: 30 });
    return withPage(fixture, '#/settings/servers', {}, async ({ page }) => {
      await page.waitForSelector('text="Keeps recordings for 30 days."');
      serverSettings.set('north', { name: '', days: 90 });
      await page.click('[aria-label="Change north"]');
      assert.equal(await page.inputValue('[name="days"]'), '90');
      serverSettings.set('north', { name: '', days: 120 });
      await page.fill('[name="name"]', 'Harbour');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('text="Keeps recordings for 120 days."');
      await page.click('.toast >> text="Undo"');
      assert.deepEqual(await changes(2), [
        'PATCH /api/servers/north/settings {"name":"Harbour"}',
        'PATCH /api/servers/north/settings {"name":""}',
      ]);
      assert.deepEqual(serverSettings.get('north'), { name: '', days: 120 });
    });
  });

  it('ask a camera only for what is to be different in its stream, and for nothing when that is nothing', () =>
    withPage(fixture, '#/settings/cameras', {}, async ({ page }) => {
      await page.click('[aria-label="Stream of gate"]');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('dialog', { state: 'detached' });
      await page.click('[aria-label="Stream of gate"]');
      await page.fill('[name="frameRate"]', '10');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('.toast:has-text("10 frames/s")');
      assert.deepEqual(await changes(1), ['PATCH /api/cameras/gate/stream {"frameRate":10}']);
    }));
});
