/** The settings of what turns a camera: limits, speed, where it looks at first. */
import { z } from 'zod';
import { amount, choice, section } from './fields.ts';

const degrees = amount(-180, 180);

/** From where to where an axis turns. */
function turn(min: number, max: number) {
  const error = `expected [MIN, MAX] in degrees, from ${min} to ${max}`;
  const end = z.number({ error }).min(min, { error }).max(max, { error });
  return z.tuple([end, end], { error }).refine(([from, to]) => from <= to, { error });
}

export const mountSection = section({
  kind: choice(['none', 'simulated', 'digital', 'servo'])
    .default('none')
    .describe(
      'what turns the camera; a simulated one moves the view of a test picture, and nothing else; a digital one has no motors: it zooms into the picture, and looks about in it while it is zoomed in; servo: those of camera.gpio turn it, and it zooms into the picture',
    ),
  pan: turn(-180, 180)
    .default([-90, 90])
    .describe('how far it turns to the left and to the right, degrees; equal numbers: not at all'),
  tilt: turn(-90, 90)
    .default([-20, 30])
    .describe('how far it turns down and up, degrees; equal numbers: not at all'),
  zoomMax: amount(1, 64).default(4).describe('how far it zooms in; 1: not at all'),
  degreesPerSecond: amount(0.1, 720).default(40).describe('how fast it turns at most'),
  fieldOfView: amount(1, 180)
    .default(60)
    .describe('what a picture shows from left to right without zoom, degrees'),
  home: section({
    pan: degrees.default(0),
    tilt: degrees.default(0),
    zoom: amount(1, 64).default(1),
  })
    .prefault({})
    .describe('where it looks when it has never been turned, and the preset `home`'),
}).describe('pan, tilt and zoom');

export type MountConfig = z.output<typeof mountSection>;
