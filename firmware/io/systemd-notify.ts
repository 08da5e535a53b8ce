/**
 * Messages to systemd. Node has no datagram sockets of the Unix kind, so the program `systemd-notify` sends them, which
 * the service must allow (`NotifyAccess=all`). It waits until systemd has read the message; else systemd might look for
 * a process that has ended, and drop it.
 */
import { execFile } from 'node:child_process';
import type { ServiceManager } from '../runtime/service-notice.ts';

/** On a machine that is very busy a program takes long to start. */
const answerMs = 20_000;

const variables = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/**
 * The service manager that has started this process, as its environment says (sd_notify(3), sd_watchdog_enabled(3)),
 * which is told so once only: programs that this process starts would talk to systemd as if they were it.
 */
export function serviceManager(
  environment: NodeJS.ProcessEnv = process.env,
  program = 'systemd-notify',
): ServiceManager | undefined {
  if ((environment['NOTIFY_SOCKET'] ?? '') === '') return undefined;
  const own = { ...environment };
  for (const name of variables) delete environment[name];
  const watched = own['WATCHDOG_PID'];
  const usec = Number(own['WATCHDOG_USEC']);
  const mine = watched === undefined || watched === String(process.pid);
  return {
    watchdogMs: mine && Number.isFinite(usec) && usec > 0 ? usec / 1000 : undefined,
    notify: (assignments) =>
      new Promise((resolve, reject) => {
        const options = { timeout: answerMs, env: own, killSignal: 'SIGKILL' } as const;
        execFile(program, [...assignments], options, (error, _stdout, stderr) => {
          if (error === null) return resolve();
          const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
          reject(
            new Error(missing ? 'the program systemd-notify is missing' : stderr.trim() || error.message),
          );
        });
      }),
  };
}
