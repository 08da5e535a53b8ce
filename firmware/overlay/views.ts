/**
 * What people and other parts see of a server's tables: plain data, sorted, fit for JSON. The patent's columns of
 * Tables 1–3 [0035][0037][0043] are computed from the tables each time they are asked for.
 */
import type { Address, HlcTime, NetworkId, Tenure } from './packets.ts';

/** Table 1: the neighbor table. Costs are ms of round trip, join times HLC readings. */
export interface NeighborView {
  readonly joinTime: HlcTime;
  readonly oneHop: readonly {
    readonly server: string;
    readonly linkCostMs: number;
    readonly joinTime: HlcTime;
    readonly address: Address;
    readonly incarnation: number;
    readonly suspected: boolean;
    /** share of its capacity in use, 0 to 1 */
    readonly load: number;
    readonly neighbors: readonly string[];
  }[];
  readonly twoHop: readonly {
    readonly server: string;
    /** the 1-hop neighbors it is reached by, the cheapest first */
    readonly from: readonly string[];
    readonly linkCostMs: number;
    readonly joinTime: HlcTime;
    readonly address: Address;
    readonly incarnation: number;
    readonly neighbors: readonly string[];
  }[];
}

/** Table 2: the query table. Lists of camera ids. */
export interface QueryView {
  readonly direct: readonly string[];
  /** direct cameras of the 1-hop neighbors, and of everybody further away */
  readonly indirect: { readonly oneHop: readonly string[]; readonly further: readonly string[] };
  readonly servers: readonly {
    readonly server: string;
    readonly hops: 1 | 2;
    readonly direct: readonly string[];
    readonly indirect1: readonly string[];
    readonly indirect2: readonly string[];
  }[];
}

/** Table 3: the history table. */
export type HistoryView = readonly {
  readonly camera: string;
  readonly state: 'online' | 'offline' | 'indirectly';
  /** who managed it before the present manager, oldest first; `unknown` where an epoch is missing */
  readonly previousOwners: readonly string[];
  /** those of all owners; the server is `unknown` where an epoch is missing */
  readonly tenures: readonly Tenure[];
}[];

/** All three tables of one server. */
export interface TablesView {
  readonly server: string;
  readonly network: NetworkId;
  readonly neighbor: NeighborView;
  readonly query: QueryView;
  readonly history: HistoryView;
}

/** A server as this one knows it. */
export interface ServerView {
  readonly server: string;
  /** links to it; undefined when there is no path */
  readonly hops: number | undefined;
  /** buried by its neighbors, or it left */
  readonly dead: boolean;
  readonly address: Address;
  readonly pageUrl: string;
  /** cameras that are online there */
  readonly cameras: readonly string[];
}

/** A camera and the server whose claim to it has the highest epoch. */
export interface CameraView {
  readonly camera: string;
  readonly unit: string;
  readonly manager: string;
  readonly epoch: number;
  readonly online: boolean;
}
