/** What the grid says while it has no pictures to show. */
import { session } from './session-state.ts';
import { askAgain, failure, site } from './site-state.ts';

export function LoadingGrid() {
  return (
    <main class="message" id="content" tabIndex={-1} aria-busy="true">
      <p class="message-quiet">Asking this server for its cameras …</p>
    </main>
  );
}

export function NoAnswer() {
  return (
    <main class="message" id="content" tabIndex={-1} aria-live="assertive">
      <h1>{failure.value?.message}</h1>
      <p>{failure.value?.advice} The page tries again every two seconds.</p>
      <button type="button" class="primary" onClick={askAgain}>
        Try again
      </button>
    </main>
  );
}

export function NoCameras() {
  const mine = session.value?.cameras;
  if (mine !== undefined && mine !== 'all') {
    return (
      <main class="message" id="content" tabIndex={-1}>
        <h1>There is no camera for you here</h1>
        <p>
          {mine.length === 0
            ? 'No camera has been given to you yet.'
            : `Yours (${mine.join(', ')}) are not on the network now.`}{' '}
          An admin of this site can change what you may see.
        </p>
      </main>
    );
  }
  return (
    <main class="message" id="content" tabIndex={-1}>
      <h1>No camera has joined yet</h1>
      <p>
        Switch on a camera unit that belongs to the site “{site.value?.site}” and is on the same network. It
        finds a server by itself and appears here within seconds; there is nothing to do on this page.
      </p>
      <p>If it does not appear:</p>
      <ul>
        <li>Is the unit enrolled in this site? A unit of another site is refused.</li>
        <li>
          Are the unit and at least one server on the same network, and are the servers above reachable?
        </li>
        <li>The unit’s field console and its log say which servers it has asked and what they answered.</li>
      </ul>
    </main>
  );
}
