/**
 * The top of the page: the site, the ways to its parts, the servers and whether they are reachable, the person. A phone
 * has the ways to the parts at its foot. Below the header: what is wrong with the network, if anything.
 */
import type { CamerasAnswer, SiteAnswer } from '../api.ts';
import { alarmTitle } from './alarm-title.ts';
import { Mark } from './brand-mark.tsx';
import { openKeyboardHelp } from './keyboard-help.tsx';
import { gridHref, networkHref, playHref, type Route, route, settingsHref } from './location-state.ts';
import { Icon, IconButton, type IconName } from './parts-icons.tsx';
import { session } from './session-state.ts';
import { answeredAtMs, askAgain, cameras, failure, nowMs, serverName, site } from './site-state.ts';
import { clockText, durationText } from './time-text.ts';

type ServerAnswer = SiteAnswer['servers'][number];

/** Servers named in the header; the others are counted. */
const serversShown = 4;

interface Way {
  readonly icon: IconName;
  readonly text: string;
  readonly href: string;
  readonly views: readonly Route['view'][];
}

function ways(): Way[] {
  return [
    { icon: 'cameras', text: 'Cameras', href: gridHref(), views: ['grid', 'camera'] },
    { icon: 'playback', text: 'Playback', href: playHref([]), views: ['play'] },
    { icon: 'network', text: 'Network', href: networkHref(), views: ['network'] },
    { icon: 'settings', text: 'Settings', href: settingsHref('cameras'), views: ['settings'] },
  ];
}

/** The header, and the notices below it. */
export function PageHeader() {
  const known = site.value;
  return (
    <>
      <header class="page-header">
        <a class="brand" href={gridHref()}>
          <Mark />
          <span class="brand-name">Starling</span>
          {known !== undefined && <span class="brand-site">{known.site}</span>}
          <span class="visually-hidden">, all cameras</span>
        </a>
        <Ways class="ways-top" label="Main" />
        {known !== undefined && <Servers servers={known.servers} />}
        <div class="header-end">
          <IconButton
            icon="help"
            label="Keyboard shortcuts"
            class="quiet-button help-button"
            onClick={openKeyboardHelp}
          />
          <Person />
        </div>
      </header>
      <Notices />
    </>
  );
}

/** The ways at the foot of a phone. */
export function BottomBar() {
  return <Ways class="ways-bottom" label="Main, at the foot" />;
}

function Ways({ label, ...rest }: { label: string; class: string }) {
  const { view } = route.value;
  return (
    <nav class={`ways ${rest.class}`} aria-label={label}>
      {ways().map(({ icon, text, href, views }) => (
        <a key={text} href={href} aria-current={views.includes(view) ? 'page' : undefined}>
          <Icon name={icon} />
          <span>{text}</span>
        </a>
      ))}
    </nav>
  );
}

function Person() {
  const known = session.value;
  if (known === null || known === undefined) return null;
  const name = known.via === 'open' ? 'open to everybody' : known.user;
  return (
    <a
      class="person"
      href={settingsHref('account')}
      aria-label={`Your account: ${name}, ${known.role}`}
      title="Your account"
    >
      <Icon name="person" />
      <span>{known.via === 'open' ? 'open' : known.user}</span>
    </a>
  );
}

/** The connected server, then those that are wrong, then the others as far as there is room. */
function Servers({ servers }: { servers: readonly ServerAnswer[] }) {
  const order = ['self', 'unreachable', 'reachable'];
  const sorted = servers.toSorted((one, other) => order.indexOf(one.state) - order.indexOf(other.state));
  const shown = servers.length <= serversShown ? servers : sorted.slice(0, serversShown);
  const rest = servers.length - shown.length;
  return (
    <ul class="servers" aria-label="Servers of this site">
      {shown.map((server) => (
        <ServerItem key={server.id} server={server} />
      ))}
      {rest > 0 && (
        <li class="server">
          <a href={networkHref()}>{`${rest} more`}</a>
        </li>
      )}
    </ul>
  );
}

function ServerItem({ server }: { server: ServerAnswer }) {
  const lost = failure.value !== undefined;
  const state = server.state === 'self' ? (lost ? 'unreachable' : 'self') : lost ? 'unknown' : server.state;
  const name = server.name || server.id;
  return (
    <li class={`server server-${state}`} data-server={server.id} data-state={state}>
      <span class="dot" aria-hidden="true" />
      <span class="server-name">
        {server.state === 'self' ? (
          <b>{name}</b>
        ) : (
          <a href={sameView(server)} title={`Open the page of ${name}`}>
            {name}
          </a>
        )}
      </span>
      <span class="server-state">{stateText(server, state)}</span>
    </li>
  );
}

/** The same view on another server's page; an address that is none leads nowhere. */
function sameView({ pageUrl }: ServerAnswer): string {
  return /^https?:\/\//.test(pageUrl) ? `${pageUrl}${location.hash}` : '#/';
}

function stateText(server: ServerAnswer, state: string): string {
  if (state === 'self') return 'connected';
  if (state === 'unknown') return 'not known';
  if (state === 'unreachable') return 'not reachable';
  if (server.hops === null) return 'reachable';
  return server.hops === 1 ? '1 hop' : `${server.hops} hops`;
}

/** Alarms that are named; the others are counted. */
const alarmsShown = 3;

function alarmText(alarms: CamerasAnswer['alarms']): string {
  const named = alarms.slice(0, alarmsShown).map(({ server, text }) => `${serverName(server)}: ${text}`);
  const rest = alarms.length - named.length;
  return `${named.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}.`;
}

function Notices() {
  const lost = failure.value;
  const known = cameras.value;
  const missing = known?.unreachable ?? [];
  const alarms = known?.alarms ?? [];
  return (
    <div role="status" aria-live="polite">
      {lost !== undefined && site.value !== undefined && <LostNotice />}
      {lost === undefined && known !== undefined && alarms.length > 0 && (
        <div class="notice notice-bad">
          <p>
            <strong>{alarmTitle(known)}</strong>
            {` — ${alarmText(alarms)}`}
          </p>
        </div>
      )}
      {lost === undefined && missing.length > 0 && route.value.view === 'grid' && (
        <p class="notice">
          {`No answer from ${missing.map(serverName).join(', ')}: cameras that only ${missing.length === 1 ? 'it knows' : 'they know'} are missing here.`}
        </p>
      )}
    </div>
  );
}

function LostNotice() {
  const lost = failure.value;
  const others = site.value?.servers.filter((server) => server.state === 'reachable') ?? [];
  return (
    <div class="notice notice-bad">
      <p>
        <strong>{`${serverName(site.value?.server ?? '')} does not answer`}</strong>
        {answeredAtMs.value !== undefined && (
          <>
            {` — last answer ${clockText(answeredAtMs.value)}`}
            <span aria-hidden="true">{`, ${durationText(nowMs.value - answeredAtMs.value)} ago`}</span>
          </>
        )}
        . {lost?.code === 'REFUSED' ? `${lost.message} ` : ''}
        {lost?.advice} Trying again by itself.
      </p>
      <p class="notice-actions">
        <button type="button" onClick={askAgain}>
          Try now
        </button>
        {others.map((server) => (
          <a key={server.id} class="button" href={sameView(server)}>
            {`Watch on ${server.name || server.id}`}
          </a>
        ))}
      </p>
    </div>
  );
}
