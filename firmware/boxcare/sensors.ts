/**
 * Temperature, fans, power, lamps and watchdog of a machine, from `/sys`: hwmon (Documentation/hwmon/sysfs-interface),
 * thermal zones where there is no hwmon, a Raspberry Pi's firmware, `/sys/class/leds`, `/sys/class/watchdog`. Only reads.
 */
import type { DisksAnswer } from '../viewing/api.ts';
import { type BoxFiles, readCount, readNumber } from './box-files.ts';
import type { Finding } from './findings.ts';

/** Chips, and sensors of a chip; LEDs. */
const chipsMax = 32;
const sensorsMax = 16;
const ledsMax = 32;
/** A board's processor slows itself down from about here, where nothing else is known. */
const limitUsual = 85;
/** Warned of so much before. */
const warmBefore = 5;
/** A fan need not turn below. */
const fanFrom = 60;
/** Set in `bootstatus` when the watchdog has started the machine (linux/watchdog.h WDIOF_CARDRESET). */
const cardReset = 0x20;
/** The firmware of a Raspberry Pi; bits 0 and 16: the voltage is, or was, too low; 2 and 18: slowed down. */
const throttledPath = '/sys/devices/platform/soc/soc:firmware/get_throttled';

export type SensorReadings = Pick<DisksAnswer, 'temperatures' | 'fans' | 'power' | 'leds' | 'watchdog'>;
type Temperature = DisksAnswer['temperatures'][number];

export async function readSensors(files: BoxFiles): Promise<SensorReadings> {
  const chips = (await files.list('/sys/class/hwmon')).slice(0, chipsMax);
  const temperatures: Temperature[] = [];
  const fans: SensorReadings['fans'] = [];
  let alarmed: boolean | undefined;
  for (const chip of chips) {
    const path = `/sys/class/hwmon/${chip}`;
    const name = (await files.read(`${path}/name`)) ?? chip;
    const inputs = await files.list(path);
    temperatures.push(...(await temperaturesOf(files, path, { name, inputs })));
    for (const input of inputsOf(inputs, 'fan')) {
      const rpm = await readCount(files, `${path}/${input}_input`);
      if (rpm !== undefined) fans.push({ name: await labelOf(files, path, name, input), rpm });
    }
    if (name === 'rpi_volt') alarmed = (await readNumber(files, `${path}/in0_lcrit_alarm`)) === 1;
  }
  return {
    temperatures: temperatures.length > 0 ? temperatures : await zonesOf(files),
    fans,
    power: await powerOf(files, alarmed),
    leds: await ledsOf(files),
    watchdog: await watchdogOf(files),
  };
}

function inputsOf(names: readonly string[], kind: 'temp' | 'fan'): string[] {
  return names
    .filter((name) => new RegExp(`^${kind}\\d{1,2}_input$`).test(name))
    .map((name) => name.slice(0, -'_input'.length))
    .slice(0, sensorsMax);
}

async function temperaturesOf(
  files: BoxFiles,
  path: string,
  { name, inputs }: { name: string; inputs: readonly string[] },
): Promise<Temperature[]> {
  const found: Temperature[] = [];
  for (const input of inputsOf(inputs, 'temp')) {
    const celsius = celsiusOf(await readNumber(files, `${path}/${input}_input`));
    if (celsius === undefined) continue;
    const critical = celsiusOf(await readNumber(files, `${path}/${input}_crit`));
    const limit = critical ?? celsiusOf(await readNumber(files, `${path}/${input}_max`)) ?? null;
    const label = await labelOf(files, path, name, input);
    // A limit of 0 or 255 °C is none.
    found.push({
      name: label,
      celsius,
      limitCelsius: limit !== null && limit > 0 && limit < 150 ? limit : null,
    });
  }
  return found;
}

async function labelOf(files: BoxFiles, path: string, chip: string, input: string): Promise<string> {
  const label = await files.read(`${path}/${input}_label`);
  return `${chip} ${label ?? input}`.slice(0, 64);
}

