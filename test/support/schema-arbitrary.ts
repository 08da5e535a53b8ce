/** Values as a JSON schema describes them, and values that it does not: what a fuzz test sends to a route. */
import fc from 'fast-check';

export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
}

export type Resolve = (ref: string) => JsonSchema;

/** Texts that have broken programs before. */
export const hostileTexts = [
  '',
  ' ',
  '..',
  '../../etc/passwd',
  '/etc/passwd',
  '%2e%2e%2f',
  '\u0000',
  '__proto__',
  'constructor',
  'toString',
  '[object Object]',
  'NaN',
  'Infinity',
  '-1',
  '-0',
  '1e400',
  '9007199254740993',
  '18446744073709551616',
  'null',
  'undefined',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '$(reboot)',
  '`reboot`; rm -rf /',
  '\u202Egpj.exe',
  '\uD800',
  'é'.repeat(300),
  'a'.repeat(5_000),
  '2026-02-30T00:00:00Z',
  '-271821-04-20T00:00:00Z',
  '+275760-09-13T00:00:00Z',
] as const;

/** Values that are none of what is expected, in JSON. */
const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...hostileTexts),
  fc.constantFrom<unknown>(null, true, false, 0, -1, 0.1, 2 ** 53, -(2 ** 53), 1e308, [], {}, [[]], [null]),
  fc.constant(JSON.parse('{"__proto__":{"role":"admin"},"constructor":{"prototype":{}}}') as unknown),
  fc.integer({ min: 50, max: 2_000 }).map((depth) => nested(depth)),
  fc.jsonValue({ maxDepth: 3 }),
);

/** What the schema describes. */
export function valueOf(schema: JsonSchema, resolve: Resolve): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return valueOf(resolve(schema.$ref), resolve);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => valueOf(choice, resolve)));
  if (schema.allOf !== undefined)
    return fc.tuple(...schema.allOf.map((part) => valueOf(part, resolve))).map(merged);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const { type } = schema;
  if (Array.isArray(type))
    return fc.oneof(...type.map((one: string) => valueOf({ ...schema, type: one }, resolve)));
  return ofType(String(type), schema, resolve);
}

/** What the schema describes, with one part of it, or all, replaced by something else. */
export function nearlyValueOf(schema: JsonSchema, resolve: Resolve): fc.Arbitrary<unknown> {
  const broken = fc
    .tuple(valueOf(schema, resolve), fc.string({ maxLength: 8 }), hostileValue)
    .map(([value, name, hostile]) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return hostile;
      const names = Object.keys(value);
      const place = names[name.length % Math.max(1, names.length)] ?? name;
      return { ...value, [name.length > 6 ? name : place]: hostile };
    });
  return fc.oneof({ arbitrary: broken, weight: 3 }, { arbitrary: hostileValue, weight: 1 });
}

function ofType(type: string, schema: JsonSchema, resolve: Resolve): fc.Arbitrary<unknown> {
  const { minimum: min = -1_000_000, maximum: max = 1_000_000 } = schema;
  if (type === 'string') return textOf(schema);
  if (type === 'integer')
    return fc.integer({ min: Math.max(min, -(2 ** 31)), max: Math.min(max, 2 ** 31 - 1) });
  if (type === 'number') return fc.double({ min, max, noNaN: true });
  if (type === 'boolean') return fc.boolean();
  if (type === 'null') return fc.constant(null);
  if (type === 'array') {
    if (schema.prefixItems !== undefined) {
      return fc.tuple(...schema.prefixItems.map((item) => valueOf(item, resolve)));
    }
    return fc.array(valueOf(schema.items ?? {}, resolve), { maxLength: Math.min(schema.maxItems ?? 4, 4) });
  }
  if (type === 'object') {
    const { properties = {}, required = [] } = schema;
    const shape = Object.fromEntries(
      Object.entries(properties).map(([name, part]) => [name, valueOf(part, resolve)]),
    );
    return fc.record(shape, { requiredKeys: required.filter((name) => name in shape) });
  }
  return fc.jsonValue({ maxDepth: 1 });
}

function textOf({ pattern, format, minLength, maxLength = 40 }: JsonSchema): fc.Arbitrary<string> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern), { size: 'small' });
  const times = fc.constantFrom('2026-11-22T12:00:00Z', '2026-11-22T12:00:02.500Z', '1763812800', '0');
  if (format === 'date-time') return times;
  const text = fc.string({
    ...(minLength === undefined ? {} : { minLength }),
    maxLength: Math.min(maxLength, 60),
  });
  // A time in a query is plain text to a schema.
  return maxLength === 40 ? fc.oneof(text, times) : text;
}

function merged(values: readonly unknown[]): unknown {
  return Object.assign({}, ...values.map((value) => (typeof value === 'object' ? value : {}))) as unknown;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}
