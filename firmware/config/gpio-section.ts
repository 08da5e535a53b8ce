/**
 * The settings under `camera.gpio`: what is connected to the lines of this unit. Every part is either `true`, for where the
 * board's README connects it, or its own wiring; what is not named is not there.
 */
import { z } from 'zod';
import { choice, id, integer, listOf, section, textThat } from './fields.ts';

const boolean = z.boolean({ error: 'expected true or false' });

/** As kernels name their devices. */
const word = textThat(
  (text) => /^[A-Za-z0-9][\w,.:+-]{0,63}$/.test(text),
  'expected a word of letters, digits and , . : + - _',
);

const line = section({
  line: integer(0, 511).describe('line of the GPIO chip'),
  activeLow: boolean.default(false).describe('whether it means yes when it is low'),
});

const servo = section({
  line: integer(0, 511).describe('line of the GPIO chip that carries the pulses'),
  channel: integer(0, 15).optional().describe('channel of the PWM chip that can drive the same pin'),
  minUs: integer(400, 1500).default(1000).describe('pulse at the one end, µs'),
  maxUs: integer(1500, 2600).default(2000).describe('pulse at the other end, µs'),
  degrees: integer(10, 360).default(90).describe('how far it turns from the one end to the other, degrees'),
  reversed: boolean.default(false).describe('whether longer pulses turn it to the left, or down'),
});

const endStop = section({
  axis: choice(['pan', 'tilt']),
  side: choice(['min', 'max']).describe('the end that it guards: min is left or down, max is right or up'),
  ...line.shape,
});

/** `true` for where the board has it, `false` for nothing, or its own wiring. */
function wired<T extends z.ZodType>(own: T) {
  return z
    .union([boolean, own], { error: 'expected true, for where the board has it, or its own line' })
    .default(false);
}

export const gpioSection = section({
  camera: id
    .optional()
    .describe('the camera that the sensors belong to and the servos turn; by default the first of this unit'),
  chip: section({
    chipLabel: word.describe('label of the GPIO chip, as /sys/class/gpio/gpiochip*/label says it'),
    lineCount: integer(1, 512).describe('lines of that chip, as its ngpio says'),
  })
    .optional()
    .describe('the chip of all lines; by default that of the board'),
  pwm: section({
    device: word.describe('name of the device of the PWM chip, where /sys/class/pwm/pwmchip*/device leads'),
    channelCount: integer(1, 16).describe('channels of that chip, as its npwm says'),
  })
    .optional()
    .describe('the chip of all PWM channels; by default that of the board'),
  servoDriver: choice(['auto', 'pwm', 'burst'])
    .default('auto')
    .describe(
      'what makes servo pulses: the kernel’s PWM chip, bursts on GPIO lines, or the first that works',
    ),
  servos: wired(
    section({
      pan: servo.optional(),
      tilt: servo.optional(),
      power: line.optional().describe('line that switches the power of the servos'),
    }),
  ).describe('the servos of a mount of kind servo'),
  endStops: wired(listOf(endStop, 0, 4)).describe('switches that say that an axis is at its end'),
  pir: wired(line).describe('a sensor that sees warm bodies move'),
  button: wired(line).describe('a button that people press, as at a door'),
  tallyLed: wired(line).describe('a light: on while recorded, blinking while the unit looks for a server'),
})
  .prefault({})
  .describe('what is connected to the lines of this unit');

export type GpioConfig = z.output<typeof gpioSection>;

interface Fault {
  readonly path: (string | number)[];
  readonly error: string;
}

interface Mounted {
  readonly id: string;
  readonly mount: { readonly kind: string };
}

/** Servos turn one camera, and that is one of this unit's. */
export function gpioFaults(cameras: readonly Mounted[], gpio: GpioConfig): Fault[] {
  const owner = gpio.camera ?? cameras[0]?.id;
  const faults: Fault[] = [];
  if (!cameras.some(({ id: camera }) => camera === owner))
    faults.push({ path: ['gpio', 'camera'], error: 'expected one of the cameras of this unit' });
  for (const [place, { id: camera, mount }] of cameras.entries()) {
    if (mount.kind !== 'servo') continue;
    const path = ['cameras', place, 'mount', 'kind'];
    if (gpio.servos === false)
      faults.push({ path, error: 'expected servos in camera.gpio for a mount of kind servo' });
    else if (camera !== owner)
      faults.push({
        path,
        error: `expected no servo: those of this unit turn ${owner}, see camera.gpio.camera`,
      });
  }
  return faults;
}
