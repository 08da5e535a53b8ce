/** Reports about machines, for whoever shows them. */
import type { DisksAnswer } from '../../firmware/viewing/api.ts';

const volume: DisksAnswer['volumes'][number] = {
  folder: '/volumes/starling-1',
  verdict: 'OK',
  mounted: '/volumes/starling-1',
  fileSystem: 'ext4',
  label: 'starling-1',
  device: 'sda1',
  disk: 'sda',
  present: true,
  readOnly: false,
  errors: 0,
  totalBytes: 4_000_000_000_000,
  freeBytes: 1_200_000_000_000,
};

const disk: DisksAnswer['disks'][number] = {
  name: 'sda',
  verdict: 'OK',
  model: 'WDC WD40EFRX-68N32N0',
  serial: 'WD-WCC7K0000001',
  bus: 'sata',
  bytes: 4_000_787_030_016,
  rotating: true,
  smart: 'passed',
  smartReason: null,
  temperatureC: 34,
  powerOnHours: 12_345,
  reallocatedSectors: 0,
  pendingSectors: 0,
  uncorrectableErrors: 0,
  cableErrors: 3,
  wearPercent: null,
};

/** A storage box with one disk, of which all is well. */
export function wellBox(server: string): DisksAnswer {
  return {
    server,
    lookedAt: '2026-11-22T12:00:00.000Z',
    verdict: 'OK',
    findings: [],
    volumes: [volume],
    disks: [disk],
    temperatures: [{ name: 'cpu_thermal temp1', celsius: 48.5, limitCelsius: 110 }],
    fans: [{ name: 'pwmfan fan1', rpm: 2100 }],
    power: 'ok',
    leds: [{ name: 'blue:status', on: true, trigger: null }],
    watchdog: { name: 'Meson GXBB Watchdog', timeoutSeconds: 30, running: true, bootedByWatchdog: false },
    clock: {
      now: '2026-11-22T12:00:00.000Z',
      trusted: true,
      why: 'set by a time server',
      battery: true,
      lastKnown: '2026-11-22T11:58:00.000Z',
    },
  };
}

/** The same box: its disk fails, and another was pulled. */
export function failingBox(server: string): DisksAnswer {
  const next = 'Look at its cable and power, plug it in again; then mount it anew.';
  return {
    ...wellBox(server),
    verdict: 'FAIL',
    findings: [
      { verdict: 'FAIL', about: 'volume /volumes/starling-1', text: 'its disk (sda1) is gone', next },
      {
        verdict: 'WARN',
        about: 'disk sda',
        text: '8 sectors cannot be read',
        next: 'Replace the disk soon.',
      },
    ],
    volumes: [{ ...volume, verdict: 'FAIL', present: false }],
    disks: [{ ...disk, verdict: 'WARN', pendingSectors: 8 }],
  };
}
