/** Protected ranges without a network: what is written is there at once. */
import { accept } from '../../firmware/base/result.ts';
import { type ProtectionRow, Protections } from '../../firmware/recording/protections.ts';
import type { ProtectionAccess } from '../../firmware/viewing/protection-access.ts';

export function protectionsOf(server: string): ProtectionAccess {
  const protections = new Protections();
  let count = 0;
  const write = ({ id, value }: ProtectionRow): void => {
    count += 1;
    protections.take([{ kind: 'protect', id, time: { ms: 1, count }, author: server, value }]);
  };
  return {
    of: (camera) => protections.of(camera),
    add: (wish) => {
      const row = protections.rowFor(server, { ...wish, atUs: 1_800_000_000_000_000 });
      if (!row.ok) return row;
      write(row.value);
      const { id, ...rest } = { id: row.value.id, ...wish, atUs: 1_800_000_000_000_000 };
      return accept({ id, ...rest });
    },
    remove: (camera, id) => {
      const row = protections.rowWithout(camera, id);
      if (row !== undefined) write(row);
      return row !== undefined;
    },
  };
}
