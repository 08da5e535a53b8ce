/** `starling users`, `starling tokens` and `starling audit`: who may do what, and what they did. */
import { type Command, Option } from 'commander';
import type { CameraList, Role } from '../access/principal.ts';
import { roles } from '../access/principal.ts';
import { Failure } from '../base/failure.ts';
import type {
  AuditAnswer,
  NewTokenAnswer,
  TokenAnswer,
  TokensAnswer,
  UserAnswer,
  UsersAnswer,
} from '../viewing/api.ts';
import { chooseServer, deleteJson, getJson, postJson, putJson } from './api-client.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';
import { type AskSecret, askNewPassword, askSecret } from './secret-input.ts';
import { addServerOptions, type ServerOptions } from './server-option.ts';
import { formatTable } from './text-table.ts';

interface RightsOptions extends ServerOptions {
  readonly role?: Role;
  readonly camera?: string[];
  readonly allCameras?: true;
}

interface TokenOptions extends RightsOptions {
  readonly days?: string;
}

interface AuditOptions extends ServerOptions {
  readonly user?: string;
  readonly camera?: string;
  readonly before?: string;
  readonly limit: string;
}

/** What the commands write to, and how they ask for passwords. */
export interface AccountTerminal extends Terminal {
  readonly askSecret: AskSecret;
  /** a person types them, and may slip */
  readonly typed: boolean;
}

const person: AccountTerminal = { ...processTerminal, askSecret, typed: process.stdin.isTTY };

/** Adds the commands to the program. */
export function addAccountCommands(program: Command, terminal: AccountTerminal = person): void {
  const users = program.command('users').description('people who may sign in');
  addUserLists(users, terminal);
  addUserChanges(users, terminal);
  addTokenCommands(
    program.command('tokens').description('what programs show instead of a password'),
    terminal,
  );
  addAuditCommand(program, terminal);
}

const roleOption = (): Option => new Option('--role <role>', 'what they may do').choices(roles);
const cameraHelp = 'cameras they may see (default: all)';

function addUserLists(users: Command, terminal: AccountTerminal): void {
  addServerOptions(users.command('list').description('list the users')).action(
    async (options: ServerOptions) => {
      const answer = await getJson<UsersAnswer>(chooseServer(options.server), '/api/users');
      print(terminal, options, answer, () => formatUsers(answer.users));
    },
  );
  addServerOptions(users.command('remove').description('remove a user; their sessions end everywhere'))
    .argument('<name>', 'user')
    .action(async (name: string, options: ServerOptions) => {
      await deleteJson(chooseServer(options.server), userPath(name));
      terminal.err(`user ${name} is removed\n`);
    });
}

function addUserChanges(users: Command, terminal: AccountTerminal): void {
  const put = async (
    name: string,
    options: RightsOptions,
    password: string | undefined,
    condition: 'if-match' | 'if-none-match',
  ): Promise<void> => {
    const server = chooseServer(options.server);
    const known = await knownUser(server, name);
    const role = options.role ?? known?.role ?? 'viewer';
    const cameras = chosenCameras(options) ?? (role === 'admin' ? 'all' : (known?.cameras ?? 'all'));
    const wish = { role, cameras, ...(password === undefined ? {} : { password }) };
    const user = await putJson<UserAnswer>(server, userPath(name), wish, condition);
    print(terminal, options, user, () => formatUsers([user]));
  };
  addRights(addServerOptions(users.command('add').description('make a user; asks for the password')))
    .argument('<name>', 'letters, digits, dots, hyphens, underscores, @')
    .addHelpText('after', '\nExample:\n  starling users add anna --role operator --camera door yard')
    .action(async (name: string, options: RightsOptions) => {
      await requireUser(chooseServer(options.server), name, false);
      await put(name, options, await askNewPassword(terminal, name), 'if-none-match');
    });
  addRights(addServerOptions(users.command('set').description('change what a user may do')))
    .argument('<name>', 'user')
    .option('--all-cameras', 'every camera')
    .action(async (name: string, options: RightsOptions) => {
      await requireUser(chooseServer(options.server), name, true);
      await put(name, options, undefined, 'if-match');
    });
  addServerOptions(users.command('password').description('give a user a new password; their sessions end'))
    .argument('<name>', 'user')
    .action(async (name: string, options: ServerOptions) => {
      await requireUser(chooseServer(options.server), name, true);
      await put(name, options, await askNewPassword(terminal, name), 'if-match');
    });
}

