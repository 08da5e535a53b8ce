/** What a person types after `ptz` on the field console, as a wish to a mount. */

import { Failure } from '../base/failure.ts';
import { isPresetName } from '../base/given-name.ts';
import type { SteerWish } from '../overlay/steer-packet.ts';

export const steerUsage =
  '[CAMERA] [to PAN TILT [ZOOM] | by PAN TILT | home | go NAME | save NAME | drop NAME | stop]';

const nothing = { pan: undefined, tilt: undefined, zoom: undefined, velocity: undefined, preset: undefined };

/** Without a camera it is the unit's only one. Throws Failure USAGE. */
export function parseSteerArguments(
  args: readonly string[],
  cameras: readonly string[],
): { camera: string; wish: SteerWish } {
  const named = args[0] !== undefined && cameras.includes(args[0]);
  const camera = named ? args[0] : cameras[0];
  if (camera === undefined) throw usage('there is no camera here');
  if (!named && cameras.length > 1) throw usage(`name the camera: ${cameras.join(', ')}`);
  const [verb = 'where', ...rest] = named ? args.slice(1) : args;
  return { camera, wish: wishOf(verb, rest) };
}

function wishOf(verb: string, rest: readonly string[]): SteerWish {
  switch (verb) {
    case 'where':
      return { ...nothing, verb: 'ask' };
    case 'stop':
      return { ...nothing, verb: 'stop' };
    case 'home':
      return { ...nothing, verb: 'recall', preset: 'home' };
    case 'go':
      return { ...nothing, verb: 'recall', preset: presetOf(rest) };
    case 'save':
    case 'drop':
      return { ...nothing, verb, preset: presetOf(rest) };
    case 'to':
    case 'by':
      return { ...nothing, verb, ...placeOf(rest) };
    default:
      throw usage(`${JSON.stringify(verb.slice(0, 40))} is no such command, or no camera of this unit`);
  }
}

function placeOf(words: readonly string[]): Pick<SteerWish, 'pan' | 'tilt' | 'zoom'> {
  const numbers = words.map(Number);
  const [pan, tilt, zoom] = numbers;
  if (words.length < 2 || words.length > 3 || !numbers.every((number) => Math.abs(number) <= 360))
    throw usage('give pan and tilt in degrees, and if need be zoom');
  if (zoom !== undefined && (zoom < 1 || zoom > 64)) throw usage('zoom is 1 to 64');
  return { pan, tilt, zoom };
}

function presetOf([name = '']: readonly string[]): string {
  if (!isPresetName(name)) throw usage('give the name of a preset');
  return name;
}

function usage(message: string): Failure {
  return new Failure('USAGE', message, { advice: `ptz ${steerUsage}` });
}
