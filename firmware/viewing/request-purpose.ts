/** Who may change something here: a person, on purpose; neither another server nor a page of another site. */
import type { HonoRequest } from 'hono';

/** A page of another site cannot send it without asking first, and is not answered then. */
const purposeHeader = 'x-starling';

/** Why a request that changes something must not, if it must not. */
export function foreignRequest(
  request: HonoRequest,
  peer: string | undefined,
): { readonly error: string; readonly advice: string } | undefined {
  if (peer !== undefined) {
    return { error: 'another server may not do this', advice: 'Ask this server itself, as a person.' };
  }
  if (!isOwnOrigin(request.header('origin'), request.header('host') ?? new URL(request.url).host)) {
    return { error: 'a page of another site may not do this', advice: 'Open the page of this server.' };
  }
  if (request.header(purposeHeader) === '1') return undefined;
  return {
    error: 'the request does not say that it is meant',
    advice: 'Send the header X-Starling: 1 with it.',
  };
}

/** Programs send no Origin; pages cannot help sending theirs. */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}
