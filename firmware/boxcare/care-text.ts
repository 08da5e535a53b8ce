/**
 * The machine of a server for people, on a screen of 80 columns without colours: what `starling disks` prints and what
 * the field console shows. Pure.
 */
import { formatBytes } from '../base/quantity-text.ts';
import type { DisksAnswer } from '../viewing/api.ts';

type Row = readonly string[];

/** The verdict, what is wrong with the next step, then the disks, folders and sensors. */
export function disksText(report: DisksAnswer): string {
  const { server, verdict, findings, lookedAt } = report;
  if (lookedAt === null) return `${server}: not looked at yet; ask again in a moment\n`;
  const head = findings.length === 0 ? `${server}: OK\n` : `${server}: ${verdict}\n`;
  const wrong = findings.map((one) => `  ${one.verdict} ${one.about}: ${one.text}\n       ${one.next}\n`);
  const parts = [disksTable(report), volumesTable(report), sensorsLines(report)].filter(
    (part) => part !== '',
  );
  return printable(`${head}${wrong.join('')}\n${parts.join('\n')}`);
}

/** Whether the clock can be believed, and why. */
export function timeText({ clock, findings }: DisksAnswer): string {
  const { now, trusted, why, battery, lastKnown } = clock;
  const next = findings.filter(({ about }) => about === 'clock').map((one) => `  ${one.next}\n`);
  return printable(
    `${trusted ? 'OK  ' : 'WARN'} ${now}  ${why}\n${next.join('')}battery: ${battery ? 'yes' : 'no'}, last trusted: ${lastKnown ?? 'never'}\n`,
  );
}

function disksTable({ disks }: DisksAnswer): string {
  if (disks.length === 0) return 'no disks\n';
  const rows = disks.map((disk): Row => {
    const bad = (disk.reallocatedSectors ?? 0) + (disk.pendingSectors ?? 0) + (disk.uncorrectableErrors ?? 0);
    const knowsBad = disk.reallocatedSectors !== null || disk.uncorrectableErrors !== null;
    return [
      disk.verdict,
      disk.name,
      disk.model ?? '?',
      formatBytes(disk.bytes),
      disk.bus,
      disk.smart === 'none' && disk.bus !== 'virtual' && disk.bus !== 'mmc' ? 'says nothing' : disk.smart,
      disk.temperatureC === null ? '-' : `${disk.temperatureC} °C`,
      disk.powerOnHours === null ? '-' : `${disk.powerOnHours} h`,
      knowsBad ? String(bad) : '-',
      disk.wearPercent === null ? '-' : `${disk.wearPercent} %`,
    ];
  });
  return table(['', 'DISK', 'MODEL', 'SIZE', 'BUS', 'SMART', 'TEMP', 'ON FOR', 'BAD', 'WORN'], rows);
}

function volumesTable({ volumes }: DisksAnswer): string {
  if (volumes.length === 0) return '';
  const rows = volumes.map((one): Row => {
    const free =
      one.totalBytes === 0 ? '-' : `${formatBytes(one.freeBytes)} of ${formatBytes(one.totalBytes)}`;
    const device =
      one.device === null ? (one.fileSystem ?? '?') : `${one.device}${one.present ? '' : ' (gone)'}`;
    const errors = one.errors === null ? '-' : String(one.errors);
    return [one.verdict, one.folder, one.label ?? '-', device, free, errors];
  });
  return table(['', 'VOLUME', 'LABEL', 'DEVICE', 'FREE', 'ERRORS'], rows);
}

function sensorsLines({ temperatures, fans, power, watchdog, clock }: DisksAnswer): string {
  const warm = temperatures.map(({ name, celsius }) => `${name} ${celsius} °C`);
  const turning = fans.map(({ name, rpm }) => `${name} ${rpm}/min`);
  const voltage = { ok: 'ok', low: 'too low', 'was-low': 'was too low' } as const;
  const dog =
    watchdog === null
      ? 'none'
      : `${watchdog.name}, ${watchdog.running ? `runs, ${watchdog.timeoutSeconds} s` : 'does not run'}`;
  const lines = [
    ...(warm.length > 0 ? [`temperature  ${warm.join(', ')}`] : []),
    ...(turning.length > 0 ? [`fans         ${turning.join(', ')}`] : []),
    ...(power === null ? [] : [`voltage      ${voltage[power]}`]),
    `watchdog     ${dog}`,
    `clock        ${clock.trusted ? 'trusted' : 'not trusted'}: ${clock.why}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function table(heading: Row, rows: readonly Row[]): string {
  const lines = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) =>
      `${widths.map((width, column) => (line[column] ?? '').padEnd(width)).join('  ')}`.trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Disks name themselves: no control characters reach the terminal. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, '\ufffd');
}
