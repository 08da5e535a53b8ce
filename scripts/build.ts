// Builds dist/starling.mjs: the page first, then the program with the page inside it as text.
// Native addons stay outside the bundle and are loaded from node_modules when the program runs.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, type Metafile, type Plugin } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const program = 'firmware/main.ts';
const pageScript = 'firmware/viewing/web/main.tsx';
const pageStyle = 'firmware/viewing/web/style.css';
const output = 'dist/starling.mjs';

const nativeAddons = ['gstreamer-superficial', 'classic-level', 'onoff', 'epoll', '@serialport/*'];

// Bundled CommonJS expects these three. The long names keep clear of the same imports inside the bundle.
const banner = [
  '#!/usr/bin/env node',
  "import { createRequire as starlingCreateRequire } from 'node:module';",
  "import { fileURLToPath as starlingFileURLToPath } from 'node:url';",
  'const require = starlingCreateRequire(import.meta.url);',
  'const starlingFilename = starlingFileURLToPath(import.meta.url);',
  "const starlingDirname = starlingFileURLToPath(new URL('.', import.meta.url));",
].join('\n');

function main(): Promise<void> {
  process.chdir(root);
  const missing = [program, pageScript, pageStyle].filter((file) => !existsSync(file));
  if (missing.length > 0) fail(`nothing to build from: ${missing.join(', ')} missing`);
  return buildAll();
}

async function buildAll(): Promise<void> {
  const startedMs = performance.now();
  rmSync('dist', { recursive: true, force: true });
  mkdirSync('dist');

  const page = await bundlePage();
  const version = programVersion();
  const built = await build({
    metafile: true,
    entryPoints: [program],
    outfile: output,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    minify: false,
    legalComments: 'none',
    sourcemap: 'linked',
    banner: { js: banner },
    external: nativeAddons,
    define: {
      STARLING_VERSION: JSON.stringify(version),
      __filename: 'starlingFilename',
      __dirname: 'starlingDirname',
    },
    plugins: [
      textModules({
        'virtual:page.js': page.script,
        'virtual:page-parts.json': JSON.stringify(page.parts),
        'virtual:page.css': page.style,
      }),
    ],
    logLevel: 'warning',
  });
  chmodSync(output, 0o755);
  checkNativeAddons(Object.values(built.metafile.outputs).flatMap((file) => file.imports));

  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const scripts: Record<string, string> = { 'page.js': page.script, ...page.parts };
  const gzip = (names: readonly string[]): string =>
    kilobytes(names.reduce((sum, name) => sum + gzipSync(scripts[name] ?? '').length, 0));
  console.log(`starling ${version}: built in ${seconds} s`);
  console.log(`  ${output}  ${kilobytes(statSync(output).size)}`);
  console.log(`  page script  ${gzip(page.first)} gzip at first, ${gzip(Object.keys(scripts))} in all`);
  console.log(`  page style   ${kilobytes(page.style.length)}`);
}

/** The page's files. What the script imports and what it fetches later are parts of their own, by file name. */
async function bundlePage(): Promise<{
  script: string;
  parts: Record<string, string>;
  style: string;
  /** file names of what the first view needs */
  first: string[];
}> {
  const result = await build({
    entryPoints: { page: pageScript, style: pageStyle },
    outdir: 'dist',
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    splitting: true,
    metafile: true,
    target: 'es2020',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'warning',
  });
  const textOf = (name: string): string => {
    const file = result.outputFiles.find((candidate) => path.basename(candidate.path) === name);
    return file?.text ?? fail(`the page gave no ${name}`);
  };
  const parts: Record<string, string> = {};
  for (const { path: file, text } of result.outputFiles) {
    const name = path.basename(file);
    if (name.endsWith('.js') && name !== 'page.js') parts[name] = text;
    // CSS imported from the script would come out as a second file that nobody serves.
    else if (name !== 'page.js' && name !== 'style.css')
      fail(`nobody serves ${name}; import CSS from ${pageStyle}`);
  }
  return { script: textOf('page.js'), parts, style: textOf('style.css'), first: firstFiles(result.metafile) };
}

/** Names of the script's files without those that are fetched later. */
function firstFiles(metafile: Metafile): string[] {
  const names: string[] = [];
  const add = (name: string): void => {
    if (names.includes(name)) return;
    names.push(name);
    for (const { path: next, kind } of metafile.outputs[name]?.imports ?? []) {
      if (kind === 'import-statement') add(next);
    }
  };
  add('dist/page.js');
  return names.map((name) => path.basename(name));
}

/** Makes each named module importable: its default export is the text. */
function textModules(texts: Record<string, string>): Plugin {
  return {
    name: 'text-modules',
    setup(builder) {
      builder.onResolve({ filter: /^virtual:/ }, ({ path: name }) =>
        name in texts ? { path: name, namespace: 'text' } : { errors: [{ text: `no such module: ${name}` }] },
      );
      builder.onLoad({ filter: /.*/, namespace: 'text' }, ({ path: name }) => ({
        contents: texts[name] ?? '',
        loader: 'text',
      }));
    },
  };
}

function programVersion(): string {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  try {
    const hash = execFileSync('git', ['rev-parse', '--short', '--verify', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return `${version}+${hash.trim()}`;
  } catch {
    console.warn('build: no git commit here, so the version carries no commit hash');
    return version;
  }
}

/** A program that cannot load its addons must fail here and not on the camera. */
function checkNativeAddons(imports: readonly { path: string; kind: string }[]): void {
  // This package's main file is the .node file itself, which `import` refuses.
  if (imports.some((line) => line.path === 'gstreamer-superficial' && line.kind !== 'require-call')) {
    fail(
      "load gstreamer-superficial with createRequire(import.meta.url)('gstreamer-superficial'), not import",
    );
  }
  const requireFromDist = createRequire(path.resolve(output));
  for (const addon of ['gstreamer-superficial', 'classic-level', 'onoff', '@serialport/bindings-cpp']) {
    try {
      requireFromDist.resolve(addon);
    } catch {
      fail(`${addon} is not installed where ${output} looks for it; run: npm run setup`);
    }
  }
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function fail(reason: string): never {
  console.error(`build: ${reason}`);
  process.exit(1);
}

await main();
