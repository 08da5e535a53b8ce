/** What can be set, a page each. What only admins may see is offered to nobody else. */
import { AccountPage } from './account-page.tsx';
import { AuditPage } from './audit-page.tsx';
import { CameraSettingsPage } from './camera-settings.tsx';
import { type SettingsPage, type SettingsRoute, settingsHref } from './location-state.ts';
import { ServerSettingsPage } from './server-settings.tsx';
import { may } from './session-state.ts';
import { TokensPage } from './tokens-page.tsx';
import { UsersPage } from './users-page.tsx';

const pages: readonly (readonly [page: SettingsPage, text: string, adminOnly: boolean])[] = [
  ['cameras', 'Cameras', false],
  ['servers', 'Servers', false],
  ['users', 'Users', true],
  ['tokens', 'Tokens', true],
  ['audit', 'Audit log', true],
  ['account', 'Your account', false],
];

export function SettingsView({ route }: { route: SettingsRoute }) {
  const offered = pages.filter(([, , adminOnly]) => !adminOnly || may('admin'));
  const current = offered.find(([page]) => page === route.page);
  return (
    <main class="settings-page" id="content" tabIndex={-1}>
      <nav class="settings-nav" aria-label="Settings">
        {offered.map(([page, text]) => (
          <a key={page} href={settingsHref(page)} aria-current={page === route.page ? 'page' : undefined}>
            {text}
          </a>
        ))}
      </nav>
      <div class="settings-body">
        <h1>{current?.[1] ?? 'Settings'}</h1>
        {current === undefined ? <p>Only an admin of this site may see this.</p> : <Page page={route.page} />}
      </div>
    </main>
  );
}

function Page({ page }: { page: SettingsPage }) {
  switch (page) {
    case 'cameras':
      return <CameraSettingsPage />;
    case 'servers':
      return <ServerSettingsPage />;
    case 'users':
      return <UsersPage />;
    case 'tokens':
      return <TokensPage />;
    case 'audit':
      return <AuditPage />;
    case 'account':
      return <AccountPage />;
  }
}
