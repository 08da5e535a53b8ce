/** The command line: `starling COMMAND`. Data goes to stdout, everything else to stderr. */
import { Command } from 'commander';
import { addCameraCommands } from './camera-commands.ts';
import { addDemoCommand } from './demo-command.ts';
import { runCommand } from './exit-codes.ts';
import { addRunCommand } from './run-command.ts';
import { addSiteCommands } from './site-commands.ts';

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
  addDemoCommand(program);
  addRunCommand(program, version);
  addCameraCommands(program);
  addSiteCommands(program);
  await runCommand(() => program.parseAsync([...argv]));
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
