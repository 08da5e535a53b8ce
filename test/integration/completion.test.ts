/** Completion in real shells: the scripts that the program prints, and ids that a server is asked for. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type FakeServer, fakeServer } from '../support/command-line.ts';
import { run } from '../support/gst.ts';
import { bundle } from '../support/network.ts';

const installed = (shell: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, shell)));

describe('completion', () => {
  let folder = '';
  let server: FakeServer;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-completion-'));
    const program = join(folder, 'starling');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${bundle}' "$@"\n`);
    await chmod(program, 0o755);
    await writeFile(join(folder, 'unit.yaml'), '');
    server = await fakeServer((request, response) => {
      const cameras = ['cam-1', 'cam-2', 'gate'].map((id) => ({ id }));
      const servers = [{ id: 'ss-1' }, { id: 'ss-2' }];
      response.end(JSON.stringify(request.url === '/api/site' ? { servers } : { cameras }));
    });
  });
  after(async () => {
    await server?.close();
    await rm(folder, { recursive: true });
  });

  const shell = async (name: string, script: string): Promise<string[]> => {
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` };
    const { code, stdout, stderr } = await run('env', [
      `PATH=${env.PATH}`,
      `STARLING_SERVER=${server.url}`,
      `HOME=${folder}`,
      'sh',
      '-c',
      'cd "$HOME" && exec "$0" "$@"',
      name,
      ...(name === 'bash' ? ['--norc'] : name === 'zsh' ? ['-f'] : ['--no-config']),
      '-c',
      script,
    ]);
    assert.deepEqual([code, stderr], [0, ''], script);
    return String(stdout)
      .split('\n')
      .filter((line) => line !== '')
      .sort();
  };

  /** What Tab offers behind a line, which bash splits at blanks and colons. */
  const bash = (line: string): Promise<string[]> => {
    const words = line.split(/(?<=:)|(?=:)| /);
    const script =
      'eval "$(starling completion bash)"; complete -p starling >/dev/null || exit 1; ' +
      `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; ` +
      '_starling; printf "%s\\n" "${COMPREPLY[@]}"';
    return shell('bash', script);
  };

  test('knows the commands, their options, and which words can follow them', async () => {
    assert.deepEqual(await bash('starling p'), ['protect', 'ptz']);
    const all = await bash('starling ');
    for (const name of ['demo', 'ptz', 'watch', 'users', 'completion']) assert(all.includes(name), name);
    assert(!all.includes('complete'), 'what is only for scripts is not offered');
    assert.deepEqual(await bash('starling site e'), ['enroll']);
    assert.deepEqual(await bash('starling ptz cam-1 --p'), ['--pan', '--preset']);
    assert.deepEqual(await bash('starling set server ss-1 --'), [
      '--config',
      '--days',
      '--help',
      '--json',
      '--name',
      '--server',
    ]);
    assert.deepEqual(await bash('starling users add anna --role '), ['admin', 'operator', 'viewer']);
    assert.deepEqual(await bash('starling completion '), ['bash', 'fish', 'zsh']);
    assert.deepEqual(await bash('starling check uni'), ['unit.yaml']);
    assert.deepEqual(await bash('starling ptz cam-1 --pan '), []);
  });

  test('asks a server for the names of cameras and servers, the one on the line if there is one', async () => {
    assert.deepEqual(await bash('starling ptz '), ['cam-1', 'cam-2', 'gate']);
    assert.deepEqual(await bash('starling export --from -10s cam'), ['cam-1', 'cam-2']);
    assert.deepEqual(await bash('starling set server '), ['ss-1', 'ss-2']);
    assert.deepEqual(await bash('starling tokens add hook --camera g'), ['gate']);
    await using other = await fakeServer((_request, response) =>
      response.end(JSON.stringify({ cameras: [{ id: 'barn' }] })),
    );
    assert.deepEqual(await bash(`starling watch --server ${other.url} `), ['barn']);
  });

  test('offers nothing, soon, where no server answers', async () => {
    await using silent = await fakeServer(() => undefined);
    const startMs = Date.now();
    assert.deepEqual(await bash(`starling watch --server ${silent.url} `), []);
    assert(Date.now() - startMs < 10_000, `it took ${Date.now() - startMs} ms`);
    assert.deepEqual(await bash('starling watch --server http://127.0.0.1:1 '), []);
  });

  test('does not run what a hostile server calls a camera', async () => {
    const hostile = '$(touch pwned) `touch pwned` ;touch pwned;';
    await using bad = await fakeServer((_request, response) =>
      response.end(JSON.stringify({ cameras: [{ id: hostile }] })),
    );
    await bash(`starling watch --server ${bad.url} `);
    assert.equal(existsSync(join(folder, 'pwned')), false);
  });

  test('works in zsh, by the same script', { skip: !installed('zsh') }, async () => {
    const script =
      'autoload -U compinit && compinit -u; eval "$(starling completion zsh)"; ' +
      'offered() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); emulate -L sh; setopt kshglob noshglob braceexpand; _starling; print -l -- "${COMPREPLY[@]}"; }; ';
    assert.deepEqual(await shell('zsh', `${script} offered starling p`), ['protect', 'ptz']);
    assert.deepEqual(await shell('zsh', `${script} offered starling ptz cam`), ['cam-1', 'cam-2']);
    assert.deepEqual(await shell('zsh', `${script} offered starling users add anna --role o`), ['operator']);
  });

  test('works in fish, with help beside each word', { skip: !installed('fish') }, async () => {
    const fish = (line: string): Promise<string[]> =>
      shell('fish', `starling completion fish | source; complete -C '${line}'`);
    assert.deepEqual(
      (await fish('starling p')).map((text) => text.split('\t')[0]),
      ['protect', 'ptz'],
    );
    assert.match((await fish('starling pt'))[0] ?? '', /^ptz\twhere a camera looks/);
    assert.deepEqual(
      (await fish('starling ptz cam')).map((text) => text.split('\t')[0]),
      ['cam-1', 'cam-2'],
    );
    assert.deepEqual(
      (await fish('starling set ')).map((text) => text.split('\t')[0]),
      ['camera', 'server'],
    );
    assert.deepEqual(
      (await fish('starling users add anna --role ')).map((text) => text.split('\t')[0]),
      ['admin', 'operator', 'viewer'],
    );
  });
});
