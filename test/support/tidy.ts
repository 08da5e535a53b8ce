// The rules of the house, as functions from the tree to its breaches. The import table is in import-table.ts.
// Each rule has a self-test in test/unit/tidy.test.ts that plants a breach.

import { builtinModules } from 'node:module';
import path from 'node:path';
import { importVerdict, isKnownPart, partOf, pureParts } from './import-table.ts';
import { codeOnly, type ImportLine, importsOf, lineAt } from './source-scan.ts';
import type { Tree } from './tree.ts';

export interface Breach {
  readonly rule: RuleName;
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

interface Source {
  readonly file: string;
  readonly text: string;
  /** The text without comments and string contents. */
  readonly code: string;
  readonly imports: readonly ImportLine[];
}

interface Finding {
  readonly line: number;
  readonly what: string;
}

const linesMax = 400;
const builtins = new Set(builtinModules);
const builtinsInPureParts = ['node:assert', 'node:assert/strict', 'node:buffer'];
const worldBuiltins = [
  'node:process',
  'node:console',
  'node:timers',
  'node:timers/promises',
  'node:perf_hooks',
];

// The outside world: time, chance, the process. `new Date(ms)` only formats, so it may stay.
const world =
  /(?<![.\w$])(?:globalThis\s*\.\s*)?(?:(?:setTimeout|setInterval|setImmediate)(?![\w$])|Date\s*\.\s*now(?![\w$])|new\s+Date\s*(?:\(\s*\)|(?![\w$\s(]))|Math\s*\.\s*random(?![\w$])|(?:process|console|performance)\s*\??\.|AbortSignal\s*\.\s*timeout(?![\w$]))/g;

const fileRules = {
  'import-direction': (source) => {
    if (!isFirmware(source.file)) return [];
    if (!isKnownPart(partOf(source.file)))
      return [{ line: 1, what: 'this file is in no part of the import table' }];
    return source.imports.flatMap(({ specifier, typeOnly, line }) => {
      const target = resolveImport(source.file, specifier);
      const verdict = target === undefined ? undefined : importVerdict(source.file, target, typeOnly);
      return verdict === undefined ? [] : [{ line, what: verdict }];
    });
  },

  'no-barrel': (source) => [
    ...(/(^|\/)index\.tsx?$/.test(source.file)
      ? [{ line: 1, what: 'index files hide where things are' }]
      : []),
    ...matches(source, /(?<![.\w$])export\s+(?:type\s+)?\*/g, () => 'export * hides what is exported'),
  ],

  'no-default-export': (source) =>
    /\.config\.ts$|\.d\.ts$/.test(source.file)
      ? []
      : matches(source, /(?<![.\w$])export\s+default\b|\bas\s+default\b/g, () => 'export it by its name'),

  'no-world': (source) =>
    touchesTheWorld(source.file)
      ? []
      : [
          ...matches(
            source,
            world,
            (found) => `${found} belongs in io, cli or main.ts; take it as a dependency`,
          ),
          ...source.imports
            .filter(({ specifier }) => worldBuiltins.includes(specifier))
            .map(({ line, specifier }) => ({ line, what: `${specifier} belongs in io, cli or main.ts` })),
        ],

  'file-size': (source) => {
    const lines = source.text.replace(/\n$/, '').split('\n').length;
    return lines > linesMax
      ? [{ line: linesMax, what: `${lines} lines: past ${linesMax} it is two things` }]
      : [];
  },

  'file-name': (source) => {
    const folders = source.file.split('/');
    const stem = (folders.pop() ?? '').replace(/(\.(test|d|config))?\.tsx?$/, '');
    const findings: Finding[] = [];
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem)) findings.push({ line: 1, what: 'file names are kebab-case' });
    const vague = [...folders, ...stem.split('-')].find((word) =>
      /^(utils?|helpers?|managers?)$/i.test(word),
    );
    if (vague !== undefined)
      findings.push({ line: 1, what: `${vague} says nothing; name the one thing it exports` });
    return findings;
  },

  'import-spelling': (source) =>
    source.imports.flatMap(({ specifier, line }) => {
      if (specifier.startsWith('.') && !/\.(tsx?|css|json)$/.test(specifier)) {
        return [{ line, what: `${specifier}: relative imports end in .ts or .tsx` }];
      }
      return builtins.has(specifier) ? [{ line, what: `${specifier}: write node:${specifier}` }] : [];
    }),

  'pure-builtins': (source) =>
    pureParts.includes(partOf(source.file))
      ? source.imports
          .filter(({ specifier }) => isBuiltin(specifier) && !builtinsInPureParts.includes(specifier))
          .map(({ specifier, line }) => ({
            line,
            what: `${specifier} is not for ${partOf(source.file)}, which is pure`,
          }))
      : [],

