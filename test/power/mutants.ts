/**
 * Planted bugs, to see whether a power cut finds them: changes to the text of the bundle, in what the program asks of
 * the machine, so that they hold however the recorder above is written.
 */
import assert from 'node:assert/strict';

interface Mutant {
  readonly what: string;
  readonly from: RegExp;
  readonly to: string;
  /** why no cut can find it here */
  readonly unseen?: string;
}

export const mutants: Readonly<Record<string, Mutant>> = {
  'early-sync': {
    what: 'a file is called synced before it is: samples are acknowledged too early',
    from: /sync: \(\) => (guarded\(\w+, \(\) => handle\.datasync\(\)\))/,
    to: 'sync: async () => { void $1; }',
  },
  'no-sync': {
    what: 'a file is never synced',
    from: /sync: \(\) => guarded\(\w+, \(\) => handle\.datasync\(\)\)/,
    to: 'sync: async () => undefined',
  },
  'early-commit': {
    what: 'a batch of the index is called safe before it is',
    from: /commit: \((\w+)\) => (level\.batch\()/,
    to: 'commit: async ($1) => void $2',
  },
  'no-commit-sync': {
    what: 'a batch of the index is not synced',
    from: /\{ sync: true \}/,
    to: '{ sync: false }',
  },
  'no-truncate': {
    what: 'recovery leaves torn bytes behind what it lists',
    from: /await handle\.truncate\(\w+\);/,
    to: '',
  },
  'no-directory-sync': {
    what: 'directories are not synced',
    from: /(async function syncDirectory\(\w+\) \{)/,
    to: '$1 return;',
    unseen: 'ext4 writes the entries of a new file with the first sync of that file',
  },
};

/** Plants a bug in the program; throws when there is no place for it. */
export function plant(name: string): (program: string) => string {
  const mutant = mutants[name];
  assert(mutant, `no mutant ${name}; there are ${Object.keys(mutants).join(', ')}`);
  return (program) => {
    assert.match(program, mutant.from, `no place for the mutant ${name}`);
    return program.replace(mutant.from, mutant.to);
  };
}