function addTokenCommands(tokens: Command, terminal: AccountTerminal): void {
  addServerOptions(tokens.command('list').description('list the tokens')).action(
    async (options: ServerOptions) => {
      const answer = await getJson<TokensAnswer>(chooseServer(options.server), '/api/tokens');
      print(terminal, options, answer, () => formatTokens(answer.tokens));
    },
  );
  addRights(addServerOptions(tokens.command('add').description('make a token; it is printed this once')))
    .argument('<name>', 'what it is for')
    .option('--days <n>', 'days until it expires (default: never)')
    .addHelpText('after', '\nExample:\n  starling tokens add "Home Assistant" --role operator --days 365')
    .action(async (name: string, options: TokenOptions) => {
      const { role = 'viewer', days } = options;
      const cameras = chosenCameras(options) ?? 'all';
      const wish = { name, role, cameras, ...(days === undefined ? {} : { days: numberOf('--days', days) }) };
      const made = await postJson<NewTokenAnswer>(chooseServer(options.server), '/api/tokens', wish);
      print(terminal, options, made, () => `${made.token}\n`);
      terminal.err(`token ${made.id} is made; it is not shown again\n`);
    });
  addServerOptions(tokens.command('remove').description('revoke a token'))
    .argument('<id>', 'as the list shows it')
    .action(async (id: string, options: ServerOptions) => {
      await deleteJson(chooseServer(options.server), `/api/tokens/${encodeURIComponent(id)}`);
      terminal.err(`token ${id} is revoked\n`);
    });
}

function addAuditCommand(program: Command, terminal: AccountTerminal): void {
  addServerOptions(program.command('audit').description('who did what, the newest first'))
    .option('--user <name>', 'of one user')
    .option('--camera <id>', 'with one camera')
    .option('--before <time>', 'older than this: ISO 8601')
    .option('--limit <n>', 'how many entries', '50')
    .action(async (options: AuditOptions) => {
      const query = new URLSearchParams({ limit: options.limit });
      for (const key of ['user', 'camera', 'before'] as const) {
        const value = options[key];
        if (value !== undefined) query.set(key, value);
      }
      const server = chooseServer(options.server);
      const answer = await getJson<AuditAnswer>(server, `/api/audit?${query.toString()}`);
      print(terminal, options, answer, () => formatAudit(answer));
      if (answer.unreachable.length > 0) {
        const advice = 'Ask again when they are back.';
        throw new Failure('PARTIAL', `no answer of ${answer.unreachable.join(', ')}`, { advice });
      }
    });
}

function addRights(command: Command): Command {
  return command.addOption(roleOption()).option('--camera <id...>', cameraHelp);
}

function userPath(name: string): string {
  return `/api/users/${encodeURIComponent(name)}`;
}

async function knownUser(server: string, name: string): Promise<UserAnswer | undefined> {
  const { users } = await getJson<UsersAnswer>(server, '/api/users');
  return users.find(({ user }) => user === name.toLowerCase());
}

/** A slip in a name must neither change somebody else nor make somebody new. */
async function requireUser(server: string, name: string, there: boolean): Promise<void> {
  const isThere = (await knownUser(server, name)) !== undefined;
  if (isThere === there) return;
  if (there)
    throw new Failure('NOT_FOUND', `there is no user ${name}`, { advice: 'See `starling users list`.' });
  const advice = 'Use `starling users set` or `starling users password`.';
  throw new Failure('USAGE', `there is a user ${name} already`, { advice });
}

function chosenCameras({ camera, allCameras }: RightsOptions): CameraList | undefined {
  if (allCameras === true && camera !== undefined) {
    throw new Failure('USAGE', '--camera and --all-cameras exclude each other', { advice: 'Leave one out.' });
  }
  return allCameras === true ? 'all' : camera?.flatMap((ids) => ids.split(','));
}

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new Failure('USAGE', `${option} ${text} is no number`, { advice: 'Write it as 30.' });
}

function camerasText(cameras: CameraList): string {
  return cameras === 'all' ? 'all' : cameras.join(',') || '-';
}

function formatUsers(users: readonly UserAnswer[]): string {
  const rows = users.map(({ user, role, cameras, createdAt }) => [
    user,
    role,
    camerasText(cameras),
    createdAt,
  ]);
  return formatTable(['USER', 'ROLE', 'CAMERAS', 'SINCE'], rows);
}

function formatTokens(tokens: readonly TokenAnswer[]): string {
  const rows = tokens.map(({ id, name, role, cameras, createdBy, expiresAt }) => {
    return [id, name, role, camerasText(cameras), createdBy, expiresAt ?? 'never'];
  });
  return formatTable(['ID', 'NAME', 'ROLE', 'CAMERAS', 'MADE BY', 'EXPIRES'], rows);
}

function formatAudit({ entries }: AuditAnswer): string {
  const rows = entries.map(({ at, user, action, camera, detail, from, server }) => {
    return [at, user, action, camera ?? '-', detail || '-', from || '-', server];
  });
  return formatTable(['TIME', 'USER', 'ACTION', 'CAMERA', 'DETAIL', 'FROM', 'SERVER'], rows);
}

function print(terminal: Terminal, { json }: ServerOptions, answer: object, text: () => string): void {
  terminal.out(json === true ? `${JSON.stringify(answer, null, 2)}\n` : text());
}
