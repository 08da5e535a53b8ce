/** The command line: `starling COMMAND`. Data goes to stdout, everything else to stderr. */
import { Command } from 'commander';
import { addCameraCommands } from './camera-commands.ts';
import { addDemoCommand } from './demo-command.ts';
import { addRunCommand } from './run-command.ts';
import { runCommand } from './exit-codes.ts';
import { addSiteCommands } from './site-commands.ts';

/** Parses the arguments and runs the command; sets the exit code. */
export async function runProgram(argv: readonly string[], version: string): Promise<void> {
  const program = new Command('starling')
    .description('A surveillance network without a centre: cameras find a server, any server shows any camera.')
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
