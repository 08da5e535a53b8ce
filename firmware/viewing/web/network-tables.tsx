/** Tables 1 to 3 of a server, as the patent draws them: neighbors, queries, history. */
import type { TablesAnswer } from '../api.ts';
import { costText } from './network-map.tsx';
import type { ServerFacts } from './network-state.ts';
import { cameraName, failure, nowMs, serverName } from './site-state.ts';
import { clockText, durationText, momentText } from './time-text.ts';

/** Older than this is said to be. */
const oldMs = 10_000;
const tenuresShown = 4;

export function NetworkTables({ server, facts }: { server: string; facts: ServerFacts | undefined }) {
  if (facts === undefined) return <p class="quiet">{`${serverName(server)} has not answered yet.`}</p>;
  const { tables, atMs } = facts;
  const old = nowMs.value - atMs > oldMs || failure.value !== undefined;
  return (
    <>
      {old && (
        <p class="notice" role="status">
          {`${serverName(server)} does not answer: this is what it said at ${clockText(atMs)}, ${durationText(nowMs.value - atMs)} ago.`}
        </p>
      )}
      <div class={`network-tables ${old ? 'network-old' : ''}`}>
        <NeighborTable tables={tables} />
        <QueryTable tables={tables} />
        <HistoryTable tables={tables} />
      </div>
    </>
  );
}

function NeighborTable({ tables: { neighbor } }: { tables: TablesAnswer }) {
  const rows = [
    ...neighbor.oneHop.map((row) => ({ ...row, hops: 1, through: row.neighbors.map(serverName) })),
    ...neighbor.twoHop.map((row) => ({ ...row, hops: 2, through: row.from.map(serverName) })),
  ];
  return (
    <Table
      caption="1 · Neighbors"
      hint="Servers one and two hops away"
      head={['Server', 'Hops', 'Cost', 'Joined', 'Its neighbors, or through whom']}
      empty="It is alone."
      rows={rows.map(({ server, hops, linkCostMs, joinTime, through }) => ({
        key: server,
        cells: [
          serverName(server),
          String(hops),
          costText(linkCostMs),
          momentText(Date.parse(joinTime.at)),
          through.join(', ') || '–',
        ],
      }))}
    />
  );
}

function QueryTable({ tables: { server, query } }: { tables: TablesAnswer }) {
  const names = (ids: readonly string[]) => ids.map(cameraName).join(', ') || '–';
  return (
    <Table
      caption="2 · Queries"
      hint="Who answers for which camera: directly, over one hop, over more"
      head={['Server', 'Hops', 'Directly', 'Over one hop', 'Further']}
      empty=""
      rows={[
        {
          key: server,
          cells: [
            `${serverName(server)} (itself)`,
            '0',
            names(query.direct),
            names(query.indirect.oneHop),
            names(query.indirect.further),
          ],
        },
        ...query.servers.map((row) => ({
          key: row.server,
          cells: [
            serverName(row.server),
            String(row.hops),
            names(row.direct),
            names(row.indirect1),
            names(row.indirect2),
          ],
        })),
      ]}
    />
  );
}

function HistoryTable({ tables: { history } }: { tables: TablesAnswer }) {
  const time = (at: string | null) => (at === null ? 'now' : momentText(Date.parse(at)));
  return (
    <Table
      caption="3 · History"
      hint="Cameras that it manages or managed, and who else did"
      head={['Camera', 'Here', 'Managers, the newest first']}
      empty="It never managed a camera."
      rows={history.map(({ camera, state, tenures }) => {
        const shown = tenures
          .toReversed()
          .slice(0, tenuresShown)
          .map(({ server, from, to }) =>
            from === null
              ? `${serverName(server)} until ${time(to)}`
              : `${serverName(server)}: ${time(from)} – ${time(to)}`,
          );
        const more = tenures.length - shown.length;
        return {
          key: camera,
          cells: [
            cameraName(camera),
            state,
            [...shown, ...(more > 0 ? [`and ${more} before`] : [])].join('\n'),
          ],
        };
      })}
    />
  );
}

interface TableProps {
  readonly caption: string;
  readonly hint: string;
  readonly head: readonly string[];
  readonly empty: string;
  readonly rows: readonly { readonly key: string; readonly cells: readonly string[] }[];
}

function Table({ caption, hint, head, empty, rows }: TableProps) {
  return (
    <div class="table-scroll" role="region" aria-label={caption} tabIndex={0}>
      <table class="table">
        <caption>
          <strong>{caption}</strong> <span class="quiet">{hint}</span>
        </caption>
        <thead>
          <tr>
            {head.map((text) => (
              <th key={text} scope="col">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, cells }) => (
            <tr key={key}>
              {cells.map((text, place) =>
                place === 0 ? (
                  <th key={head[place]} scope="row">
                    {text}
                  </th>
                ) : (
                  <td key={head[place]}>{text}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p class="quiet">{empty}</p>}
    </div>
  );
}
