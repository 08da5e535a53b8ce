/**
 * Power cuts while a real server records: a block-level record of what had reached the disk is cut at many moments, and
 * the server started on what is left.
 *
 *   CUTS=100    that many cuts instead of 20
 *   SEED=7      the same moments again; printed
 *   SESSION=F   a recorded session again; the folder of one that failed is kept
 *   CUT=12      only this cut
 *   MUTANT=N    plants a bug (see mutants.ts, or `all`) and wants it to be found
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type CutReport, checkCut } from './cut-check.ts';
import { mutants, plant } from './mutants.ts';
import { type Cut, chooseCut, describeCut } from './power-cut.ts';
import { closeRigFolder, openRigFolder, powerRigMissing, reopenRigFolder } from './recorded-disk.ts';
import { loadSession, recordSession, type Session, type SessionOptions } from './recording-session.ts';

const cuts = Number(process.env['CUTS'] ?? 20);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const onlyCut = process.env['CUT'];
const kept = process.env['SESSION'];
const wanted = process.env['MUTANT'];
const missing = powerRigMissing();

/** A flush takes as long as on a slow disk: time for a camera to hear what was said too early. */
const size: SessionOptions = { cameras: 4, lives: 3, samples: 25, flushMs: 15 };

function cutOf(session: Session, number: number): Cut {
  const acknowledged = session.acknowledgements.map(({ position }) => position);
  const { journal, starting } = session;
  return chooseCut(seed, number, journal, { acknowledged, starting });
}

function tellSession({ folder, journal, acknowledgements }: Session, startedAt: number): void {
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
  const writes = journal.filter(({ kind }) => kind === 'write').length;
  const bytes = ((journal.at(-1)?.end ?? 0) / 1e6).toFixed(1);
  console.log(
    `session in ${seconds} s: ${writes} writes, ${journal.length - writes} flushes, ${bytes} MB, ` +
      `${acknowledgements.length} acknowledgements; ${folder}; SEED=${seed}`,
  );
}

describe('a power cut', { skip: wanted === undefined ? missing : 'a mutant is wanted' }, () => {
  let folder = '';
  let session: Session;
  let survived = true;

  before(async () => {
    const startedAt = Date.now();
    folder = kept ?? (await openRigFolder());
    if (kept !== undefined) reopenRigFolder(kept);
    session = kept === undefined ? await recordSession(folder, size) : await loadSession(folder);
    tellSession(session, startedAt);
  });
  after(async () => {
    if (folder !== '') await closeRigFolder(folder, kept !== undefined || !survived);
  });

  test('loses nothing that a camera was told to be safe, at any moment', async () => {
    const numbers = onlyCut === undefined ? Array.from({ length: cuts }, (_, n) => n) : [Number(onlyCut)];
    const reports: CutReport[] = [];
    const failures: string[] = [];
    for (const number of numbers) {
      const cut = cutOf(session, number);
      const report = await checkCut(session, cut);
      reports.push(report);
      if (report.problems.length === 0) continue;
      failures.push(`${describeCut(cut)}:\n  ${[...report.problems, ...report.notes].join('\n  ')}`);
    }
    tellReports(reports);
    survived = failures.length === 0;
    const replay = `SESSION=${folder} SEED=${seed} CUT=number`;
    assert.equal(failures.length, 0, `${replay} node --import tsx --test …\n${failures.join('\n')}`);
    if (onlyCut === undefined) {
      const safe = reports.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
      assert.notEqual(safe, 0, 'nothing was acknowledged before any cut: the test has seen nothing');
    }
  });

  test('of a disk that lies about its last flushes loses acknowledged samples, and that is seen', async () => {
    for (let number = 0; number < 200; number += 4) {
      const cut: Cut = { ...cutOf(session, number), tear: 'none' };
      assert.equal(cut.moment, 'acknowledged');
      const { problems } = await checkCut(session, cut, 12);
      if (problems.some((problem) => problem.includes('acknowledged samples lost'))) return;
    }
    assert.fail('a lying disk was never noticed');
  });
});

function tellReports(reports: readonly CutReport[]): void {
  const sum = (of: (report: CutReport) => number): number => reports.reduce((all, one) => all + of(one), 0);
  console.log(
    `${reports.length} cuts: ${sum(({ problems }) => Math.min(1, problems.length))} not survived, ` +
      `${sum(({ acknowledged }) => acknowledged)} acknowledged samples asked for, ` +
      `${sum(({ found }) => found)} read, ${sum(({ pending }) => pending)} writes at stake, ` +
      `${sum(({ notes }) => notes.length)} notes of recovery, ` +
      `${sum(({ fsck }) => (fsck === undefined ? 0 : 1))} file systems with faults after it`,
  );
}

const findable = Object.keys(mutants).filter((name) => mutants[name]?.unseen === undefined);
const names = wanted === 'all' ? findable : wanted === undefined ? [] : [wanted];
describe('a planted bug', { skip: names.length === 0 ? 'by hand: MUTANT=all' : missing }, () => {
  for (const name of names) {
    test(`${name}: ${mutants[name]?.what}`, async () => {
      const folder = await openRigFolder();
      try {
        const session = await recordSession(folder, { ...size, mutate: plant(name) });
        let found: string | undefined;
        let number = 0;
        for (; number < cuts && found === undefined; number++) {
          [found] = (await checkCut(session, cutOf(session, number))).problems;
        }
        console.log(
          `${name}: ${found === undefined ? 'not ' : ''}found in ${number} cuts of seed ${seed}: ${found}`,
        );
        assert.notEqual(found, undefined, `${name} survived ${cuts} cuts`);
      } finally {
        await closeRigFolder(folder);
      }
    });
  }
});
