/**
 * The program: arguments → configuration → role → run. Parts are imported when they are needed, so that a camera unit
 * does not carry a server's memory, nor its capture process the unit's.
 */
import { argv } from 'node:process';

if (argv[2] === 'capture-process') {
  const { runCaptureProcess } = await import('./io/capture-process-main.ts');
  await runCaptureProcess();
} else if (argv[2] === 'servo-process') {
  const { runServoProcess } = await import('./io/servo-process-main.ts');
  await runServoProcess();
} else {
  const { runProgram } = await import('./cli/program.ts');
  await runProgram(argv, typeof STARLING_VERSION === 'string' ? STARLING_VERSION : 'source');
}
