/**
 * The two that are compared, as the bench drives them: how a member is started, which of its log lines says that it
 * holds another for dead, and how it is asked whom it holds for alive. Members are called `ss-1`, `ss-2` …
 *
 * Both are told by their logs, whose lines are timed when they arrive here: Serf's have no fractions of a second.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { enrollUnit, initSite } from '../../firmware/io/site-folder.ts';
import type { SiteAnswer } from '../../firmware/viewing/api.ts';
import { bundle } from '../../test/support/network.ts';
import { addressOf, type Field } from './overlay-field.ts';

export interface Contender {
  readonly name: string;
  /** what is run at a member */
  command(member: number): { readonly file: string; readonly args: readonly string[] };
  /** Whether the member is up once it has logged this. */
  isReady(line: string): boolean;
  /** Whom this line of a member's log declares dead. */
  declaredDead(line: string): string | undefined;
  /** Whom the member holds for alive, itself included. */
  living(field: Field, member: number): Promise<string[]>;
}

export const nameOf = (member: number): string => `ss-${member}`;

/** Starling's servers with their default settings, without cameras; their folders are made in `folder`. */
export async function starling(folder: string, size: number): Promise<Contender> {
  if (!existsSync(bundle)) throw new Error(`${bundle} is missing: npm run build`);
  const site = join(folder, 'site');
  const unitFolder = (member: number): string => join(folder, nameOf(member));
  await initSite(site, 'bench');
  for (let member = 1; member <= size; member++) {
    // The bench asks without signing in.
    const overrides = { server: { http: { access: 'everybody' as const } } };
    await enrollUnit(site, { unit: nameOf(member), role: 'server', overrides }, unitFolder(member));
  }
  return {
    name: 'Starling',
    command: (member) => {
      const settings = join(unitFolder(member), 'unit.yaml');
      return { file: process.execPath, args: [bundle, 'run', '--config', settings] };
    },
    isReady: (line) => /^server \S+: page /.test(messageIn(line)),
    // Its own judgement, or a neighbor's that it takes over.
    declaredDead: (line) =>
      /^(ss-\d+) (?:suspected → .* → dead$|is dead \(told by )/.exec(messageIn(line))?.[1],
    living: async (field, member) => {
      const { servers } = await field.machine(member).ask<SiteAnswer>('/api/site');
      return servers.filter(({ state }) => state !== 'unreachable').map(({ id }) => id);
    },
  };
}

/** The text of a line of the JSON log; of any other line nothing. */
function messageIn(line: string): string {
  if (!line.startsWith('{')) return '';
  try {
    return String((JSON.parse(line) as { msg?: unknown }).msg);
  } catch {
    return '';
  }
}

/** Serf's agents with the profile for local networks. Each joins by the first two members. */
export function serf(): Contender {
  try {
    execFileSync('serf', ['version']);
  } catch (cause) {
    throw new Error('serf is missing: bash scripts/setup.sh --test', { cause });
  }
  return {
    name: 'Serf',
    command: (member) => {
      const joins = [1, 2].map((other) => `-retry-join=${addressOf(other)}`);
      const own = [`-node=${nameOf(member)}`, `-bind=${addressOf(member)}`, '-profile=lan'];
      return { file: 'serf', args: ['agent', ...own, ...joins, '-retry-interval=1s'] };
    },
    isReady: (line) => line.includes('Serf agent running'),
    declaredDead: (line) => /EventMemberFailed: (\S+)/.exec(line)?.[1],
    living: async (field, member) => {
      const text = await field.machine(member).runLong('serf', ['members', '-format=json', '-status=alive']);
      const { members } = JSON.parse(text) as { members: { name: string }[] };
      return members.map(({ name }) => name);
    },
  };
}
