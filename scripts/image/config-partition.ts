/** The FAT partition CONFIG, which people can open on any computer: the settings and keys of one unit, until it takes them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFat } from './fat.ts';
import { configMb } from './layout.ts';

const readme = `Starling reads its settings from here when it starts:

  unit.yaml, ca.crt, unit.crt, unit.key, seal.key   one unit of a site, as "starling site enroll" makes it
  network.yaml                                      Wi-Fi, fixed address, time servers (not needed for Ethernet with DHCP)

What it takes over is removed from here. If something is wrong, PROBLEM.TXT says what.
`;

/** Makes the partition as a file; with no files it only explains itself. Throws the Failure FILE_IO. */
export async function makeConfigPartition(file: string, files: ReadonlyMap<string, string>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-config-'));
  try {
    writeFileSync(join(folder, 'README.TXT'), readme.replaceAll('\n', '\r\n'));
    for (const [name, text] of files) writeFileSync(join(folder, name), text, { mode: 0o600 });
    await makeFat({ file, megabytes: configMb, label: 'CONFIG', folder });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
