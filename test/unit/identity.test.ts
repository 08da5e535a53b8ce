import assert from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { isId } from '../../firmware/base/ids.ts';
import { identityUri, peerIdentity, unitRoles } from '../../firmware/site/identity.ts';

const good = 'URI:starling://demo/camera/cam-1';
const idCharacter = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-'.split(''));
const someId = fc.string({ unit: idCharacter, minLength: 1, maxLength: 32 }).filter(isId);

test('the name of a unit is read', () => {
  assert.deepStrictEqual(peerIdentity(good, 'demo'), { ok: true, value: { unit: 'cam-1', role: 'camera' } });
});

test('every name that is written is read back', () => {
  fc.assert(
    fc.property(someId, fc.constantFrom(...unitRoles), someId, (site, role, unit) => {
      const read = peerIdentity(`URI:${identityUri(site, { unit, role })}`, site);
      assert.deepStrictEqual(read, { ok: true, value: { unit, role } });
    }),
  );
});

const bad: [what: string, text: string | undefined][] = [
  ['no name', undefined],
  ['an empty name', ''],
  ['a name of another site', 'URI:starling://other/camera/cam-1'],
  ['a site that begins as ours does', 'URI:starling://demo2/camera/cam-1'],
  ['a site that ends as ours does', 'URI:starling://ademo/camera/cam-1'],
  ['another role', 'URI:starling://demo/admin/cam-1'],
  ['capitals', 'URI:starling://demo/camera/CAM-1'],
  ['another scheme', 'URI:https://demo/camera/cam-1'],
  ['a kind of name that is not a URI', 'DNS:starling://demo/camera/cam-1'],
  ['a name with more behind it', `${good}/x`],
  ['a name with a query', `${good}?x`],
  ['a name with a space behind it', `${good} `],
  ['a name with a line end behind it', `${good}\n`],
  ['a name with a space before it', ` ${good}`],
  ['the same name twice', `${good}, ${good}`],
  ['a second name', `${good}, DNS:example.org`],
  ['a second name before it', `DNS:example.org, ${good}`],
  ['the quoted form of an odd name', 'URI:"starling://demo/camera/cam-1"'],
  ['a quoted name that contains ours', `URI:"starling://demo/camera/cam-1, ${good}"`],
  ['an escaped unit', 'URI:starling://demo/camera/cam%2d1'],
  ['a unit id of 33 characters', `URI:starling://demo/camera/${'a'.repeat(33)}`],
  ['an empty unit', 'URI:starling://demo/camera/'],
  ['a very long name', `${good}${'a'.repeat(100_000)}`],
];

for (const [what, text] of bad) {
  test(`${what} is refused with a reason`, () => {
    const read = peerIdentity(text, 'demo');
    assert.ok(!read.ok);
    assert.ok(read.reason.length > 0 && read.reason.length < 80);
  });
}

test('only the very text of a name is accepted, whatever is sent', () => {
  const edit = fc.tuple(fc.nat(good.length), fc.nat(3), fc.string({ unit: 'binary', maxLength: 3 }));
  const mutated = edit.map(([at, removed, added]) => good.slice(0, at) + added + good.slice(at + removed));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), mutated), (text) => {
      const read = peerIdentity(text, 'demo');
      if (read.ok) assert.strictEqual(text, `URI:${identityUri('demo', read.value)}`);
    }),
    { numRuns: 2000 },
  );
});
