/**
 * What the viewing side needs to know of the network: which servers there are, who manages which camera, and how to
 * ask another server. The server role implements it over the overlay.
 */
import type { Readable } from 'node:stream';
import type { WebSocket } from 'ws';

/** A server as this one sees it. */
export interface ServerEntry {
  readonly id: string;
  readonly state: 'self' | 'reachable' | 'unreachable';
  /** links between this server and that one; 0 for itself, undefined when unreachable */
  readonly hops: number | undefined;
  /** where people reach its page, such as `http://127.0.0.1:8301` */
  readonly pageUrl: string;
  readonly cameras: readonly string[];
}

/** A camera as the network knows it. */
export interface CameraEntry {
  readonly id: string;
  /** the unit that carries it */
  readonly unit: string;
  /** the server that manages it now, or did last */
  readonly manager: string;
  readonly epoch: number;
  readonly state: 'online' | 'offline' | 'unreachable';
}

/** The network, from this server. */
export interface Directory {
  readonly site: string;
  readonly self: string;
  servers(): ServerEntry[];
  cameras(): CameraEntry[];
}

/** An answer of another server; the body must be read or destroyed. */
export interface PeerResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/** What is asked of another server, besides the path. */
export interface PeerRequest {
  /** others than GET ask for a change that a person asked this server for */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** JSON text */
  readonly body?: string;
  /** on whose behalf; that server looks up their rights itself. Without it: for this server's own business */
  readonly user?: string;
  readonly timeoutMs: number;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
  /** the body is passed on to somebody who may read it slowly */
  readonly lasting?: boolean;
}

/** Asks other servers over mutual TLS, on connections of their own (never the overlay's links). */
export interface PeerClient {
  /** `path` begins with /api/. Rejects with Failure UNREACHABLE after `timeoutMs` without response headers. */
  get(server: string, path: string, options: PeerRequest): Promise<PeerResponse>;
  /** An opening WebSocket to another server; errors arrive as its `error` event. */
  webSocket(server: string, path: string, options?: Pick<PeerRequest, 'user'>): WebSocket;
}
