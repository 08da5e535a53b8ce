/** A whole HTTP/1 answer as it came from a socket that was read to its end: status, body, and what was said after it. */

export interface HttpAnswer {
  /** 0: no answer at all */
  readonly status: number;
  readonly body: Buffer;
  /** names in lower case, of head and trailer together: a trailer knows more than the head */
  readonly headers: ReadonlyMap<string, string>;
}

export function parseAnswer(bytes: Buffer): HttpAnswer {
  const headEnd = bytes.indexOf('\r\n\r\n');
  const [first = '', ...lines] = bytes.toString('latin1', 0, Math.max(0, headEnd)).split('\r\n');
  const [, status = '0'] = /^HTTP\/1\.\d (\d+)/.exec(first) ?? [];
  const headers = new Map(lines.map(fieldOf));
  const rest = bytes.subarray(headEnd + 4);
  if (headers.get('transfer-encoding') !== 'chunked') return { status: Number(status), body: rest, headers };
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) throw new Error('an answer broke off');
    const length = Number.parseInt(rest.toString('latin1', at, lineEnd), 16);
    at = lineEnd + 2;
    if (length === 0) break;
    if (at + length > rest.length) throw new Error('an answer broke off');
    chunks.push(rest.subarray(at, at + length));
    at += length + 2;
  }
  const trailer = rest.toString('latin1', at).split('\r\n').filter(Boolean);
  for (const [name, value] of trailer.map(fieldOf)) headers.set(name, value);
  return { status: Number(status), body: Buffer.concat(chunks), headers };
}

function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
}