  'opening-comment': (source) =>
    isFirmware(source.file) && !/^(#!.*\n)?\/[/*]/.test(source.text)
      ? [{ line: 1, what: 'open with a comment: what this file owns' }]
      : [],

  'no-sleep-in-tests': (source) =>
    source.file.startsWith('test/') && !source.file.startsWith('test/support/')
      ? [
          ...matches(
            source,
            /new\s+Promise\s*(?:<[^>]*>)?\s*\((?:(?!;|=>).)*=>\s*\{?\s*(?:return\s+|void\s+)?setTimeout\s*\(/gs,
            () => 'tests do not sleep: wait for a condition or drive the clock',
          ),
          ...source.imports
            .filter(({ specifier }) => /^(node:)?timers\/promises$/.test(specifier))
            .map(({ line, specifier }) => ({
              line,
              what: `${specifier} is a way to sleep, and tests do not`,
            })),
        ]
      : [],
} satisfies Record<string, (source: Source) => Finding[]>;

const treeRules = {
  'no-cycle': (sources) => findCycles(sources),

  'private-path': (_sources, tree) => {
    // Written in two parts, or this file would breach its own rule.
    const words = new RegExp(['shared', 'design'].join('/') + '|' + '(?<![\\w.])/' + 'work/', 'g');
    return [...tree].flatMap(([file, text]) =>
      [...text.matchAll(words)].map((match) => ({
        file,
        line: lineAt(text, match.index),
        what: `${match[0]} exists on one machine only`,
      })),
    );
  },
} satisfies Record<string, (sources: readonly Source[], tree: Tree) => (Finding & { file: string })[]>;

export type RuleName = keyof typeof fileRules | keyof typeof treeRules;
export const ruleNames = [...Object.keys(fileRules), ...Object.keys(treeRules)] as RuleName[];

/** Every breach in the tree, in the order of the files. */
export function findBreaches(tree: Tree): Breach[] {
  const sources = [...tree]
    .filter(([file]) => /\.tsx?$/.test(file))
    .map(([file, text]) => {
      const code = codeOnly(text);
      return { file, text, code, imports: importsOf(text, code) };
    });
  const breaches: Breach[] = [];
  for (const [rule, check] of Object.entries(fileRules) as [
    keyof typeof fileRules,
    (s: Source) => Finding[],
  ][]) {
    for (const source of sources) {
      for (const finding of check(source)) breaches.push({ rule, file: source.file, ...finding });
    }
  }
  for (const [rule, check] of Object.entries(treeRules) as [
    keyof typeof treeRules,
    (typeof treeRules)['private-path'],
  ][]) {
    for (const finding of check(sources, tree)) breaches.push({ rule, ...finding });
  }
  return breaches.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

export function describeBreach({ rule, file, line, what }: Breach): string {
  return `${file}:${line}  ${rule}: ${what}`;
}

function matches(source: Source, pattern: RegExp, say: (found: string) => string): Finding[] {
  return [...source.code.matchAll(pattern)].map((match) => ({
    line: lineAt(source.code, match.index),
    what: say(match[0].trim()),
  }));
}

function isFirmware(file: string): boolean {
  return file.startsWith('firmware/');
}

function touchesTheWorld(file: string): boolean {
  return !isFirmware(file) || ['io', 'cli', 'main', 'page'].includes(partOf(file));
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtins.has(specifier);
}

/** The file a relative import names, or undefined for a package. */
function resolveImport(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? path.posix.join(path.posix.dirname(from), specifier) : undefined;
}

/** Depth first over value imports; each cycle is reported once, at the import that closes it. */
function findCycles(sources: readonly Source[]): (Finding & { file: string })[] {
  const byFile = new Map(sources.map((source) => [source.file, source]));
  const done = new Set<string>();
  const cycles: (Finding & { file: string })[] = [];
  const visit = (source: Source, trail: readonly string[]): void => {
    for (const { specifier, typeOnly, line } of source.imports) {
      const target = typeOnly ? undefined : resolveImport(source.file, specifier);
      const next = target === undefined ? undefined : byFile.get(target);
      if (next === undefined || done.has(next.file)) continue;
      const start = trail.indexOf(next.file);
      if (start < 0) visit(next, [...trail, next.file]);
      else cycles.push({ file: source.file, line, what: [...trail.slice(start), next.file].join(' -> ') });
    }
    done.add(source.file);
  };
  for (const source of sources) if (!done.has(source.file)) visit(source, [source.file]);
  return cycles;
}
