/**
 * `starling check`: looks whether the recordings of a stopped server and its index are in order, and puts them right.
 *
 * Exit code 0: all is in order, or is now; 7: there are problems, or some are left.
 */

import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { formatBytes, formatSpan } from '../base/quantity-text.ts';
import type { ServerUnitConfig } from '../config/unit-config.ts';
import { loadUnitConfig } from '../io/config-file.ts';
import { realDisk } from '../io/disk.ts';
import { systemClock } from '../io/system-clock.ts';
import { systemRandom } from '../io/system-random.ts';
import { checkArchive } from '../recording/check.ts';
import { type CheckReport, type ProblemKind, remedies, unrepaired } from '../recording/check-findings.ts';
import type { IndexStore } from '../recording/index-store.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';
import { indexFolder, openStoppedIndex, type Rebuilt, rebuildIndex } from './index-rebuild.ts';
import { formatTable, printable } from './text-table.ts';

/** Problems and notes that are printed for a person; all are in the JSON, up to its own bound. */
const printedMax = 100;

interface CheckFlags {
  readonly repair?: true;
  readonly rebuild?: true;
  readonly quick?: true;
  readonly json?: true;
}

/** Adds `check` to the program. */
export function addCheckCommand(program: Command, terminal: Terminal = processTerminal): void {
  program
    .command('check')
    .description('check the recordings of a stopped server against its index, and repair them')
    .argument('<unit.yaml>', 'settings of the server')
    .option('--repair', 'put right what can be')
    .option('--rebuild', 'make the index anew from the recordings; the old one is kept beside it')
    .option('--quick', 'look at the sizes of files only, not into them')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExit code 0: all is in order, or is now. 7: there are problems, each with what to do about it.\n\n' +
        'Example:\n  starling check /etc/starling/unit.yaml --repair',
    )
    .action((path: string, flags: CheckFlags) => check(path, flags, terminal));
}

async function check(path: string, flags: CheckFlags, terminal: Terminal): Promise<void> {
  const config = await loadUnitConfig(path);
  if (config.role !== 'server') {
    throw new Failure('USAGE', `${path} is a camera: it keeps no recordings`, {
      advice: 'Give the unit.yaml of a server.',
    });
  }
  const folder = await indexFolder(config.data);
  if (!folder.exists && flags.rebuild === undefined) {
    throw new Failure('NOT_FOUND', `there is no index at ${folder.path}`, {
      advice:
        'Has this server ever run? If there are recordings, starling check --rebuild makes an index of them.',
    });
  }
  let report: CheckReport | undefined;
  let rebuilt: Rebuilt = { notes: [], unread: [] };
  const run = async (index: IndexStore): Promise<void> => {
    report = await runCheck(config, index, flags, terminal);
  };
  if (flags.rebuild) rebuilt = await rebuildIndex(folder, terminal.nowMs(), run);
  else {
    await using index = await openStoppedIndex(folder.path);
    await run(index);
  }
  if (report !== undefined) tell(withRebuilt(report, rebuilt, folder.path), flags, terminal);
}

/** What the old index could not give is a problem that is left. */
function withRebuilt(report: CheckReport, { notes, unread }: Rebuilt, path: string): CheckReport {
  const all = { ...report, notes: [...notes, ...report.notes] };
  if (unread.length === 0) return all;
  const kind = 'index-unread' as const;
  const problems = unread.map((what) => ({ kind, place: path, what, repaired: false }));
  const counts = { ...report.counts, [kind]: { found: unread.length, repaired: 0 } };
  return { ...all, problems: [...problems, ...report.problems], counts };
}

async function runCheck(
  config: ServerUnitConfig,
  index: IndexStore,
  flags: CheckFlags,
  terminal: Terminal,
): Promise<CheckReport> {
  const bar = terminal.interactive ? startBar() : undefined;
  try {
    return await checkArchive({
      disk: realDisk,
      index,
      folders: config.server.volumes,
      owner: { site: config.site.name, server: config.unit },
      newId: () => systemRandom.bytes(8).toString('hex'),
      clock: systemClock,
      repair: flags.repair === true || flags.rebuild === true,
      deep: flags.quick === undefined,
      onProgress: ({ done, total }) => {
        bar?.setTotal(total);
        bar?.update(done);
      },
    });
  } finally {
    bar?.stop();
  }
}

function tell(report: CheckReport, flags: CheckFlags, terminal: Terminal): void {
  const left = unrepaired(report);
  if (flags.json) terminal.out(`${JSON.stringify({ ...report, clean: left === 0 }, null, 2)}\n`);
  else terminal.out(formatReport(report));
  if (left === 0) return;
  throw new Failure('PROBLEMS_FOUND', `${left} ${left === 1 ? 'problem' : 'problems'} in the recordings`, {
    advice:
      flags.repair || flags.rebuild
        ? 'What is left cannot be repaired from here; see what to do above.'
        : 'Run it again with --repair to put right what can be.',
  });
}

/** The report as people read it. */
function formatReport(report: CheckReport): string {
  const cameras = report.cameras.map((camera) => [
    camera.camera,
    iso(camera.fromUs),
    iso(camera.toUs),
    String(camera.segments),
    formatBytes(camera.bytes),
    String(camera.holes),
    camera.away === 0 ? '-' : `${camera.away} times, ${formatSpan(camera.awayUs / 1e6)}`,
    String(camera.duplicates),
  ]);
  const heading = ['CAMERA', 'FROM', 'TO', 'SEGMENTS', 'SIZE', 'HOLES', 'ELSEWHERE', 'DUPLICATES'];
  const lines = [cameras.length === 0 ? 'nothing is recorded here\n' : formatTable(heading, cameras)];
  for (const [kind, { found, repaired }] of Object.entries(report.counts)) {
    const state = repaired === found ? 'repaired' : repaired === 0 ? 'found' : `found, ${repaired} repaired`;
    lines.push(`\n${kind}: ${found} ${state}\n`);
    const some = report.problems.filter((problem) => problem.kind === kind).slice(0, printedMax);
    for (const { place, what } of some) lines.push(`  ${printable(place)}: ${printable(what)}\n`);
    if (some.length < found) lines.push(`  and ${found - some.length} more\n`);
    if (repaired < found) lines.push(`  to do: ${remedies[kind as ProblemKind]}\n`);
  }
  if (report.foreignFiles > 0)
    lines.push(`\n${report.foreignFiles} files that are not recordings: left alone\n`);
  if (report.unreachableSegments > 0) {
    lines.push(`\n${report.unreachableSegments} segments on volumes that are not there: not looked at\n`);
  }
  for (const note of report.notes.slice(0, printedMax)) lines.push(`${printable(note)}\n`);
  if (Object.keys(report.counts).length === 0) lines.push('\nall is in order\n');
  return lines.join('');
}

function iso(us: number): string {
  return new Date(Math.floor(us / 1000)).toISOString();
}

function startBar(): SingleBar {
  const bar = new SingleBar({
    format: '{bar} {percentage}%  {value} of {total}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(1, 0);
  return bar;
}
