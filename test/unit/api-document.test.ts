/** The OpenAPI document: it follows the rules of OpenAPI 3.1, and says of every route what is true. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { servedRoutes } from '../../firmware/viewing/served-routes.ts';
import { AccessSite } from '../support/access-site.ts';
import { bareViewing } from '../support/bare-viewing.ts';
import { fullParts } from '../support/full-site.ts';

type Json = Record<string, unknown>;
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: Json }[];
  readonly requestBody?: { content: Record<string, { schema: Json }>; required?: boolean };
  readonly responses: Readonly<
    Record<string, { description?: string; content?: Record<string, { schema?: Json }> }>
  >;
  readonly security?: readonly Record<string, unknown>[];
  readonly 'x-starling-access': string;
}
interface Document {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { schemas: Record<string, Json>; securitySchemes: Record<string, Json> };
  readonly security: readonly Record<string, unknown>[];
}

const { viewing, ask } = bareViewing(fullParts(new AccessSite(['s1']), 's1', 'open'));
let document: Document;
let operations: { path: string; method: string; operation: Operation }[];

before(async () => {
  const response = await ask('/api/openapi.json');
  assert.equal(response.headers.get('content-type'), 'application/json');
  document = (await response.json()) as Document;
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
});

/** Every object below `value`, with the path to it. */
function* objectsOf(value: unknown, place = ''): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [place, value as Json];
  for (const [name, part] of Object.entries(value)) yield* objectsOf(part, `${place}/${name}`);
}

describe('the document', () => {
  test('has every route that is served, and no other', () => {
    const served = servedRoutes(viewing.api).map(({ method, path, access }) => `${method} ${path} ${access}`);
    const described = operations.map(
      ({ path, method, operation }) => `${method.toUpperCase()} ${path} ${operation['x-starling-access']}`,
    );
    assert.deepEqual(described.sort(), served.sort());
    assert.equal(described.length > 40, true, 'as many as there are');
  });

  test('describes only what is routed: each operation finds its handler, and no handler is without one', () => {
    const routed = viewing.api.routes
      .filter(({ path, method }) => !path.includes('*') && method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    const described = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    assert.deepEqual([...new Set(routed)].sort(), described.sort());
  });

  test('begins as OpenAPI 3.1 must', () => {
    assert.match(document.openapi, /^3\.1\.\d+$/);
    assert.equal(document.info.title, 'Starling');
    assert.equal(document.info.version, '1.2.3');
    const roots = new Set(
      'openapi info jsonSchemaDialect servers paths webhooks components security tags'.split(' '),
    );
    for (const name of Object.keys(document)) assert.equal(roots.has(name), true, name);
  });

  test('has operations with an id of their own, a summary, and answers with descriptions', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.deepEqual(
      ids.filter((id, place) => ids.indexOf(id) !== place),
      [],
    );
    for (const { path, method, operation } of operations) {
      const name = `${method} ${path}`;
      assert.match(operation.operationId, /^[a-z][A-Za-z0-9]+$/, name);
      assert.match(operation.summary, /\S/, name);
      assert.equal(
        Object.keys(operation.responses).some((status) => /^[23]|^101/.test(status)) || method === 'post',
        true,
      );
      for (const [status, response] of Object.entries(operation.responses)) {
        assert.match(status, /^([1-5]\d\d|[1-5]XX|default)$/, name);
        assert.match(response.description ?? '', /\S/, `${name} ${status}`);
      }
    }
  });

  test('declares each part of a path once, as required', () => {
    for (const { path, method, operation } of operations) {
      assert.match(path, /^\//);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
      const declared = (operation.parameters ?? []).filter((one) => one.in === 'path');
      assert.deepEqual(declared.map(({ name }) => name).sort(), inPath.sort(), `${method} ${path}`);
      for (const one of declared) assert.equal(one.required, true, `${method} ${path} ${one.name}`);
      const all = (operation.parameters ?? []).map((one) => `${one.in} ${one.name}`);
      assert.equal(new Set(all).size, all.length, `${method} ${path}: ${all.join(', ')}`);
      for (const one of operation.parameters ?? []) {
        assert.match(one.in, /^(path|query|header|cookie)$/);
        assert.equal(typeof one.schema, 'object', `${method} ${path} ${one.name}`);
      }
    }
  });

  test('refers only to what it has, and its schemas are of JSON Schema 2020-12', () => {
    const types = new Set(['string', 'number', 'integer', 'boolean', 'array', 'object', 'null']);
    for (const [place, value] of objectsOf(document)) {
      const { $ref, type } = value;
      if (typeof $ref === 'string') {
        const found = $ref
          .split('/')
          .slice(1)
          .reduce<unknown>((at, name) => (at as Json | undefined)?.[name], document);
        assert.equal(typeof found, 'object', `${place}: ${$ref}`);
      }
      if (!/\/(schema|schemas\/\w+)(\/|$)/.test(place) || place.endsWith('/properties')) continue;
      assert.equal('nullable' in value, false, `${place}: nullable is of OpenAPI 3.0`);
      const named: unknown[] = Array.isArray(type) ? type : type === undefined ? [] : [type];
      for (const one of named)
        assert.equal(typeof one === 'string' && types.has(one), true, `${place}: ${JSON.stringify(one)}`);
      if (typeof value['pattern'] === 'string')
        assert.doesNotThrow(() => new RegExp(String(value['pattern']), 'u'), place);
    }
  });

  test('names a security scheme that it has wherever it names one, and none for anyone', () => {
    const schemes = new Set(Object.keys(document.components.securitySchemes));
    assert.equal(document.security.length > 0, true, 'the rule is that somebody is asked');
    for (const { path, operation } of operations) {
      for (const one of operation.security ?? [])
        for (const name of Object.keys(one)) assert.equal(schemes.has(name), true);
      assert.equal(operation.security?.length === 0, operation['x-starling-access'] === 'anyone', path);
    }
  });

  test('says what refusals look like, and which header a change needs', () => {
    for (const { path, method, operation } of operations) {
      const { responses } = operation;
      assert.deepEqual(responses['default']?.content?.['application/json']?.schema, {
        $ref: '#/components/schemas/ErrorAnswer',
      });
      if (operation['x-starling-access'] !== 'anyone') {
        assert.notEqual(responses['401'], undefined, path);
        assert.notEqual(responses['403'], undefined, path);
      }
      const meant = operation.parameters?.some(({ name }) => name === 'x-starling') ?? false;
      assert.equal(meant, method !== 'get', `${method} ${path}`);
      if (operation.requestBody !== undefined) assert.notEqual(responses['413'], undefined, path);
    }
  });
});
