/** The page's entry: follows the address and the site, and shows the view that the address names on `#app`. */
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { CameraGrid } from './camera-grid.tsx';
import { CameraView } from './camera-view.tsx';
import { KeyboardHelp, openKeyboardHelp } from './keyboard-help.tsx';
import { laterView } from './later-view.tsx';
import { followLocation, goTo, gridHref, type Route, route } from './location-state.ts';
import { BottomBar, PageHeader } from './page-header.tsx';
import { Toasts } from './parts-toast.tsx';
import { session, sessionLost } from './session-state.ts';
import { followShortcuts, useShortcuts } from './shortcuts.ts';
import { SignInDialog, SignInPage } from './sign-in.tsx';
import { cameraName, failure, followSite, site } from './site-state.ts';
import { followTheme } from './theme.ts';

const PlayView = laterView(() => import('./play-view.tsx').then((file) => file.PlayView));
const NetworkView = laterView(() => import('./network-view.tsx').then((file) => file.NetworkView));
const SettingsView = laterView(() => import('./settings-view.tsx').then((file) => file.SettingsView));

function Page() {
  const known = session.value;
  if (known === null) return <SignInPage />;
  // the first answer takes a moment: nothing is better than something that goes at once
  if (known === undefined && failure.value === undefined) return null;
  return (
    <>
      <Shell />
      {sessionLost.value && <SignInDialog />}
    </>
  );
}

function Shell() {
  const shown = route.value;
  const title = titleOf(shown);
  const name = site.value?.site ?? 'Starling';
  useEffect(() => {
    document.title = [title, name, 'Starling'].filter((part) => part !== '').join(' · ');
  }, [title, name]);
  useFocusOnNewView(shown);
  useShortcuts('Everywhere', [
    { keys: ['?'], what: 'Show this list', run: openKeyboardHelp },
    { keys: ['g'], what: 'Go to the grid of cameras', run: () => goTo(gridHref()) },
  ]);
  return (
    <>
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>('#content')?.focus();
        }}
      >
        Skip to the content
      </a>
      <PageHeader />
      <View shown={shown} />
      <BottomBar />
      <Toasts />
      <KeyboardHelp />
    </>
  );
}

function View({ shown }: { shown: Route }) {
  switch (shown.view) {
    case 'grid':
      return <CameraGrid route={shown} />;
    case 'camera':
      return <CameraView key={shown.camera} route={shown} />;
    case 'play':
      return <PlayView route={shown} />;
    case 'network':
      return <NetworkView route={shown} />;
    case 'settings':
      return <SettingsView route={shown} />;
  }
}

/** A screen reader goes on at the top of a new view instead of where a link has gone. */
function useFocusOnNewView(shown: Route): void {
  const place = shown.view === 'camera' ? shown.camera : shown.view === 'settings' ? shown.page : shown.view;
  const before = useRef(place);
  const leftAt = useRef(new Map<string, number>());
  // the old view is still on the page: the way back leads to the same height of the grid
  if (before.current === 'grid' && place !== 'grid') leftAt.current.set('grid', scrollY);
  useEffect(() => {
    if (before.current === place) return;
    before.current = place;
    document.querySelector<HTMLElement>('#content')?.focus({ preventScroll: true });
    scrollTo(0, leftAt.current.get(place) ?? 0);
  }, [place]);
}

function titleOf(shown: Route): string {
  switch (shown.view) {
    case 'grid':
      return shown.group ?? '';
    case 'camera':
      return cameraName(shown.camera);
    case 'play':
      return 'Playback';
    case 'network':
      return 'Network';
    case 'settings':
      return 'Settings';
  }
}

const life = new AbortController();
history.scrollRestoration = 'manual';
followTheme();
followLocation(life.signal);
followShortcuts(life.signal);
void followSite(life.signal);

const root = document.querySelector('#app');
if (root === null) throw new Error('the document has no #app');
render(<Page />, root);
