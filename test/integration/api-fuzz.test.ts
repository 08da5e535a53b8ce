/**
 * Every operation of the OpenAPI document, asked with what its schemas describe and with what they do not: an answer
 * within seconds, never one of a bug, with a status and a body that the document knows.
 *
 * A failure names its seed: `SEED=123 npx tsx --test test/integration/api-fuzz.test.ts` replays it; `RUNS=1000` tries harder.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../firmware/io/system-clock.ts';
import type { Api } from '../../firmware/viewing/routing.ts';
import { AccessSite } from '../support/access-site.ts';
import { connectionOf } from '../support/bare-viewing.ts';
import { openFullSite } from '../support/full-site.ts';
import { hostileTexts, type JsonSchema, nearlyValueOf, valueOf } from '../support/schema-arbitrary.ts';
import type { ViewingSite } from '../support/viewing-site.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env['RUNS'] ?? 60);
const answerMs = 8_000;

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}

let site: ViewingSite;

before(async () => {
  // Limits of how often something may be asked would leave little to try.
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() * 1_000 };
  site = await openFullSite(new AccessSite(['a', 'b']), { clock, open: 'open' });
});

after(() => site[Symbol.asyncDispose]());

/** What is put into a path or query as it is, and what is escaped. */
const rawTexts = fc.constantFrom(
  '..',
  '%2e%2e%2f',
  '%',
  '%00',
  '%ff',
  '%c0%af',
  'a%2fb',
  '%252e',
  'a;b',
  'a|b',
);
const hostileText = fc.oneof(
  rawTexts,
  fc.constantFrom(...hostileTexts).map(escaped),
  fc.string().map(escaped),
);

function escaped(text: string): string {
  // Half a surrogate pair cannot be escaped.
  return encodeURIComponent(Buffer.from(text).toString());
}

function textOf(value: unknown): string {
  return escaped(typeof value === 'string' ? value : JSON.stringify(value));
}

/** Names of what there is, among all that an id could be. */
const known: Readonly<Record<string, readonly string[]>> = {
  camera: ['door', 'yard', 'nobody'],
  server: ['a', 'b', 'nobody'],
  day: ['2026-11-22'],
  segment: ['120000.000Z-1-0'],
  file: ['120000.000Z-1-0.mp4', '120000.000Z-1-0.json', '0-2.mp4', 'init.mp4'],
  preset: ['home', 'gate'],
};

function requestOf(
  { path, method, operation }: { path: string; method: string; operation: Operation },
  resolve: (ref: string) => JsonSchema,
): fc.Arbitrary<{ target: string; init: RequestInit }> {
  const parameters = operation.parameters ?? [];
  const parameterText = ({ name, schema }: Parameter): fc.Arbitrary<string> => {
    const likely =
      known[name] === undefined ? [] : [{ arbitrary: fc.constantFrom(...known[name]), weight: 6 }];
    const valid = valueOf(schema, resolve).map(textOf);
    return fc.oneof(...likely, { arbitrary: valid, weight: 3 }, { arbitrary: hostileText, weight: 1 });
  };
  const record = (list: readonly Parameter[], requiredKeys: string[]): fc.Arbitrary<Record<string, string>> =>
    fc.record(Object.fromEntries(list.map((one) => [one.name, parameterText(one)])), { requiredKeys });
  const inPath = parameters.filter((one) => one.in === 'path');
  const inQuery = parameters.filter((one) => one.in === 'query');
  const required = inQuery.filter((one) => one.required === true).map(({ name }) => name);
  const query = fc.oneof(
    { arbitrary: record(inQuery, required), weight: 6 },
    { arbitrary: record(inQuery, []), weight: 1 },
    { arbitrary: fc.dictionary(hostileText, hostileText, { maxKeys: 3 }), weight: 1 },
  );
  const schema = operation.requestBody?.content['application/json']?.schema;
  const json = { 'content-type': 'application/json' };
  const jsonBody = (value: unknown): RequestInit => {
    const body = JSON.stringify(value);
    return { headers: { ...json, 'content-length': String(Buffer.byteLength(body)) }, body };
  };
  const rawBody = fc
    .tuple(
      fc.string(),
      fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded', ''),
    )
    .map(([body, type]): RequestInit => ({ headers: type === '' ? {} : { 'content-type': type }, body }));
  const body: fc.Arbitrary<RequestInit> =
    schema === undefined
      ? fc.constant({})
      : fc.oneof(
          { arbitrary: valueOf(schema, resolve).map(jsonBody), weight: 4 },
          { arbitrary: nearlyValueOf(schema, resolve).map(jsonBody), weight: 5 },
          { arbitrary: rawBody, weight: 1 },
          { arbitrary: fc.constant({}), weight: 1 },
        );
  return fc
    .record({
      names: record(
        inPath,
        inPath.map(({ name }) => name),
      ),
      query,
      body,
    })
    .map(({ names, query: asked, body: { headers, ...content } }) => {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => names[name] ?? 'x');
      const text = Object.entries(asked)
        .map(([name, value]) => `${name}=${value}`)
        .join('&');
      const meant = { 'x-starling': '1' };
      return {
        target: text === '' ? filled : `${filled}?${text}`,
        init: { method: method.toUpperCase(), headers: { ...(headers as object), ...meant }, ...content },
      };
    });
}

