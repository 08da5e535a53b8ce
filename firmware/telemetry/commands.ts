/**
 * Commands that came by MQTT: JSON from whoever may publish at the broker, so anything at all. Parsed here, checked
 * again by the camera.
 */
import { z } from 'zod';
import { accept, type Result, reject } from '../base/result.ts';
import { streamFault } from '../media/stream-settings.ts';
import type { StreamWish } from '../viewing/stream-access.ts';
import type { SteerWish } from './steer-access.ts';

/** Largest command, in bytes. */
const commandBytesMax = 1_024;
const degrees = z.number().min(-720).max(720);
const factor = z.number().min(0).max(128);
const share = z.number().min(-1).max(1);

/** What a preset's name may look like; which there are, the camera knows. */
const presetName = z.string().regex(/^[^\p{Cc}\p{Cs}]{1,64}$/u);

const ptz = z
  .strictObject({
    pan: degrees,
    tilt: degrees,
    zoom: factor,
    relative: z.boolean(),
    velocity: z.strictObject({ pan: share, tilt: share, zoom: share }).partial(),
    preset: presetName,
    stop: z.literal(true),
  })
  .partial()
  .refine(
    ({ pan, tilt, zoom, velocity, preset, stop }) => {
      const place = pan !== undefined || tilt !== undefined || zoom !== undefined;
      return (
        [place, velocity !== undefined, preset !== undefined, stop === true].filter(Boolean).length === 1
      );
    },
    { error: 'expected one of: pan, tilt, zoom; velocity; preset; stop' },
  );

const stream = z
  .strictObject({
    bitrateKbps: z.number(),
    frameRate: z.number(),
    keyframeIntervalMs: z.number(),
    reset: z.boolean(),
  })
  .partial()
  .refine((change) => Object.keys(change).length > 0, { error: 'nothing to change' })
  .refine((change) => streamFault(change) === undefined, {
    error: ({ input }) => streamFault(input as Record<string, number>) ?? '',
  });

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function parsePtzCommand(payload: Uint8Array): Result<SteerWish> {
  return parse(payload, ptz);
}

export function parseStreamCommand(payload: Uint8Array): Result<StreamWish> {
  const change = parse(payload, stream);
  return change.ok ? accept({ ...change.value, reset: change.value.reset ?? false }) : change;
}

/** Who says in a camera's state that it is theirs; undefined for anything else. */
export function parseClaim(payload: Uint8Array): { manager: string; epoch: number } | undefined {
  const parsed = parse(payload, claim, claimBytesMax);
  return parsed.ok ? parsed.value : undefined;
}

const claimBytesMax = 8 * 1024;
const claim = z.object({ manager: z.string().max(32), epoch: z.int().min(0) });

function parse<T>(payload: Uint8Array, schema: z.ZodType<T>, bytesMax = commandBytesMax): Result<T> {
  if (payload.length > bytesMax) return reject('too large');
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(payload));
  } catch {
    return reject('no JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return accept(parsed.data);
  const [issue] = parsed.error.issues;
  const place = issue?.path.map((part) => String(part).slice(0, 20)).join('.') ?? '';
  return reject(`${place === '' ? '' : `${place}: `}${issue?.message.slice(0, 120) ?? 'malformed'}`);
}
