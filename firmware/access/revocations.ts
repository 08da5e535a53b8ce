/**
 * Sessions that were signed out before their end. A row may be written over once its session would have ended anyway;
 * each server has `slotsMax` of them, which is as many sign-outs in twelve hours.
 */
import type { DocumentRow } from '../overlay/packets.ts';
import { decodeRevocation, encodeRevocation, type Revocation, revokedKind } from './access-rows.ts';
import { type DamagedRow, nextSlot, type RowToWrite } from './document-rows.ts';

const slotsMax = 64;
/** Rows of all servers, in a document of some thousand. */
const rowsMax = 1_024;

export class Revocations {
  private readonly rows = new Map<string, Revocation | undefined>();
  private readonly sessions = new Set<string>();
  private readonly onDamaged: DamagedRow;

  constructor(onDamaged: DamagedRow) {
    this.onDamaged = onDamaged;
  }

  take(row: DocumentRow): void {
    if (row.kind !== revokedKind) return;
    const before = this.rows.get(row.id);
    if (before !== undefined) this.sessions.delete(keyOf(before.session));
    const revocation = row.value === undefined ? undefined : decodeRevocation(row.id, row.value);
    if (revocation?.ok === false) this.onDamaged(row, revocation.reason);
    const value = revocation?.ok === true ? revocation.value : undefined;
    this.rows.set(row.id, value);
    if (value !== undefined) this.sessions.add(keyOf(value.session));
  }

  has(session: Buffer): boolean {
    return this.sessions.has(keyOf(session));
  }

  /** The row that revokes a session; undefined when no row is free. */
  rowFor(server: string, revocation: Revocation, nowMs: number): RowToWrite | undefined {
    const isFree = (id: string): boolean => (this.rows.get(id)?.untilMs ?? 0) <= nowMs;
    // Rows that are over are used before new ones.
    const id = nextSlot(
      server,
      slotsMax,
      (slot) => this.rows.has(slot) && isFree(slot),
      (slot) => !this.rows.has(slot) && this.rows.size < rowsMax,
    );
    return id === undefined ? undefined : { kind: revokedKind, id, value: encodeRevocation(revocation) };
  }
}

function keyOf(session: Buffer): string {
  return session.toString('hex');
}
