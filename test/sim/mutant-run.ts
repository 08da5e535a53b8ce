/**
 * Plants each bug of mutants.ts in a copy of the program and runs seeds until one fails. A bug that no seed of the
 * budget finds survives, and that is a failure of the simulator.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Edit, mutants } from './mutants.ts';

export interface MutantRunOptions {
  /** the checkout */
  readonly root: string;
  /** seeds per mutant */
  readonly budget: number;
  /** only mutants whose name contains this */
  readonly only: string;
  readonly first: number;
  readonly jobs: number;
}

/** What the simulator needs to run. */
const copied = ['firmware', 'test/sim', 'scripts/sim.ts', 'package.json', 'tsconfig.json'];

/** Why this cannot be changed; undefined when it can. */
export function editProblem({ file, find }: Edit, source: string): string | undefined {
  const count = source.split(find).length - 1;
  return count === 1 ? undefined : `${file}: the text occurs ${count} times: ${find}`;
}

/** The source with the change in it; throws when its place is not there exactly once. */
export function plant(edit: Edit, source: string): string {
  const problem = editProblem(edit, source);
  if (problem !== undefined) throw new Error(problem);
  return source.replace(edit.find, () => edit.replace);
}

/** Copies the program to a folder of its own. */
function copyProgram(root: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'starling-mutants-'));
  for (const item of copied) {
    mkdirSync(path.dirname(path.join(folder, item)), { recursive: true });
    cpSync(path.join(root, item), path.join(folder, item), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

/** Runs seeds in the copy until one fails; undefined when none did. */
function hunt(folder: string, first: number, budget: number, jobs: number): string | undefined {
  const seeds = ['--seeds', String(budget), '--first', String(first), '--jobs', String(jobs)];
  const argv = ['--import', 'tsx', 'scripts/sim.ts', ...seeds, '--stop', '--whole'];
  const child = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (child.status === 0) return undefined;
  const found = /^seed (\d+) failed:\s+rule +(.*)$/m.exec(child.stdout);
  if (found !== null) return `seed ${found[1]}: ${found[2]}`;
  throw new Error(`the simulator itself failed:\n${child.stdout}\n${child.stderr}`);
}

/** Hunts every mutant; the program without any must pass the same seeds first. */
export function runMutants(options: MutantRunOptions): { killed: number; survived: number } {
  const chosen = mutants.filter(({ name }) => name.includes(options.only));
  const folder = copyProgram(options.root);
  let killed = 0;
  try {
    const { first, budget, jobs } = options;
    const sound = hunt(folder, first, budget, jobs);
    if (sound !== undefined) throw new Error(`without a planted bug ${sound}`);
    for (const mutant of chosen) {
      const sources = new Map<string, string>();
      for (const edit of mutant.edits) {
        const file = path.join(folder, 'firmware', edit.file);
        const source = readFileSync(file, 'utf8');
        if (!sources.has(file)) sources.set(file, source);
        writeFileSync(file, plant(edit, source));
      }
      // Where it was found the last time it is mostly found again, at once.
      const found = hunt(folder, mutant.seed, 1, 1) ?? hunt(folder, first, budget, jobs);
      for (const [file, source] of sources) writeFileSync(file, source);
      if (found !== undefined) killed++;
      console.log(
        `${found === undefined ? 'SURVIVED' : 'found   '} ${mutant.name}${found === undefined ? '' : `  (${found})`}`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { killed, survived: chosen.length - killed };
}
