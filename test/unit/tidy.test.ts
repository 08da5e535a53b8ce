// Reads the whole project and fails on a breach of the house rules; then plants one breach per rule and more where a
// rule is easy to fool, to see that the reader is awake.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exceptions } from '../support/import-table.ts';
import { codeOnly, importsOf } from '../support/source-scan.ts';
import { describeBreach, findBreaches, type RuleName, ruleNames } from '../support/tidy.ts';
import { readProjectTree } from '../support/tree.ts';

describe('the project keeps its own rules', () => {
  const tree = readProjectTree();
  const breaches = findBreaches(tree);

  test('the tree that is read is this project', () => {
    assert.ok(tree.has('package.json') && tree.has('test/unit/tidy.test.ts'));
    assert.ok(![...tree.keys()].some((file) => file.startsWith('node_modules/')));
  });

  for (const rule of ruleNames) {
    test(rule, () => {
      const found = breaches.filter((breach) => breach.rule === rule).map(describeBreach);
      assert.equal(found.length, 0, `\n${found.join('\n')}\n`);
    });
  }

  test('every exception to the import table has a reason', () => {
    for (const { from, to, reason } of exceptions) assert.ok(reason.length > 20, `${from} -> ${to}`);
  });
});

/** Files with a breach of one rule. Names and contents are complete: nothing is added but an opening comment. */
const planted: readonly [RuleName, string, string][] = [
  ['import-direction', 'firmware/base/a.ts', "import { b } from '../media/b.ts';"],
  ['import-direction', 'firmware/overlay/a.ts', "import type { b } from '../media/b.ts';"],
  ['import-direction', 'firmware/recording/a.ts', "import { b } from '../viewing/b.ts';"],
  ['import-direction', 'firmware/recording/a.ts', "import { type B } from '../overlay/b.ts';"],
  ['import-direction', 'firmware/recording/a.ts', "export { b } from '../io/b.ts';"],
  ['import-direction', 'firmware/recording/a.ts', "const b = await import('../io/b.ts');"],
  ['import-direction', 'firmware/io/a.ts', "import {\n  b,\n} from '../recording/b.ts';"],
  ['import-direction', 'firmware/io/a.ts', "import type { b } from '../roles/b.ts';"],
  ['import-direction', 'firmware/roles/a.ts', "import { b } from '../cli/b.ts';"],
  ['import-direction', 'firmware/viewing/web/a.tsx', "import { b } from '../api.ts';"],
  ['import-direction', 'firmware/viewing/a.ts', "import { b } from './web/b.ts';"],
  ['import-direction', 'firmware/media/a.ts', "import { b } from '../../test/support/b.ts';"],
  ['import-direction', 'firmware/novel/a.ts', "import { b } from '../base/b.ts';"],
  ['import-direction', 'firmware/novel.ts', 'export const a = 1;'],
  ['import-direction', 'firmware/base/a.ts', "import { b } from '../novel/b.ts';"],
  ['no-barrel', 'firmware/base/index.ts', 'export const a = 1;'],
  ['no-barrel', 'test/support/a.ts', "export * from './b.ts';"],
  ['no-default-export', 'firmware/base/a.ts', 'export default 1;'],
  ['no-default-export', 'scripts/a.ts', 'export { a as default };'],
  ['no-cycle', 'scripts/a.ts', "import { a } from './a.ts';"],
  ['no-world', 'firmware/base/a.ts', 'setTimeout(run, 5);'],
  ['no-world', 'firmware/media/a.ts', 'const at = Date.now();'],
  ['no-world', 'firmware/viewing/a.ts', 'const at = new Date();'],
  ['no-world', 'firmware/viewing/a.ts', 'const at = `${Math.random()}`;'],
  ['no-world', 'firmware/roles/a.ts', 'globalThis.process.exit(1);'],
  ['no-world', 'firmware/config/a.ts', "import { env } from 'node:process';"],
  ['no-world', 'firmware/console/a.ts', 'console.log(1);'],
  ['no-world', 'firmware/runtime/a.ts', 'const at = performance.now();'],
  ['no-world', 'firmware/runtime/a.ts', 'const end = AbortSignal.timeout(5);'],
  ['file-size', 'scripts/a.ts', 'void 0;\n'.repeat(401)],
  ['file-name', 'firmware/base/ByteReader.ts', 'export const a = 1;'],
  ['file-name', 'firmware/base/byte-utils.ts', 'export const a = 1;'],
  ['file-name', 'test/helpers/clock.ts', 'export const a = 1;'],
  ['import-spelling', 'scripts/a.ts', "import { b } from './b';"],
  ['import-spelling', 'scripts/a.ts', "import { b } from './b.js';"],
  ['import-spelling', 'scripts/a.ts', "import fs from 'fs';"],
  ['pure-builtins', 'firmware/overlay/a.ts', "import { createHash } from 'node:crypto';"],
  ['opening-comment', 'firmware/base/a.ts', '\nexport const a = 1;'],
  ['no-sleep-in-tests', 'test/unit/a.test.ts', 'await new Promise((r) => setTimeout(r, 50));'],
  [
    'no-sleep-in-tests',
    'test/unit/a.test.ts',
    'await new Promise<void>((done) => {\n  setTimeout(done, 50);\n});',
  ],
  ['no-sleep-in-tests', 'test/browser/a.test.ts', "import { setTimeout } from 'node:timers/promises';"],
  ['private-path', 'README.md', `See ${['shared', 'design'].join('/')}.`],
  ['private-path', 'scripts/a.ts', `const folder = '/${'work'}/main';`],
];

