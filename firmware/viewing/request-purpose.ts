/** Who may change something here: a person, on purpose; neither another server nor a page of another site. */
import type { Context } from 'hono';
import { type Connection, refuse } from './answers.ts';

/** A page of another site cannot send it without asking first, and is not answered then. */
const purposeHeader = 'x-starling';

/** The refusal of a request that changes something and must not. */
export function foreignRequest(c: Context<{ Bindings: Connection }>): Response | undefined {
  const origin = c.req.header('origin');
  if (c.env.peer !== undefined) {
    return refuse(403, 'another server may not do this', 'Ask this server itself, as a person.');
  }
  if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === new URL(c.req.url).host)) {
    return refuse(403, 'a page of another site may not do this', 'Open the page of this server.');
  }
  if (c.req.header(purposeHeader) === '1') return undefined;
  return refuse(403, 'the request does not say that it is meant', 'Send the header X-Starling: 1 with it.');
}
