/**
 * The kernel's table of mounts (`/proc/self/mountinfo`, proc(5)), and which of them a folder lies on. Pure.
 *
 * A disk that was pulled stays in this table, and what the kernel has cached of it can be read as before: that a folder
 * is mounted says nothing about its disk, so the device's number is what is looked up afterwards.
 */

/** Lines that are read; a machine with containers has hundreds. */
const mountsMax = 4096;

export interface Mount {
  /** MAJOR:MINOR; the major number is 0 for a file system without a block device of its own */
  readonly device: string;
  readonly folder: string;
  readonly type: string;
  /** such as /dev/sda1, or the name of something that is no device */
  readonly source: string;
  readonly readOnly: boolean;
}

/** Lines that are not as they should be are left out. */
export function parseMountTable(text: string): Mount[] {
  return text
    .split('\n', mountsMax)
    .map(parseLine)
    .filter((mount) => mount !== undefined);
}

/** `36 35 98:0 /root /folder rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue` */
function parseLine(line: string): Mount | undefined {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [, , device = '', , folder = '', options = ''] = fields;
  const [type, source, superOptions = ''] = dash < 0 ? [] : fields.slice(dash + 1);
  if (!/^\d{1,6}:\d{1,8}$/.test(device) || !folder.startsWith('/')) return undefined;
  if (type === undefined || source === undefined) return undefined;
  // The mount may be read-only, or the file system itself after errors, for which newer kernels have words of their own.
  const words = `${options},${superOptions}`.split(',');
  const readOnly = ['ro', 'emergency_ro', 'shutdown'].some((word) => words.includes(word));
  return { device, folder: unescaped(folder), type, source: unescaped(source), readOnly };
}

/** Spaces, tabs, newlines and backslashes are written as `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** The mount that a folder (absolute, without links) lies on: the deepest, and of those over each other the last. */
export function mountOf(mounts: readonly Mount[], folder: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const inside = mount.folder === '/' || folder === mount.folder || folder.startsWith(`${mount.folder}/`);
    if (inside && mount.folder.length >= (found?.folder.length ?? 0)) found = mount;
  }
  return found;
}
