/** The top of the page: the site, the server that answers, the other servers and whether they are reachable. */
import type { CamerasAnswer, SiteAnswer } from '../api.ts';
import { gridHref, route } from './location-state.ts';
import { answeredAtMs, askAgain, cameras, failure, nowMs, site } from './site-state.ts';
import { clockText, durationText } from './time-text.ts';

type ServerAnswer = SiteAnswer['servers'][number];

/** The header, and below it what is wrong with the network, if anything. */
export function PageHeader() {
  const known = site.value;
  return (
    <>
      <header class="page-header">
        <a class="brand" href={gridHref} aria-label="Starling, all cameras">
          <Mark />
          <span class="brand-name">Starling</span>
          {known !== undefined && <span class="brand-site">{known.site}</span>}
        </a>
        {known !== undefined && (
          <ul class="servers" aria-label="Servers of this site">
            {known.servers.map((server) => (
              <ServerItem key={server.id} server={server} />
            ))}
          </ul>
        )}
      </header>
      <Notices />
    </>
  );
}

function Mark() {
  return (
    <svg class="brand-mark" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M2 13c4.5-.6 7-2.6 9.2-6C12.6 4.800 15 3.500 17.500 4.200L22 6l-3.200 1.400C18.400 13.500 14.500 18 8.500 18.500L5 21l.8-3.500C4 16.600 2.700 15 2 13z" />
    </svg>
  );
}

function ServerItem({ server }: { server: ServerAnswer }) {
  const lost = failure.value !== undefined;
  const state = server.state === 'self' ? (lost ? 'unreachable' : 'self') : lost ? 'unknown' : server.state;
  return (
    <li class={`server server-${state}`} data-server={server.id} data-state={state}>
      <span class="dot" aria-hidden="true" />
      <span class="server-name">
        {server.state === 'self' ? (
          <b>{server.id}</b>
        ) : (
          <a href={`${server.pageUrl}${location.hash}`} title={`Open the page of ${server.id}`}>
            {server.id}
          </a>
        )}
      </span>
      <span class="server-state">{stateText(server, state)}</span>
    </li>
  );
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
  const named = alarms.slice(0, alarmsShown).map(({ server, text }) => `${server}: ${text}`);
  const rest = alarms.length - named.length;
  return `${named.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}.`;
}

function Notices() {
  const lost = failure.value;
  const missing = cameras.value?.unreachable ?? [];
  const alarms = cameras.value?.alarms ?? [];
  const others = site.value?.servers.filter((server) => server.state === 'reachable') ?? [];
  return (
    <div role="status" aria-live="polite">
      {lost !== undefined && site.value !== undefined && (
        <div class="notice notice-bad">
          <p>
            <strong>{site.value.server} does not answer</strong>
            {answeredAtMs.value !== undefined && (
              <>
                {` — last answer ${clockText(answeredAtMs.value)}`}
                <span aria-hidden="true">{`, ${durationText(nowMs.value - answeredAtMs.value)} ago`}</span>
              </>
            )}
            . {lost.code === 'REFUSED' ? `${lost.message} ` : ''}
            {lost.advice} Trying again by itself.
          </p>
          <p class="notice-actions">
            <button type="button" onClick={askAgain}>
              Try now
            </button>
            {others.map((server) => (
              <a key={server.id} class="button" href={`${server.pageUrl}${location.hash}`}>
                {`Watch on ${server.id}`}
              </a>
            ))}
          </p>
        </div>
      )}
      {lost === undefined && alarms.length > 0 && (
        <div class="notice notice-bad">
          <p>
            <strong>Recording has stopped</strong>
            {` — ${alarmText(alarms)}`}
          </p>
        </div>
      )}
      {lost === undefined && missing.length > 0 && route.value.camera === undefined && (
        <p class="notice">
          {`No answer from ${missing.join(', ')}: cameras that only ${missing.length === 1 ? 'it knows' : 'they know'} are missing here.`}
        </p>
      )}
    </div>
  );
}
