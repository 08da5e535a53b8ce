/**
 * A server's place in the network as a person reads it: the patent's Tables 1–3 [0035][0037][0043] in its columns, the
 * neighbors with all that is known of them, a camera's managers.
 */
import type {
  AddressAnswer,
  NetworkTimeAnswer,
  TablesAnswer,
  TenureAnswer,
  WhereAnswer,
} from '../viewing/api.ts';
import { formatTable } from './text-table.ts';

const nothing = '-';

/** Tables 1, 2 and 3. */
export function formatTables({ server, network, neighbor, query, history }: TablesAnswer): string {
  const founded = `${network.standing} network of ${network.founder}, founded ${formatNetworkTime(network.founded)}`;
  const direct = (hops: number): string[][] =>
    query.servers.filter((row) => row.hops === hops).map((row) => [row.server, formatQuery(row)]);
  return [
    `${server}, ${founded}\n`,
    `Table 1: neighbors. Join time: ${formatNetworkTime(neighbor.joinTime)}\n${formatTable(
      ['1-HOP', 'LINK COST', 'JOIN TIME'],
      neighbor.oneHop.map((row) => [row.server, formatCost(row.linkCostMs), formatNetworkTime(row.joinTime)]),
    )}${formatTable(
      ['2-HOP', 'FROM', 'LINK COST', 'JOIN TIME'],
      neighbor.twoHop.map((row) => [
        row.server,
        row.from[0] ?? nothing,
        formatCost(row.linkCostMs),
        formatNetworkTime(row.joinTime),
      ]),
    )}`,
    `Table 2: who manages which camera\n${formatTable(
      ['DIRECT', formatSet(query.direct)],
      [['INDIRECT', `${formatSet(query.indirect.oneHop)} | ${formatSet(query.indirect.further)}`]],
    )}${formatTable(['1-HOP', 'DIRECT | INDIRECT 1 | INDIRECT 2'], direct(1))}${formatTable(
      ['2-HOP', 'DIRECT | INDIRECT 1 | INDIRECT 2'],
      direct(2),
    )}`,
    `Table 3: cameras managed here, now or before\n${formatTable(
      ['CAMERA', 'STATE', 'PREVIOUS OWNER'],
      history.map((row) => [row.camera, row.state, row.previousOwners.join(', ') || 'N/A']),
    )}`,
  ].join('\n');
}

function formatQuery({ direct, indirect1, indirect2 }: TablesAnswer['query']['servers'][number]): string {
  return [direct, indirect1, indirect2].map(formatSet).join(' | ');
}

/** Table 1 with what the patent leaves out. */
export function formatNeighbors({ server, neighbor }: TablesAnswer): string {
  const oneHop = neighbor.oneHop.map((row) => [
    row.server,
    formatCost(row.linkCostMs),
    formatNetworkTime(row.joinTime),
    `${Math.round(row.load * 100)} %`,
    row.suspected ? 'suspected' : 'alive',
    formatAddress(row.address),
    formatSet(row.neighbors),
  ]);
  const twoHop = neighbor.twoHop.map((row) => [
    row.server,
    formatCost(row.linkCostMs),
    formatNetworkTime(row.joinTime),
    row.from.join(', ') || nothing,
    formatAddress(row.address),
    formatSet(row.neighbors),
  ]);
  return [
    `${server} joined ${formatNetworkTime(neighbor.joinTime)}\n`,
    formatTable(['1-HOP', 'COST', 'JOIN TIME', 'LOAD', 'STATE', 'ADDRESS', 'NEIGHBORS'], oneHop),
    formatTable(['2-HOP', 'COST', 'JOIN TIME', 'FROM', 'ADDRESS', 'NEIGHBORS'], twoHop),
  ].join('\n');
}

/** The present manager, and all there were. */
export function formatWhere({
  camera,
  manager,
  address,
  pageUrl,
  epoch,
  state,
  tenures,
}: WhereAnswer): string {
  const present = tenures.findLast(({ server, to }) => server === manager && to === null);
  const facts = [
    ['manager', manager ?? 'nobody'],
    ['state', state],
    ['since', present?.from ?? nothing],
    ['epoch', String(epoch)],
    ['address', address === null ? nothing : formatAddress(address)],
    ['page', pageUrl ?? nothing],
  ];
  const managers = formatTable(
    ['MANAGER', 'FROM', 'TO', 'EPOCHS'],
    tenures.map((tenure) => tenureRow(tenure, tenure === present && state === 'online' ? 'now' : nothing)),
  );
  return `${formatTable(['camera', camera], facts)}\n${managers}`;
}

/** `open` stands for an end that nobody has told. */
function tenureRow({ server, from, to, firstEpoch, lastEpoch }: TenureAnswer, open: string): string[] {
  const epochs = firstEpoch === lastEpoch ? String(firstEpoch) : `${firstEpoch}-${lastEpoch}`;
  return [server, from ?? nothing, to ?? open, epochs];
}

/** Such as `0.35 ms`, `4.7 ms`, `12 ms`; `-` while it is not known. */
export function formatCost(ms: number): string {
  if (ms === 0) return nothing;
  return `${Number(ms.toFixed(ms < 1 ? 2 : ms < 10 ? 1 : 0))} ms`;
}

/** UTC, and the count of the network's clock where that matters, such as `2026-11-22T12:00:00.000Z +2`. */
export function formatNetworkTime({ at, count }: NetworkTimeAnswer): string {
  return count === 0 ? at : `${at} +${count}`;
}

function formatAddress({ host, port }: AddressAnswer): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function formatSet(ids: readonly string[]): string {
  return ids.join(', ') || nothing;
}