async function zonesOf(files: BoxFiles): Promise<Temperature[]> {
  const found: Temperature[] = [];
  const zones = (await files.list('/sys/class/thermal')).filter((name) => name.startsWith('thermal_zone'));
  for (const zone of zones.slice(0, sensorsMax)) {
    const path = `/sys/class/thermal/${zone}`;
    const celsius = celsiusOf(await readNumber(files, `${path}/temp`));
    const name = ((await files.read(`${path}/type`)) ?? zone).slice(0, 64);
    if (celsius !== undefined) found.push({ name, celsius, limitCelsius: null });
  }
  return found;
}

/** Told in thousandths; a sensor that is not connected says what cannot be. */
function celsiusOf(thousandths: number | undefined): number | undefined {
  if (thousandths === undefined || thousandths < -60_000 || thousandths > 200_000) return undefined;
  return Math.round(thousandths / 100) / 10;
}

async function powerOf(files: BoxFiles, alarmed: boolean | undefined): Promise<SensorReadings['power']> {
  const text = await files.read(throttledPath);
  const bits =
    text !== undefined && /^(0x)?[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
  if (bits === undefined && alarmed === undefined) return null;
  if (alarmed === true || ((bits ?? 0) & 1) !== 0) return 'low';
  return ((bits ?? 0) & 0x1_0000) === 0 ? 'ok' : 'was-low';
}

async function ledsOf(files: BoxFiles): Promise<SensorReadings['leds']> {
  const leds: SensorReadings['leds'] = [];
  for (const name of (await files.list('/sys/class/leds')).slice(0, ledsMax)) {
    const path = `/sys/class/leds/${name}`;
    const brightness = await readNumber(files, `${path}/brightness`);
    if (brightness === undefined) continue;
    // All triggers are listed, and the one in use is in brackets.
    const trigger = /\[([\w:-]{1,32})\]/.exec((await files.read(`${path}/trigger`)) ?? '')?.[1];
    leds.push({
      name,
      on: brightness > 0,
      trigger: trigger === undefined || trigger === 'none' ? null : trigger,
    });
  }
  return leds;
}

async function watchdogOf(files: BoxFiles): Promise<SensorReadings['watchdog']> {
  const [first] = await files.list('/sys/class/watchdog');
  if (first === undefined) return null;
  const path = `/sys/class/watchdog/${first}`;
  return {
    name: (await files.read(`${path}/identity`)) ?? first,
    timeoutSeconds: (await readCount(files, `${path}/timeout`)) ?? 0,
    running: (await files.read(`${path}/state`)) === 'active',
    bootedByWatchdog: (((await readNumber(files, `${path}/bootstatus`)) ?? 0) & cardReset) !== 0,
  };
}

/** What to tell of the box itself; disks say themselves how warm they are. */
export function sensorFindings({ temperatures, fans, power, watchdog }: SensorReadings): Finding[] {
  const found: Finding[] = [];
  const add = (verdict: Finding['verdict'], about: string, text: string, next: string): void => {
    found.push({ verdict, about, text, next });
  };
  for (const { name, celsius, limitCelsius } of temperatures) {
    if (/^(drivetemp|nvme)\b/.test(name)) continue;
    const limit = limitCelsius ?? limitUsual;
    if (celsius < limit - warmBefore) continue;
    const next = 'See that the fan turns, that air gets to the box, and that it is out of the sun.';
    add(
      celsius < limit ? 'WARN' : 'FAIL',
      'temperature',
      `${name}: ${celsius} °C, the limit is ${limit} °C`,
      next,
    );
  }
  const warmest = Math.max(...temperatures.map(({ celsius }) => celsius));
  for (const { name, rpm } of fans) {
    if (rpm > 0 || warmest < fanFrom) continue;
    add(
      'WARN',
      'fan',
      `${name} stands still at ${warmest} °C`,
      'See that nothing blocks it and that its plug is in.',
    );
  }
  const supply =
    "Use the board's own power supply and a short cable; a disk on USB needs a supply of its own.";
  if (power === 'low') add('FAIL', 'power', 'the voltage is too low now', supply);
  if (power === 'was-low')
    add('WARN', 'power', 'the voltage has been too low since the board was switched on', supply);
  if (watchdog?.bootedByWatchdog === true)
    add(
      'WARN',
      'watchdog',
      'the machine stood still, and its watchdog has started it again',
      'See its log of the time before (`starling log`); if it happens again, look at power, heat and memory.',
    );
  return found;
}
