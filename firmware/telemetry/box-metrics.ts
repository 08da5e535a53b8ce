/**
 * The machine of a server for Prometheus: disks, file systems, temperature, fans, power, clock. Labels are the names of
 * disks, folders and sensors, of which box-care.ts bounds the number.
 */
import type { DisksAnswer } from '../viewing/api.ts';

type Series = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

/** Adds a gauge that is read when it is asked for. */
type AddGauge = (name: string, help: string, labelNames: string[], series: () => Series) => void;

type DiskFigure = {
  [K in keyof DisksAnswer['disks'][number]]: DisksAnswer['disks'][number][K] extends number | null
    ? K
    : never;
}[keyof DisksAnswer['disks'][number]];

const diskFigures: readonly (readonly [key: DiskFigure, name: string, help: string])[] = [
  ['temperatureC', 'starling_disk_temperature_celsius', 'Temperature of a disk'],
  ['reallocatedSectors', 'starling_disk_reallocated_sectors', 'Sectors that were replaced by spare ones'],
  ['pendingSectors', 'starling_disk_pending_sectors', 'Sectors that cannot be read now'],
  ['uncorrectableErrors', 'starling_disk_uncorrectable_errors', 'Reads that have failed for good'],
  ['cableErrors', 'starling_disk_cable_errors', 'Errors between disk and board'],
];

export function observeBox(gauge: AddGauge, disks: () => DisksAnswer): void {
  const of = (verdict: DisksAnswer['verdict']): number =>
    disks().findings.filter((one) => one.verdict === verdict).length;
  gauge('starling_box_findings', 'What is wrong with the machine', ['verdict'], () => [
    [{ verdict: 'WARN' }, of('WARN')],
    [{ verdict: 'FAIL' }, of('FAIL')],
  ]);
  gauge(
    'starling_disk_healthy',
    '1 for a disk of which nothing bad is known, 0.5 with a warning',
    ['disk'],
    () => disks().disks.map(({ name, verdict }) => [{ disk: name }, { OK: 1, WARN: 0.5, FAIL: 0 }[verdict]]),
  );
  for (const [key, name, help] of diskFigures) {
    gauge(name, help, ['disk'], () =>
      disks().disks.flatMap((disk) => {
        const value = disk[key];
        return value === null ? [] : [[{ disk: disk.name }, value] as const];
      }),
    );
  }
  gauge('starling_disk_worn_ratio', 'Share of its rated life that is used', ['disk'], () =>
    disks().disks.flatMap(({ name, wearPercent }) =>
      wearPercent === null ? [] : [[{ disk: name }, wearPercent / 100] as const],
    ),
  );
  gauge('starling_storage_present', '0 when the disk of a folder was pulled', ['folder'], () =>
    disks().volumes.map(({ folder, present }) => [{ folder }, Number(present)]),
  );
  gauge('starling_storage_errors', 'Errors that the file system of a folder has counted', ['folder'], () =>
    disks().volumes.flatMap(({ folder, errors }) => (errors === null ? [] : [[{ folder }, errors] as const])),
  );
  gauge('starling_box_temperature_celsius', 'Temperature of a part of the machine', ['sensor'], () =>
    disks().temperatures.map(({ name, celsius }) => [{ sensor: name }, celsius]),
  );
  gauge('starling_box_fan_rpm', 'Turns of a fan per minute', ['fan'], () =>
    disks().fans.map(({ name, rpm }) => [{ fan: name }, rpm]),
  );
  gauge('starling_box_voltage_low', '1 while the voltage of the board is too low', [], () => {
    const { power } = disks();
    return power === null ? [] : [[{}, Number(power === 'low')]];
  });
  gauge('starling_clock_trusted', '1 while the clock of the machine is trusted', [], () => [
    [{}, Number(disks().clock.trusted)],
  ]);
}
