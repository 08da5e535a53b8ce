/**
 * The program: arguments → configuration → role → run. Roles are imported when they are needed, so that a camera
 * unit does not carry a server's memory.
 */
import { argv } from 'node:process';
import { runProgram } from './cli/program.ts';

if (argv[2] === 'capture-process') {
  const { runCaptureProcess } = await import('./io/capture-process-main.ts');
  await runCaptureProcess();
} else {
  await runProgram(argv, typeof STARLING_VERSION === 'string' ? STARLING_VERSION : 'source');
}
