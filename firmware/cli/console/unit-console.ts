/**
 * The commands of a unit's field console: those that need no running unit are answered here, everything else by the
 * unit over its control socket. It answers also when the unit does not run or its settings are broken, and then says
 * why.
 */
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { Failure } from '../../base/failure.ts';
import type { CommandHelp, ConsoleAnswer } from '../../console/command-table.ts';
import type { CommandLine } from '../../console/command-words.ts';
import { wrap } from '../../console/console-text.ts';
import type { CommandIo, ConsoleCommands } from '../../console/session.ts';
import { answerText } from './answer-text.ts';
import { configCommand } from './config-command.ts';
import { settingNames } from './config-text.ts';
import { boardAnswer, captureTest, identityData, netData, timeAnswer } from './field-commands.ts';
import { leave, reboot, reprovision } from './lasting-commands.ts';
import { makeBundle } from './support-bundle.ts';
import type { UnitLink } from './unit-link.ts';
import { followLog, logAnswer } from './unit-log.ts';
import { controlService } from './unit-service.ts';
import { unitStatus } from './unit-status.ts';

/** Longest file that may be pulled: it is in memory, and takes hours at 115200 bit/s. */
const pullBytesMax = 64 * 1024 * 1024;

/** Files that are listed. */
const listedMax = 500;

export interface LocalCommand extends CommandHelp {
  readonly run: (args: readonly string[], io: CommandIo) => Promise<ConsoleAnswer>;
}

/** Commands that units have, for the help of one that does not run. */
const unitHelp: readonly CommandHelp[] = [
  { name: 'manager', usage: 'manager', summary: 'which server manages this unit, and why that one' },
  { name: 'camera', usage: 'camera [ID]', summary: 'source, frame rate, last frame, encoder' },
  { name: 'ptz', usage: 'ptz …', summary: 'where a camera looks; turn it' },
  { name: 'servo', usage: 'servo test', summary: 'moves pan and tilt a little and back' },
  { name: 'gpio', usage: 'gpio', summary: 'lines of the board: sysfs number, driver, level' },
  { name: 'disks', usage: 'disks', summary: 'SMART, free space, errors' },
  { name: 'neighbors', usage: 'neighbors', summary: 'the servers one and two links away' },
  { name: 'tables', usage: 'tables', summary: 'neighbor, query and history table' },
  { name: 'cameras', usage: 'cameras', summary: 'all cameras, and who manages them' },
];

export interface UnitConsoleOptions {
  readonly configPath: string;
  readonly unit: UnitLink;
  readonly clock: Clock;
  readonly version: string;
  /** whether a PIN is asked for */
  readonly hasPin: boolean;
}

export class UnitConsole implements ConsoleCommands {
  private readonly options: UnitConsoleOptions;
  private readonly local: ReadonlyMap<string, LocalCommand>;
  private cameras: readonly string[] = [];
  private settings: readonly string[] = [];
  private answered = false;

  constructor(options: UnitConsoleOptions) {
    this.options = options;
    this.local = new Map(this.localCommands().map((command) => [command.name, command]));
  }

