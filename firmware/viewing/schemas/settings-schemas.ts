/** What people set about cameras and servers. They are rows of the site document, so every server answers the same. */
import { z } from '@hono/zod-openapi';
import { isGivenName } from '../../base/given-name.ts';
import { id } from './fields.ts';

/** Longest names, in characters. */
const nameMax = 60;

const name = z
  .string()
  .refine(
    (text) => text === '' || isGivenName(text, nameMax),
    `expected up to ${nameMax} characters on one line`,
  );
const days = z
  .int('expected a whole number of days')
  .min(1, 'expected 1..36500')
  .max(36_500, 'expected 1..36500')
  .nullable();
const maxMb = z
  .int('expected a whole number of MB')
  .min(10, 'expected 10..1000000000')
  .max(1_000_000_000, 'expected 10..1000000000')
  .nullable();

const camera = {
  name: name.describe('empty: shown by its id'),
  group: name.describe('empty: in no group'),
  days: days.describe(
    'recordings older than this are deleted, on every server; null: as the servers are set',
  ),
  maxMb: maxMb.describe('most that its recordings may take on each server; null: as the servers are set'),
};
const server = {
  name: name.describe('empty: shown by its id'),
  days: days.describe(
    'recordings of all cameras older than this are deleted here; null: as its unit.yaml says',
  ),
};

export const cameraSettingsAnswer = z.object({ camera: id, ...camera }).openapi('CameraSettingsAnswer');
export const cameraSettingsChange = z
  .strictObject(camera)
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'expected something to change')
  .openapi('CameraSettingsChange');
export const serverSettingsAnswer = z.object({ server: id, ...server }).openapi('ServerSettingsAnswer');
export const serverSettingsChange = z
  .strictObject(server)
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'expected something to change')
  .openapi('ServerSettingsChange');

/** The camera that was taken off the lists. */
export const cameraRemovedAnswer = z
  .object({ camera: id, recordings: z.literal('kept').describe('until retention deletes them') })
  .openapi('CameraRemovedAnswer');