/** Fails unless the answer is one that the document knows. */
async function judge(response: Response, operation: Operation, schemaOf: SchemaOf): Promise<void> {
  const { status } = response;
  assert.notEqual(status, 500, 'a bug');
  const bytes = Buffer.from(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  if (status >= 400) {
    assert.equal(type, 'application/json');
    const answer = JSON.parse(bytes.toString()) as Record<string, unknown>;
    assert.deepEqual(Object.keys(answer).sort(), ['advice', 'error']);
    return;
  }
  assert.equal(String(status) in operation.responses, true, `${status} is not in the document`);
  const schema = type === 'application/json' ? schemaOf(status) : undefined;
  if (schema === undefined) return;
  const parsed = schema.safeParse(JSON.parse(bytes.toString()));
  assert.equal(parsed.success, true, `${bytes.toString().slice(0, 500)}: ${parsed.error?.message}`);
}

interface Schema {
  safeParse(value: unknown): { success: boolean; error?: { message: string } | undefined };
}
type SchemaOf = (status: number) => Schema | undefined;

/** The very schemas that the document was made from. */
function answerSchemas(api: Api, method: string, path: string): SchemaOf {
  for (const definition of api.openAPIRegistry.definitions) {
    if (definition.type !== 'route' || definition.route.path !== path || definition.route.method !== method)
      continue;
    const { responses } = definition.route;
    return (status) => {
      const response = responses[status] as { content?: Record<string, { schema?: unknown }> } | undefined;
      return response?.content?.['application/json']?.schema as Schema | undefined;
    };
  }
  throw new Error(`${method} ${path} is not served`);
}

test(`whatever is asked, no operation answers with a bug, hangs, or says what the document does not know (seed ${seed})`, async (t) => {
  const { viewing, errors } = site.server('a');
  const ask = (target: string, init: RequestInit): Promise<Response> =>
    viewing.answer(new Request(`http://127.0.0.1:8300${target}`, init), connectionOf());
  const document = (await (await ask('/api/openapi.json', {})).json()) as {
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, JsonSchema> };
  };
  const resolve = (ref: string): JsonSchema => document.components.schemas[ref.split('/').at(-1) ?? ''] ?? {};
  const statuses = new Map<number, number>();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const request = requestOf({ path, method, operation }, resolve);
      const schemaOf = answerSchemas(viewing.api, method, path);
      await fc.assert(
        fc.asyncProperty(request, async ({ target, init }) => {
          const response = await ask(target, init);
          statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
          await judge(response, operation, schemaOf);
        }),
        // Passwords are made to cost time.
        { seed, timeout: answerMs, numRuns: /session|users/.test(path) ? Math.min(runs, 30) : runs },
      );
      assert.deepEqual(errors, [], `${method} ${path}`);
    }
  }
  t.diagnostic(
    `seed ${seed}: ${[...statuses]
      .sort(([a], [b]) => a - b)
      .map(([status, count]) => `${status} × ${count}`)
      .join(', ')}`,
  );
  assert.equal((statuses.get(200) ?? 0) > 100, true, 'enough of it went through');
  assert.deepEqual(site.server('b').errors, []);
});
