/**
 * How a unit keeps what it remembers: one key and a few bytes for each record of its overlay, the same on a server
 * (rows of its index) and on a camera (its memory file).
 *
 *   overlay/1/network               the network it was in, and when it joined
 *   overlay/1/known                 servers it may ask for a way in
 *   overlay/1/manager               camera: its last manager
 *   overlay/1/tenures/<camera>      who managed a camera, and when
 *   overlay/1/document/<kind>/<id>  a row of the site document
 *
 * Invariants: the number in the keys is that of the format, apart from that of the packets, and rows of another format
 * are not read; what is decoded is within bounds, for it comes from a disk.
 */
import {
  bytes,
  type Codec,
  decode,
  encode,
  flag,
  i64,
  list,
  oneOf,
  optional,
  shortText,
  struct,
  u16,
  u32,
  u64,
} from '../base/codec.ts';
import { shortId as id, isId } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { documentRowsMax, tenuresMax } from '../overlay/constants.ts';
import type { Memory, MemoryRecord } from '../overlay/effects.ts';
import {
  type DocumentRow,
  documentValueBytesMax,
  type HlcTime,
  type KnownServer,
  type NetworkId,
  type Tenure,
} from '../overlay/packets.ts';

/** Every key begins with this. */
export const memoryPrefix = 'overlay/1/';

const hlc: Codec<HlcTime> = struct({ ms: u64, count: u16 });
const networkId: Codec<NetworkId> = struct({
  standing: oneOf(['established', 'provisional']),
  trusted: flag,
  founded: hlc,
  founder: id,
});
const network = struct({ network: networkId, joinTime: optional(hlc) });
const known: Codec<KnownServer[]> = list(
  struct({ server: id, link: struct({ host: shortText(64), port: u16 }) }),
  64,
);
const tenures: Codec<Tenure[]> = list(
  struct({ camera: id, server: id, firstEpoch: u32, lastEpoch: u32, fromUs: i64, toUs: i64 }),
  4 * tenuresMax.perCamera,
);
const document: Codec<DocumentRow> = struct({
  kind: shortText(32),
  id: shortText(96),
  time: hlc,
  author: id,
  value: optional(bytes(documentValueBytesMax)),
});

/** A record as it is kept; without a value there is nothing left to keep. */
export interface StoredRecord {
  readonly key: string;
  readonly value: Buffer | undefined;
}

/** Where a record is kept: a later record with the same key replaces it. */
export function keyOfRecord(record: MemoryRecord): string {
  switch (record.kind) {
    case 'tenures':
      return `${memoryPrefix}tenures/${record.camera}`;
    case 'document':
      return `${memoryPrefix}document/${encodeURIComponent(record.row.kind)}/${encodeURIComponent(record.row.id)}`;
    default:
      return memoryPrefix + record.kind;
  }
}

export function encodeRecord(record: MemoryRecord): StoredRecord {
  return { key: keyOfRecord(record), value: valueOf(record) };
}

function valueOf(record: MemoryRecord): Buffer | undefined {
  switch (record.kind) {
    case 'network':
      return encode(network, { network: record.network, joinTime: record.joinTime });
    case 'known':
      return encode(known, [...record.servers]);
    case 'manager':
      return encode(id, record.server);
    case 'tenures':
      return record.tenures.length === 0 ? undefined : encode(tenures, [...record.tenures]);
    case 'document':
      return encode(document, record.row);
  }
}

/** Reads one record; the reason reads well after its key. */
export function decodeRecord(key: string, value: Uint8Array): Result<MemoryRecord> {
  const kind = key.startsWith(memoryPrefix) ? key.slice(memoryPrefix.length).split('/')[0] : '';
  const record = decodeKind(kind ?? '', key, value);
  if (record.ok && keyOfRecord(record.value) !== key) return reject('it is of another key');
  return record;
}

function decodeKind(kind: string, key: string, value: Uint8Array): Result<MemoryRecord> {
  const read = <T>(codec: Codec<T>, make: (content: T) => MemoryRecord): Result<MemoryRecord> => {
    const decoded = decode(codec, value);
    return decoded.ok ? accept(make(decoded.value)) : decoded;
  };
  switch (kind) {
    case 'network':
      return read(network, (content) => ({ kind, ...content }));
    case 'known':
      return read(known, (servers) => ({ kind, servers }));
    case 'manager':
      return read(id, (server) => ({ kind, server }));
    case 'document':
      return read(document, (row) => ({ kind, row }));
    case 'tenures': {
      const camera = key.slice(`${memoryPrefix}tenures/`.length);
      const record = read(tenures, (content) => ({ kind, camera, tenures: content }));
      const foreign = record.ok && record.value.kind === 'tenures' ? record.value.tenures : [];
      if (!isId(camera) || foreign.some((tenure) => tenure.camera !== camera))
        return reject('it is of another camera');
      return record;
    }
    default:
      return reject('an unknown kind');
  }
}

/** Everything that was kept, put together: damaged records and those past the bounds are told of and left out. */
export class MemoryReader {
  private readonly skipped: (key: string, reason: string) => void;
  private readonly memory: { -readonly [K in keyof Memory]: Memory[K] } = {
    known: [],
    tenures: [],
    document: [],
  };
  private readonly tenures: Tenure[] = [];
  private readonly document: DocumentRow[] = [];

  constructor(skipped: (key: string, reason: string) => void) {
    this.skipped = skipped;
  }

  add(key: string, value: Uint8Array): void {
    const record = decodeRecord(key, value);
    if (record.ok) this.take(key, record.value);
    else this.skipped(key, record.reason);
  }

  result(): Memory {
    return { ...this.memory, tenures: this.tenures, document: this.document };
  }

  private take(key: string, record: MemoryRecord): void {
    switch (record.kind) {
      case 'network':
        this.memory.network = record.network;
        if (record.joinTime !== undefined) this.memory.joinTime = record.joinTime;
        return;
      case 'known':
        this.memory.known = record.servers;
        return;
      case 'manager':
        this.memory.manager = record.server;
        return;
      case 'tenures':
        if (this.tenures.length + record.tenures.length > tenuresMax.all)
          this.skipped(key, 'there are too many');
        else this.tenures.push(...record.tenures);
        return;
      case 'document':
        if (this.document.length >= documentRowsMax) this.skipped(key, 'there are too many');
        else this.document.push(record.row);
    }
  }
}
