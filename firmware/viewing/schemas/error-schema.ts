/** The answer to everything that was refused or failed. */
import { z } from '@hono/zod-openapi';

export const errorAnswer = z
  .object({
    error: z.string().describe('what is wrong'),
    advice: z.string().describe('what can be done about it'),
  })
  .openapi('ErrorAnswer');
