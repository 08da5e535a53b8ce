/** The command line: `starling COMMAND`. Data goes to stdout, everything else to stderr. */
import { Command } from 'commander';
import { runCommand } from './exit-codes.ts';

/** Parses the arguments and runs the command; sets the exit code. */
export async function runProgram(argv: readonly string[], version: string): Promise<void> {
  endureClosedOutput();
  const program = new Command('starling')
    .description(
      'A surveillance network without a centre: cameras find a server, any server shows any camera.',
    )
    .version(version)
    .showHelpAfterError()
    .exitOverride()
    .configureHelp({ sortSubcommands: false });
  if (argv[2] === 'run') await addUnitCommand(program, version);
  else if (argv[2] === 'console-tty') await addFieldConsole(program, version);
  else if (argv[2] === 'first-boot') await addFirstBoot(program);
  else await addAllCommands(program, version);
  await runCommand(() => program.parseAsync([...argv]));
}

/** A unit runs for months: it carries nothing of the commands that people type. */
async function addUnitCommand(program: Command, version: string): Promise<void> {
  const { addRunCommand } = await import('./run-command.ts');
  addRunCommand(program, version);
}

async function addFirstBoot(program: Command): Promise<void> {
  const { addFirstBootCommand } = await import('./first-boot-command.ts');
  addFirstBootCommand(program);
}

/** The console must answer where other parts are broken: it loads nothing that it does not need. */
async function addFieldConsole(program: Command, version: string): Promise<void> {
  const { addConsoleTtyCommand } = await import('./console/console-tty-command.ts');
  addConsoleTtyCommand(program, version);
}

async function addAllCommands(program: Command, version: string): Promise<void> {
  const { addDemoCommand } = await import('./demo-command.ts');
  const { addAccountCommands } = await import('./account-commands.ts');
  const { addBirdCommand } = await import('./bird-command.ts');
  const { addBoardCommand } = await import('./board-command.ts');
  const { addCameraCommands } = await import('./camera-commands.ts');
  const { addCheckCommand } = await import('./check-command.ts');
  const { addCompletionCommands } = await import('./completion-commands.ts');
  const { addNetworkCommands } = await import('./network-commands.ts');
  const { addSettingsCommands } = await import('./settings-commands.ts');
  const { addSiteCommands } = await import('./site-commands.ts');
  addDemoCommand(program);
  await addUnitCommand(program, version);
  addBoardCommand(program);
  addBirdCommand(program);
  addCameraCommands(program);
  addCheckCommand(program);
  addNetworkCommands(program);
  addSiteCommands(program);
  addAccountCommands(program);
  addSettingsCommands(program);
  addCompletionCommands(program);
  await addFieldConsole(program, version);
  await addFirstBoot(program);
}

/** Whoever reads may stop reading, as `head` does, or be gone before a unit that it started: no reason to crash. */
function endureClosedOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    process.stderr.write(`error: cannot write the output: ${error.message}\n`);
    process.exitCode = 1;
  });
}
