/**
 * The one schema of `boards/<id>/board.yaml`: what a board has, how it captures, and what its image is made of. A board is
 * data: no code asks which board it is, only what the board says.
 *
 * Invariants: what is not in the schema is an error; a board without a part simply leaves it out; GPIO has lines, PWM
 * has channels, and both are numbered as the chip numbers them, never as the kernel's sysfs or a connector does. Units are
 * part of a name (`Us`, `Mb`, `Kbps`) or given in the description. See parts of it in board-image-schema.ts.
 */
import { z } from 'zod';
import { choice, id, integer, listOf, section, textThat, withoutRepeats } from '../config/fields.ts';
import { unitRoles } from '../site/identity.ts';
import { imageSection } from './board-image-schema.ts';
import { captureSection } from './capture-schema.ts';
import { devicePath, partitionLabel, word } from './names.ts';
import { wiringFaults } from './wiring-faults.ts';

const boolean = z.boolean({ error: 'expected true or false' });
const line = integer(0, 511);

/** One GPIO line of the board's chip. */
const gpioLine = section({
  line: line.describe('line of the GPIO chip'),
  activeLow: boolean.default(false).describe('whether it means yes when it is low'),
});

const servo = section({
  line: line.describe('line of the GPIO chip that carries the pulses'),
  channel: integer(0, 15).optional().describe('channel of the PWM chip that can drive the same pin'),
  minUs: integer(400, 1500).default(1000).describe('pulse at the one end, µs'),
  maxUs: integer(1500, 2600).default(2000).describe('pulse at the other end, µs'),
  degrees: integer(10, 360).default(90).describe('how far it turns from the one end to the other, degrees'),
  reversed: boolean.default(false).describe('whether longer pulses turn it to the left, or down'),
}).describe('a hobby servo: pulses of 1 to 2 ms, fifty a second');

const endStop = section({
  axis: choice(['pan', 'tilt']),
  side: choice(['min', 'max']).describe('the end that it guards: min is left or down, max is right or up'),
  ...gpioLine.shape,
}).describe('a switch that says that an axis is at its end');

const gpio = section({
  chipLabel: word.describe('label of the GPIO chip, as /sys/class/gpio/gpiochip*/label says it'),
  lineCount: integer(1, 512).describe('lines of that chip, as its ngpio says'),
}).describe('the chip whose lines the board brings out');

const pwm = section({
  device: word.describe(
    'name of the device of the PWM chip, where /sys/class/pwm/pwmchip*/device leads, such as fe20c000.pwm',
  ),
  channelCount: integer(1, 16).describe('channels of that chip, as its npwm says'),
}).describe('the chip that makes servo pulses without the processor');

const serialPort = {
  path: devicePath.describe('serial port of the field console'),
  baud: integer(1200, 4_000_000).default(115_200).describe('its speed, bit/s, 8 data bits, no parity'),
};

const led = section({
  name: id.describe('name in the answers of this program'),
  sysfs: textThat((text) => /^[\w:.+-]{1,64}$/.test(text), 'expected a name in /sys/class/leds').describe(
    'its name in /sys/class/leds',
  ),
  shows: choice(['running', 'power', 'network', 'disk', 'fault'])
    .optional()
    .describe('what the program shows with it; by default it is left to the kernel'),
});

const storage = section({
  device: devicePath
    .optional()
    .describe('the disk or card that the image is flashed to, as the board names it'),
  data: partitionLabel.default('data').describe('label of the partition of what the unit keeps'),
  volumes: listOf(partitionLabel, 0, 16)
    .default([])
    .describe(
      'labels of the partitions that a server records on; by default it records on the data partition',
    ),
  reserveMb: integer(16, 100_000)
    .default(256)
    .describe('free space that is always left on the data partition, MB'),
});

/** Everything that a board.yaml says; see the descriptions. */
export const boardSchema = section({
  id: id.describe('name of the board, and of its folder'),
  name: textThat(
    (text) => /^[^\p{Cc}\p{Cs}]{1,64}$/u.test(text),
    'expected a name of 1..64 characters',
  ).describe('name that people know it by'),
  compatible: listOf(word, 0, 8)
    .default([])
    .describe('how the running board is recognised: any of these stands in /proc/device-tree/compatible'),
  standsFor: choice(['itself', 'its-architecture', 'everything'])
    .default('itself')
    .describe('for which machines that no other board fits it stands, too'),
  roles: withoutRepeats(listOf(choice(unitRoles), 1, 2), (role) => role, 'expected different roles'),
  architecture: choice(['arm64', 'amd64']).describe('as Debian names it'),
  image: imageSection.optional(),
  capture: captureSection.optional(),
  gpio: gpio.optional(),
  pwm: pwm.optional(),
  servos: section({
    pan: servo.optional(),
    tilt: servo.optional(),
    power: gpioLine.optional().describe('line that switches the power of the servos'),
  })
    .optional()
    .describe('where servos are connected'),
  endStops: listOf(endStop, 0, 4).default([]),
  pir: gpioLine.optional().describe('a sensor that sees warm bodies move'),
  button: gpioLine.optional().describe('a button that people press'),
  tallyLed: gpioLine.optional().describe('a light that says that somebody watches or records'),
  leds: listOf(led, 0, 16).default([]),
  fan: section({
    hwmon: word.describe('name of the fan, as /sys/class/hwmon/hwmon*/name says it'),
  }).optional(),
  console: section({
    ...serialPort,
    second: section(serialPort).optional().describe('a further serial port with the same console'),
  }).optional(),
  watchdog: section({
    path: devicePath.default('/dev/watchdog0'),
    seconds: integer(1, 600).describe('time without a sign of life after which it starts the board anew, s'),
  })
    .optional()
    .describe('the hardware watchdog, which systemd holds on an image'),
  rtc: boolean.describe('whether a clock with a battery goes on while the board is off'),
  storage: storage.prefault({}),
  network: section({
    interface: word.optional().describe('name of the wired network interface'),
    wifi: word.optional().describe('name of the wireless network interface'),
  }).prefault({}),
  memory: section({
    nodeMb: integer(64, 16_384)
      .default(256)
      .describe('most memory of the program without recordings on their way, MB'),
    outboxMb: integer(1, 1024).default(32).describe('most memory for samples that wait for a server, MB'),
  }).prefault({}),
})
  .refine(({ compatible, standsFor }) => compatible.length > 0 || standsFor !== 'itself', {
    path: ['compatible'],
    error: 'expected a name by which the board is recognised, or standsFor',
  })
  .superRefine((board, context) => {
    for (const { path, error } of wiringFaults(board))
      context.addIssue({ code: 'custom', path, message: error });
  });

/** A board, complete and in bounds. */
export type Board = z.output<typeof boardSchema>;
/** What may stand in board.yaml: as `Board`, but what has a default may be missing. */
export type BoardDocument = z.input<typeof boardSchema>;
export type BoardCapture = z.output<typeof captureSection>;
export type BoardImage = z.output<typeof imageSection>;
