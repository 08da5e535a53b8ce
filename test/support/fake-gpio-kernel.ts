/**
 * /sys/class/gpio of a kernel that shows lines as plain files: for onoff, which knows no other place. In a mount namespace of
 * its own (see `inOwnSysfs`), so nothing of the real one is touched. What it does not have is edges to wait for, as chips
 * without interrupts do not; waiting for them is tested in the guest with its PL061.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = '/sys/class/gpio';
const inside = 'STARLING_OWN_SYSFS';

/** Runs this test file again in a mount namespace whose /sys/class is its own. Undefined when this is that run. */
export function inOwnSysfs(
  file: string,
): { readonly status: number | null; readonly output: string } | undefined {
  if (process.env[inside] !== undefined) return undefined;
  // Everything else of /sys/class stays as it is: servers look at the disks below it.
  const script = `
    set -e
    mount --rbind /sys/class /mnt
    mount -t tmpfs none /sys/class
    for class in /mnt/*; do
      mkdir "/sys/class/\${class##*/}"
      mount --bind "$class" "/sys/class/\${class##*/}"
    done
    mkdir -p /sys/class/gpio
    exec "$@"`;
  const command = [process.execPath, '--import', 'tsx', '--test', '--test-reporter', 'tap', file];
  const { status, stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', ...command], {
    // A run below another one reports to that one instead of printing.
    env: { ...process.env, [inside]: '1', NODE_TEST_CONTEXT: undefined },
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status, output: `${stdout}${stderr}` };
}

/** Whether mount namespaces can be made here. */
export function hasNamespaces(): boolean {
  return spawnSync('unshare', ['-m', 'true']).status === 0;
}

/** Makes lines as if they had been exported already; `edge` cannot be written, as on a chip without interrupts. */
export function exportLines(base: number, lines: readonly number[]): void {
  for (const file of ['export', 'unexport']) writeFileSync(join(root, file), '');
  for (const line of lines) {
    const folder = join(root, `gpio${base + line}`);
    mkdirSync(join(folder, 'edge'), { recursive: true });
    writeFileSync(join(folder, 'direction'), 'in\n');
    writeFileSync(join(folder, 'active_low'), '0\n');
    writeFileSync(join(folder, 'value'), '0\n');
  }
}

/** The value as sysfs shows it: 1 is active. */
export function valueOf(number: number): boolean {
  return readFileSync(join(root, `gpio${number}`, 'value'), 'utf8').startsWith('1');
}

export function setValue(number: number, active: boolean): void {
  // In place: whoever has the file open sees it.
  writeFileSync(join(root, `gpio${number}`, 'value'), active ? '1\n' : '0\n', { flag: 'r+' });
}
