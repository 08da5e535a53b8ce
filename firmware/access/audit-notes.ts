/**
 * What people do, as it gets into the audit log: once for each start of something that goes on. Somebody who watches
 * a camera asks for it again and again, as does a program that takes snapshots, or a hand on the steering pad: as long
 * as the pauses are short, that is one entry.
 *
 * Invariant: at most `ongoingMax` things that go on are remembered; the one that was noted longest ago is forgotten
 * first. What another server does for somebody is written down there, where that person is.
 */
import type { Clock } from '../base/clock.ts';
import { isId } from '../base/ids.ts';
import type { AuditLog } from './audit-log.ts';
import type { AuditAction, AuditNote, AuditTrail } from './audit-trail.ts';
import type { Identification } from './identification.ts';
import type { Principal } from './principal.ts';

const ongoingMax = 4_096;
/** A pause so long ends what went on. */
const pauseMs: Partial<Record<AuditAction, number>> = {
  watch: 600_000,
  snapshot: 600_000,
  export: 60_000,
  steer: 60_000,
};

export interface AuditNotesOptions {
  readonly clock: Clock;
  readonly audit: Pick<AuditLog, 'add'>;
  readonly identification: Pick<Identification, 'addressOf'>;
}

export class AuditNotes implements AuditTrail {
  private readonly options: AuditNotesOptions;
  /** when each was noted last, by the monotonic clock */
  private readonly ongoing = new Map<string, number>();

  constructor(options: AuditNotesOptions) {
    this.options = options;
  }

  note(principal: Principal, action: AuditAction, { camera, detail = '' }: AuditNote = {}): void {
    if (principal.via === 'peer') return;
    const { audit, identification } = this.options;
    const from = identification.addressOf(principal);
    const of = camera !== undefined && isId(camera) ? camera : undefined;
    const how =
      principal.via === 'link' ? [detail, 'by link'].filter((part) => part !== '').join(' ') : detail;
    if (this.goesOn(action, [principal.name, action, of, how, from].join('\n'))) return;
    audit.add({ user: principal.name, action, camera: of, detail: how, from });
  }

  private goesOn(action: AuditAction, key: string): boolean {
    const limitMs = pauseMs[action];
    if (limitMs === undefined) return false;
    const nowMs = this.options.clock.monotonicMs();
    const lastMs = this.ongoing.get(key) ?? Number.NEGATIVE_INFINITY;
    this.ongoing.delete(key);
    this.ongoing.set(key, nowMs);
    const oldest = this.ongoing.size > ongoingMax ? this.ongoing.keys().next().value : undefined;
    if (oldest !== undefined) this.ongoing.delete(oldest);
    return nowMs - lastMs < limitMs;
  }
}
