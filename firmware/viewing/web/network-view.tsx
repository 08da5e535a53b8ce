/**
 * The network: what is wrong, a picture of servers, links and cameras with the same as tables, what was repaired
 * lately, and the three tables of any server. What a server does not say now is marked as old.
 */
import { useComputed } from '@preact/signals';
import { bytesText } from './bytes-text.ts';
import { goTo, type NetworkRoute, networkHref } from './location-state.ts';
import { costText, type NetworkLink, NetworkMap } from './network-map.tsx';
import { type NetworkFacts, useNetworkFacts } from './network-state.ts';
import { NetworkTables } from './network-tables.tsx';
import { repairStories, type Story } from './repair-story.ts';
import { cameraName, cameras, failure, inOrder, nowMs, serverName, site } from './site-state.ts';
import { momentText } from './time-text.ts';

export function NetworkView({ route }: { route: NetworkRoute }) {
  const facts = useNetworkFacts();
  const known = site.value;
  const listed = cameras.value?.cameras ?? [];
  const lost = failure.value !== undefined;
  const links = linksOf(
    facts,
    new Set(known?.servers.filter(({ state }) => state !== 'unreachable').map(({ id }) => id)),
  );
  if (known === undefined) {
    return (
      <main class="page" id="content" tabIndex={-1} aria-busy="true">
        <h1>Network</h1>
      </main>
    );
  }
  const chosen = known.servers.find(({ id }) => id === route.server)?.id ?? known.server;
  return (
    <main class="page network-page" id="content" tabIndex={-1}>
      <div class="network-head">
        <h1>Network</h1>
        <p class="quiet">{summary(known.servers, listed.length)}</p>
      </div>
      <Alarms />
      <section class={`panel ${lost ? 'network-old' : ''}`} aria-label="Servers, links and cameras">
        <NetworkMap servers={known.servers} links={links} cameras={listed} chosen={chosen} />
        <ServerTable facts={facts} links={links} />
      </section>
      <Stories facts={facts} />
      <section class="panel" aria-labelledby="tables-title">
        <div class="panel-head">
          <h2 id="tables-title">Tables of a server</h2>
          <label class="network-choice">
            <span class="visually-hidden">Server</span>
            <select value={chosen} onChange={(event) => goTo(networkHref(event.currentTarget.value))}>
              {known.servers.map(({ id }) => (
                <option key={id} value={id}>
                  {serverName(id)}
                </option>
              ))}
            </select>
          </label>
        </div>
        <NetworkTables server={chosen} facts={facts.servers.get(chosen)} />
      </section>
    </main>
  );
}

function summary(servers: readonly { state: string }[], count: number): string {
  const silent = servers.filter(({ state }) => state === 'unreachable').length;
  const all = `${servers.length} ${servers.length === 1 ? 'server' : 'servers'}`;
  return `${all}, ${silent === 0 ? 'all reachable' : `${silent} not reachable`}, ${count} ${count === 1 ? 'camera' : 'cameras'}`;
}

/** Links as either end tells them, once; those of servers that cannot be reached are no links any more. */
function linksOf({ servers }: NetworkFacts, alive: ReadonlySet<string>): NetworkLink[] {
  const links = new Map<string, NetworkLink>();
  for (const [server, { tables }] of servers) {
    for (const { server: other, linkCostMs, suspected } of tables.neighbor.oneHop) {
      if (!alive.has(server) || !alive.has(other)) continue;
      const [source = '', target = ''] = [server, other].sort();
      const known = links.get(`${source} ${target}`);
      const costMs = known?.costMs || linkCostMs || undefined;
      links.set(`${source} ${target}`, {
        source,
        target,
        costMs,
        suspected: suspected || known?.suspected === true,
      });
    }
  }
  return [...links.values()].sort((one, other) =>
    inOrder(`${one.source} ${one.target}`, `${other.source} ${other.target}`),
  );
}

function Alarms() {
  const alarms = cameras.value?.alarms ?? [];
  return (
    <div role="status" aria-live="polite">
      {alarms.map(({ server, id, text, since }) => (
        <p key={`${server} ${id}`} class="notice notice-bad">
          <span>
            <strong>{serverName(server)}</strong>
            {`: ${text}, since ${momentText(Date.parse(since))}`}
          </span>
        </p>
      ))}
    </div>
  );
}

