/** What the viewing side asks of the site's protected ranges; the server role implements it over the site document. */
import type { Result } from '../base/result.ts';
import type { Protection } from '../recording/protections.ts';

export interface ProtectionAccess {
  /** by start */
  of(camera: string): readonly Protection[];
  /** Keeps a range on every server; refused with a reason. */
  add(wish: Pick<Protection, 'camera' | 'fromUs' | 'toUs' | 'note' | 'by'>): Result<Protection>;
  /** False when there is none of this id. */
  remove(camera: string, id: string): boolean;
}
