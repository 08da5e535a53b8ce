/** Suites that boot guests; where they cannot they say so and are skipped. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { namespacesMissing } from '../namespaces.ts';

/**
 * Limits of time are multiplied by this: `STARLING_GUEST_PATIENCE=6` for a machine that has much else to do. They are
 * for two processors that translate one guest.
 */
export const patience = Number(process.env['STARLING_GUEST_PATIENCE'] ?? 1);

/** A suite that boots guests of this architecture. Where something is missing it is one test, skipped with the reason. */
export function describeWithGuests(name: string, architecture: 'amd64' | 'arm64', suite: () => void): void {
  const reason = guestsMissing(architecture);
  // Not a skipped suite: that counts as no test at all.
  if (reason === false) describe(name, suite);
  else test(name, { skip: reason }, () => undefined);
}

function guestsMissing(architecture: 'amd64' | 'arm64'): string | false {
  const emulator = architecture === 'amd64' ? 'qemu-system-x86_64' : 'qemu-system-aarch64';
  const translator = architecture === 'arm64' ? ['qemu-aarch64-static'] : [];
  const programs = ['bird', 'losetup', 'mmdebstrap', emulator, ...translator];
  const reason = namespacesMissing(...programs);
  if (reason !== false) return reason;
  const tunnel = join('/dev', 'net', 'tun');
  return existsSync(tunnel) ? false : `${tunnel} is not there, which a guest's network needs`;
}