  async list(): Promise<readonly CommandHelp[]> {
    await this.learn();
    const asked = await this.options.unit.ask('commands').catch(() => undefined);
    const remote = (asked?.data ?? unitHelp) as readonly CommandHelp[];
    const hidden = new Set(['commands', ...this.local.keys()]);
    return [...this.local.values(), ...remote.filter(({ name }) => !hidden.has(name))]
      .map(({ name, usage, summary, words = [] }) => ({ name, usage, summary, words }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  words(command: string, before: readonly string[]): readonly string[] {
    if (command === 'config') return before.length === 1 ? this.settings : [];
    if (['camera', 'ptz', 'where'].includes(command) && before.length === 0) return this.cameras;
    return command === 'capture' && before.length === 1 ? this.cameras : [];
  }

  /** Whether any command was answered: somebody is there who knows some. */
  get used(): boolean {
    return this.answered;
  }

  async run(line: CommandLine, io: CommandIo): Promise<ConsoleAnswer> {
    const answer = await this.answer(line, io);
    this.answered = true;
    return answer;
  }

  private async answer({ name, args }: CommandLine, io: CommandIo): Promise<ConsoleAnswer> {
    const local = this.local.get(name);
    if (local !== undefined) return local.run(args, io);
    try {
      const answer = await this.options.unit.ask(name, args);
      return { data: answer.data, text: answerText(name, answer) };
    } catch (thrown) {
      if (!(thrown instanceof Failure) || thrown.code !== 'UNREACHABLE') throw thrown;
      const known = unitHelp.some((command) => command.name === name);
      if (!known)
        throw new Failure('NOT_FOUND', `no command ${JSON.stringify(name.slice(0, 40))}`, {
          advice: '`help` lists the commands.',
        });
      const [why] = await this.options.unit.whyDown();
      throw new Failure('UNREACHABLE', `the unit ${why?.text ?? 'does not run'}`, {
        advice: why?.next ?? 'See `status`.',
      });
    }
  }

  /** `bundle`, or a recorded file as `files` lists them. */
  async blob(name: string): Promise<Buffer> {
    if (name === 'bundle') return (await this.bundle()).archive;
    const path = await this.recordedFile(name);
    const { size } = await lstat(path);
    if (size > pullBytesMax)
      throw new Failure('USAGE', `${name} is larger than ${pullBytesMax} bytes`, {
        advice: 'Use the network.',
      });
    return readFile(path);
  }

  /** For the greeting and completion. */
  private async learn(): Promise<void> {
    const read = await this.options.unit.config();
    if (!read.ok) return;
    const { config } = read;
    this.settings = settingNames(config);
    this.cameras = config.role === 'camera' ? config.camera.cameras.map(({ id }) => id) : [];
  }

  private bundle() {
    const { unit, configPath, clock } = this.options;
    return makeBundle({ unit, configPath, nowMs: clock.utcMs(), status: () => unitStatus(this.options) });
  }

  private localCommands(): LocalCommand[] {
    const { unit, clock } = this.options;
    const data = async (answer: Promise<unknown>): Promise<ConsoleAnswer> => ({ data: await answer });
    return [
      { name: 'help', usage: 'help [COMMAND]', summary: 'this list', run: (args) => this.help(args) },
      {
        name: 'status',
        usage: 'status',
        summary: 'one screen: what is well, and the next step where not',
        run: () => unitStatus(this.options),
      },
      {
        name: 'identity',
        usage: 'identity',
        summary: 'unit, site, certificate, machine',
        run: () => data(identityData(this.options)),
      },
      {
        name: 'board',
        usage: 'board',
        summary: 'which board this is, and what of it is there or missing',
        run: () => boardAnswer(unit),
      },
      {
        name: 'net',
        usage: 'net',
        summary: 'link, addresses, routes, the server chosen and why',
        run: () => data(netData(unit)),
      },
      {
        name: 'time',
        usage: 'time',
        summary: 'clock, who sets it, what the unit takes the time to be',
        run: () => timeAnswer(unit),
      },
      {
        name: 'log',
        usage: 'log [-n LINES] [-f]',
        summary: 'what happened lately; -f goes on until Ctrl-C',
        words: ['-n', '-f'],
        run: (args, io) =>
          args.includes('-f') ? followLog(unit, args, { io, clock }) : logAnswer(unit, args),
      },
      {
        name: 'capture',
        usage: 'capture test [CAMERA]',
        summary: 'watches a camera for 5 s: frames, restarts, trouble',
        words: ['test'],
        run: (args, io) => captureTest(unit, args, { io, clock }),
      },
      {
        name: 'config',
        usage: 'config get [PATH] | set PATH VALUE | unset PATH | check',
        summary: 'settings; a change is checked, applied, and taken back when the network is lost',
        words: ['get', 'set', 'unset', 'check'],
        run: (args, io) => configCommand(args, io, this.options),
      },
      {
        name: 'bundle',
        usage: 'bundle',
        summary: 'makes a support archive without secrets',
        run: () => this.bundleAnswer(),
      },
      {
        name: 'files',
        usage: 'files [FOLDER]',
        summary: 'recorded files that can be pulled',
        run: ([folder]) => data(this.files(folder)),
      },
      { name: 'start', usage: 'start', summary: 'starts the unit', run: () => this.service('start') },
      {
        name: 'stop',
        usage: 'stop',
        summary: 'stops the unit until `start`',
        run: () => this.service('stop'),
      },
      {
        name: 'restart',
        usage: 'restart',
        summary: 'starts the program again',
        run: () => data(unit.restart().then(() => ({ restart: true }))),
      },
      {
        name: 'leave',
        usage: 'leave [--yes]',
        summary: 'leaves the network in good order and stays away',
        run: (args, io) => leave(args, io, unit),
      },
      {
        name: 'reprovision',
        usage: 'reprovision [--yes]',
        summary: 'forgets who this unit is, to be set up anew',
        run: (args, io) => reprovision(args, io, this.options),
      },
      {
        name: 'reboot',
        usage: 'reboot [--yes]',
        summary: 'restarts the machine',
        run: (args, io) => reboot(args, io, unit),
      },
    ];
  }

  private async help([name]: readonly string[]): Promise<ConsoleAnswer> {
    const commands = await this.list();
    const chosen = name === undefined ? commands : commands.filter((command) => command.name === name);
    if (chosen.length === 0)
      throw new Failure('NOT_FOUND', `no command ${JSON.stringify(name)}`, { advice: '`help` lists them.' });
    const text = helpText(chosen);
    const end =
      'Each takes --json. Tab completes, Up goes back, Ctrl-C breaks off, Ctrl-L writes the line again.';
    return { data: chosen, text: name === undefined ? `${text}\n${wrap(end, 79).join('\n')}` : text };
  }

  private async bundleAnswer(): Promise<ConsoleAnswer> {
    const { name, archive, parts } = await this.bundle();
    const data = { name, bytes: archive.length, parts };
    const text = `${name}, ${archive.length} bytes, ${parts.length} parts without secrets.\nPull it at the bench: npm run console -- DEVICE pull bundle`;
    return { data, text };
  }

  private async service(verb: 'start' | 'stop'): Promise<ConsoleAnswer> {
    await controlService(verb);
    return {
      data: { [verb]: true },
      text: verb === 'start' ? 'it starts; `status` in a moment' : 'it stops',
    };
  }

  private async volumes(): Promise<readonly string[]> {
    const read = await this.options.unit.config();
    return read.ok && read.config.role === 'server' ? read.config.server.volumes : [];
  }

  /** Folders and files below the volumes, the newest names last. */
  private async files(folder = ''): Promise<object[]> {
    const volumes = await this.volumes();
    const found: object[] = [];
    for (const volume of volumes) {
      const path = await this.within(volume, folder);
      for (const entry of path === undefined
        ? []
        : await readdir(path, { withFileTypes: true }).catch(() => [])) {
        if (found.length >= listedMax) return found;
        const name = join(folder, entry.name);
        // What is too old is removed meanwhile.
        const size = await lstat(join(path ?? '', entry.name)).then(
          (facts) => facts.size,
          () => undefined,
        );
        if (size !== undefined) found.push({ name: entry.isDirectory() ? `${name}/` : name, bytes: size });
      }
    }
    return found;
  }

  private async recordedFile(name: string): Promise<string> {
    for (const volume of await this.volumes()) {
      const path = await this.within(volume, name);
      if (path !== undefined && (await lstat(path)).isFile()) return path;
    }
    throw new Failure('NOT_FOUND', `there is no ${JSON.stringify(name.slice(0, 200))} to pull`, {
      advice: '`pull bundle`, or a name that `files` lists.',
    });
  }

  /** A path below a volume; undefined for one that is not there, or leads out of it. */
  private async within(volume: string, name: string): Promise<string | undefined> {
    try {
      const root = await realpath(volume);
      const path = await realpath(join(root, name));
      return path === root || path.startsWith(root + sep) ? path : undefined;
    } catch {
      return undefined;
    }
  }
}

/** What is said about each stands beside it, or below a long one. */
function helpText(commands: readonly CommandHelp[]): string {
  const width = 24;
  return commands
    .flatMap(({ usage, summary }) => {
      const said = wrap(summary, 79 - width).map((line) => ' '.repeat(width) + line);
      const [first = '', ...more] = said;
      if (usage.length < width) return [usage + first.slice(usage.length), ...more];
      return [...wrap(usage, 79).map((line, place) => (place === 0 ? line : `  ${line}`)), ...said];
    })
    .join('\n');
}