function ServerTable({ facts, links }: { facts: NetworkFacts; links: readonly NetworkLink[] }) {
  const servers = [...(site.value?.servers ?? [])].sort((one, other) => inOrder(one.id, other.id));
  return (
    <div class="table-scroll" role="region" aria-label="Servers" tabIndex={0}>
      <table class="table">
        <caption class="visually-hidden">Servers with their links, cameras and volumes</caption>
        <thead>
          <tr>
            <th scope="col">Server</th>
            <th scope="col">State</th>
            <th scope="col">Links (round trip)</th>
            <th scope="col">Manages</th>
            <th scope="col">Volumes</th>
          </tr>
        </thead>
        <tbody>
          {servers.map(({ id, state, hops }) => {
            const known = facts.servers.get(id);
            const mine = links.filter(({ source, target }) => source === id || target === id);
            const managed = (cameras.value?.cameras ?? []).filter(({ manager }) => manager === id);
            return (
              <tr key={id} data-server={id} data-state={state}>
                <th scope="row">
                  <a href={networkHref(id)}>{serverName(id)}</a>
                </th>
                <td class={`server-${state}`}>
                  <span class="dot" aria-hidden="true" />{' '}
                  {state === 'self'
                    ? 'connected'
                    : state === 'unreachable'
                      ? 'not reachable'
                      : hops === 1
                        ? '1 hop'
                        : `${hops ?? '?'} hops`}
                </td>
                <td>
                  {mine.length === 0
                    ? '–'
                    : mine
                        .map(({ source, target, costMs, suspected }) => {
                          const cost = suspected ? 'silent' : costText(costMs);
                          return `${serverName(source === id ? target : source)} (${cost})`;
                        })
                        .join(', ')}
                </td>
                <td>
                  {managed.length === 0 ? '–' : managed.map((camera) => cameraName(camera.id)).join(', ')}
                </td>
                <td>
                  {known?.status === undefined
                    ? '–'
                    : known.status.volumes.map((volume) => <Volume key={volume.number} volume={volume} />)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

type VolumeAnswer = NonNullable<
  NetworkFacts['servers'] extends ReadonlyMap<string, infer F> ? F : never
>['status'];

function Volume({ volume }: { volume: NonNullable<VolumeAnswer>['volumes'][number] }) {
  const { state, reason, freeBytes, totalBytes, folder } = volume;
  const used = totalBytes === 0 ? 0 : 1 - freeBytes / totalBytes;
  const text =
    state === 'ok'
      ? `${bytesText(freeBytes)} of ${bytesText(totalBytes)} free`
      : `${state}${reason === null ? '' : `: ${reason}`}`;
  return (
    <span class={`disk disk-${state}`} title={folder}>
      <meter class="disk-bar" min={0} max={1} high={0.95} value={used} aria-label={`${folder}, used`} />
      {text}
    </span>
  );
}

const storyNames = {
  death: 'Server lost',
  alarm: 'Alarm',
  leave: 'Server left',
  back: 'Back',
  scare: 'Suspicion',
  move: 'Hand-over',
} as const;

function Stories({ facts }: { facts: NetworkFacts }) {
  const units = useComputed(() => {
    const names = new Map<string, string>();
    for (const { id, unit } of cameras.value?.cameras ?? []) {
      names.set(unit, [names.get(unit), cameraName(id)].filter((name) => name !== undefined).join(', '));
    }
    return names;
  });
  const stories = repairStories(facts.lines, { server: serverName, unit: (id) => units.value.get(id) ?? id });
  return (
    <section class="panel" aria-labelledby="stories-title">
      <div class="panel-head">
        <h2 id="stories-title">What happened</h2>
        <p class="quiet">from the last lines of all servers’ logs</p>
      </div>
      {stories.length === 0 ? (
        <p class="quiet">Nothing had to be repaired.</p>
      ) : (
        <ol class="stories">
          {stories.map((story, place) => (
            <StoryItem
              key={story.key}
              story={story}
              open={place === 0 && nowMs.value - story.atMs < 600_000}
            />
          ))}
        </ol>
      )}
    </section>
  );
}

function StoryItem({ story: { atMs, kind, title, steps }, open }: { story: Story; open: boolean }) {
  return (
    <li class={`story story-${kind}`}>
      <details open={open}>
        <summary>
          <time dateTime={new Date(atMs).toISOString()}>{momentText(atMs)}</time>
          <strong>{title}</strong>
          <span class="story-kind">{storyNames[kind]}</span>
        </summary>
        <ol>
          {steps.map((step, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a story's steps never change places
            <li key={place}>
              <span class="story-time">{offsetText(step.atMs - atMs)}</span>
              {step.text}
            </li>
          ))}
        </ol>
      </details>
    </li>
  );
}

function offsetText(ms: number): string {
  return `${ms < 0 ? '−' : '+'}${(Math.abs(ms) / 1000).toFixed(2)} s`;
}