describe('a planted breach is reported', () => {
  for (const [rule, file, text] of planted) {
    test(`${rule}: ${text.split('\n')[0]?.slice(0, 60)} in ${file}`, () => {
      const opening = rule === 'opening-comment' || rule === 'file-size' ? '' : '// Owns nothing.\n';
      const found = findBreaches(new Map([[file, opening + text]]));
      assert.deepEqual(
        found.map((breach) => breach.rule),
        [rule],
        found.map(describeBreach).join('\n'),
      );
    });
  }

  test('every rule has a planted breach', () => {
    assert.deepEqual(new Set(planted.map(([rule]) => rule)), new Set(ruleNames));
  });

  test('a cycle through three files is reported once', () => {
    const found = findBreaches(
      new Map([
        ['scripts/a.ts', "import { b } from './b.ts';"],
        ['scripts/b.ts', "import { c } from './c.ts';"],
        ['scripts/c.ts', "import { a } from './a.ts';"],
      ]),
    );
    assert.deepEqual(found.map(describeBreach), [
      'scripts/c.ts:1  no-cycle: scripts/a.ts -> scripts/b.ts -> scripts/c.ts -> scripts/a.ts',
    ]);
  });
});

describe('what is allowed is not reported', () => {
  const allowed: readonly [string, string][] = [
    ['firmware/base/a.ts', "import assert from 'node:assert/strict';"],
    ['firmware/media/a.ts', "import { b } from '../base/b.ts';\nimport { c } from './c.ts';"],
    [
      'firmware/recording/a.ts',
      "import type { B } from '../viewing/b.ts';\nexport type { C } from '../overlay/c.ts';",
    ],
    ['firmware/recording/a.ts', 'const text = new Date(atMs).toISOString();'],
    ['firmware/recording/a.ts', 'clock.setTimeout(run, 5); // not setTimeout(run, 5)'],
    ['firmware/recording/a.ts', "const text = 'process.exit, Date.now()';"],
    ['firmware/recording/a.ts', 'const pattern = /["\'`]/; const b = a / 2 / c;'],
    ['firmware/io/a.ts', "import { b } from '../config/b.ts';\nsetTimeout(b, Date.now());"],
    ['firmware/io/a.ts', "import type { B } from '../recording/b.ts';"],
    ['firmware/main.ts', "import { b } from './roles/b.ts';\nprocess.exit(b);"],
    ['firmware/viewing/web/a.tsx', 'setTimeout(run, 5);'],
    ['scripts/a.ts', 'console.log(Date.now());'],
    ['test/support/a.ts', 'await new Promise((r) => setTimeout(r, 50));'],
    ['knip.config.ts', 'export default {};'],
  ];
  for (const [file, text] of allowed) {
    test(`${text.split('\n')[0]} in ${file}`, () => {
      assert.deepEqual(findBreaches(new Map([[file, `// Owns nothing.\n${text}`]])).map(describeBreach), []);
    });
  }

  test('two files may name each other by type', () => {
    const tree = new Map([
      ['scripts/a.ts', "import type { B } from './b.ts';"],
      ['scripts/b.ts', "import { a } from './a.ts';"],
    ]);
    assert.deepEqual(findBreaches(tree), []);
  });
});

describe('the source scanner', () => {
  test('keeps every line and column where it was', () => {
    const text = "const a = 'x\\'y'; // setTimeout\n/* a\n b */ const c = `p${q + `r${s}`}t`;\n";
    const code = codeOnly(text);
    assert.equal(code.length, text.length);
    assert.equal(code.replace(/ +/g, ' '), "const a = ' '; \n \n const c = ` ${q + ` ${s}`} `;\n");
  });

  test('sees code inside a template and nothing inside a regular expression', () => {
    assert.match(codeOnly('const a = `x${Date.now()}y`;'), /Date\.now/);
    assert.doesNotMatch(codeOnly('return /Date.now["]/.test(a);'), /Date/);
    assert.match(codeOnly('const a = total / Date.now() / 2;'), /Date\.now/);
    assert.match(codeOnly('const a = `${b}` / Date.now() / 2;'), /Date\.now/);
  });

  test('lists imports with their kind', () => {
    const text = [
      "import 'a';",
      "import type { B } from 'b';",
      "import c, { type D } from 'c';",
      "export { e } from 'e';",
      "const f = require('f');",
      "const g = await import('g');",
      "type H = typeof import('h');",
      "const text = \"import 'i'\"; // import 'j'",
    ].join('\n');
    const found = importsOf(text).sort((x, y) => x.line - y.line);
    assert.deepEqual(
      found.map(({ specifier, typeOnly, line }) => `${line} ${specifier} ${typeOnly ? 'type' : 'value'}`),
      ['1 a value', '2 b type', '3 c value', '4 e value', '5 f value', '6 g value', '7 h type'],
    );
  });
});
