/**
 * Fields that many requests and answers have: ids, times. What a request says in them is checked here once, and the
 * message tells what was expected.
 */
import { z } from '@hono/zod-openapi';
import { idPattern } from '../../base/id-pattern.ts';

/** Name of a camera, a server or a unit. */
export const id = z
  .string()
  .regex(idPattern, 'expected an id: lower-case letters, digits and hyphens, 32 at most')
  .openapi({ example: 'cam-1' });

/** A time in an answer. */
export const time = z.string().openapi({
  format: 'date-time',
  description: 'ISO 8601 in UTC with ms',
  example: '2026-11-22T12:00:00.000Z',
});

/** A time in a request; `parseTime` reads it, so that the refusal says what is wrong. */
export const timeQuery = z
  .string()
  .max(40, 'is too long for a time')
  .openapi({ description: 'ISO 8601 with a zone, or Unix seconds', example: '2026-11-22T12:00:00Z' });

/** 0, 1, 2 … */
export const count = z.number().int().nonnegative();

/** A whole number in a query, within bounds. */
export function wholeNumber(min: number, max: number) {
  const expected = `expected a whole number, ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, expected)
    .transform(Number)
    .refine((value) => value >= min && value <= max, expected)
    .openapi({ type: 'integer', minimum: min, maximum: max });
}

/** For routes that pass a question on to the server it is about. */
export const serverQuery = id
  .optional()
  .openapi({ description: 'the server that is to answer; by default this one' });

/** Content that is no JSON. */
export function binary(type: string, description: string) {
  return { content: { [type]: { schema: z.string().openapi({ format: 'binary' }) } }, description };
}
