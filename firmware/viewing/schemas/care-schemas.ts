/** Answers about the machine a server runs on: disks, file systems, temperature, power, watchdog, clock. */
import { z } from '@hono/zod-openapi';
import { count, id, time } from './fields.ts';

const verdict = z.enum(['OK', 'WARN', 'FAIL']).describe('FAIL: it does not do its work, or is about to stop');

const findingAnswer = z
  .object({
    verdict: z.enum(['WARN', 'FAIL']),
    about: z.string().describe('such as `disk sda` or `volume /volumes/a`'),
    text: z.string(),
    next: z.string().describe('what to do about it'),
  })
  .openapi('FindingAnswer');

/** What a folder for recordings lies on. */
const careVolumeAnswer = z
  .object({
    folder: z.string(),
    verdict,
    mounted: z.string().nullable().describe('the mount it lies on; null when nobody can tell'),
    fileSystem: z.string().nullable().describe('such as ext4'),
    label: z.string().nullable().describe('of the file system'),
    device: z.string().nullable().describe('such as sda1; null without a block device'),
    disk: z.string().nullable().describe('such as sda'),
    present: z.boolean().describe('false: its disk was pulled, though it is mounted as before'),
    readOnly: z.boolean(),
    errors: count.nullable().describe('that the file system has counted since it was last checked'),
    totalBytes: count,
    freeBytes: count,
  })
  .openapi('CareVolumeAnswer');

const figure = count.nullable();

const careDiskAnswer = z
  .object({
    name: z.string().describe('such as sda'),
    verdict,
    model: z.string().nullable(),
    serial: z.string().nullable(),
    bus: z.enum(['sata', 'usb', 'nvme', 'mmc', 'virtual', 'other']),
    bytes: count,
    rotating: z.boolean(),
    smart: z
      .enum(['passed', 'failed', 'none', 'asleep', 'unread'])
      .describe('none: it does not tell; asleep: it was not woken up; unread: not asked yet'),
    smartReason: z.string().nullable().describe('why nothing is known'),
    temperatureC: z.number().nullable(),
    powerOnHours: figure,
    reallocatedSectors: figure,
    pendingSectors: figure,
    uncorrectableErrors: figure,
    cableErrors: figure,
    wearPercent: figure.describe('of its rated life that is used'),
  })
  .openapi('CareDiskAnswer');

/** The machine of the server that is asked. */
export const disksAnswer = z
  .object({
    server: id,
    lookedAt: time.nullable().describe('null before it was looked at'),
    verdict,
    findings: z.array(findingAnswer).describe('the worst first; none: all is well'),
    volumes: z.array(careVolumeAnswer),
    disks: z.array(careDiskAnswer),
    temperatures: z.array(
      z.object({ name: z.string(), celsius: z.number(), limitCelsius: z.number().nullable() }),
    ),
    fans: z.array(z.object({ name: z.string(), rpm: count })),
    power: z.enum(['ok', 'was-low', 'low']).nullable().describe('was-low: since it was switched on'),
    leds: z.array(z.object({ name: z.string(), on: z.boolean(), trigger: z.string().nullable() })),
    watchdog: z
      .object({
        name: z.string(),
        timeoutSeconds: count,
        running: z.boolean(),
        bootedByWatchdog: z.boolean().describe('the machine stood still and was started again by it'),
      })
      .nullable()
      .describe('of the hardware; null without one'),
    clock: z.object({
      now: time,
      trusted: z.boolean(),
      why: z.string(),
      battery: z.boolean().describe('the clock goes on while the power is off'),
      lastKnown: time.nullable().describe('the last time that was trusted, as it was kept'),
    }),
  })
  .openapi('DisksAnswer');
