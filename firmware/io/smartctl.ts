/**
 * Asks disks how they are, with `smartctl` of the package smartmontools, which knows the many ways to ask. A disk that
 * sleeps is not woken up; one that does not answer costs a process of its own, never a thread of this one.
 */
import { execFile } from 'node:child_process';

/** A disk on a bad cable is asked again and again by the kernel, 30 s at a time. */
const answerMs = 40_000;
const bytesMax = 1024 * 1024;

/** Output of smartctl about a disk such as `sda`; rejects only when there is none at all. */
export function readSmartctl(disk: string, program = 'smartctl'): Promise<string> {
  if (!/^[a-z0-9]{2,32}$/.test(disk)) return Promise.reject(new Error(`${disk} is no disk's name`));
  // A namespace (nvme0n1) has the controller's health.
  const args = ['--json', '--all', '--nocheck=standby', `/dev/${disk}`];
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { timeout: answerMs, maxBuffer: bytesMax, killSignal: 'SIGKILL' },
      (error, stdout) => {
        // Its exit status has a bit for each thing that is wrong with the disk: all is in the answer.
        if (stdout !== '') return resolve(stdout);
        const missing = (error as NodeJS.ErrnoException | null)?.code === 'ENOENT';
        const killed =
          error?.killed === true ? `no answer in ${answerMs / 1000} s` : (error?.message ?? 'no answer');
        reject(new Error(missing ? 'the program smartctl (package smartmontools) is missing' : killed));
      },
    );
  });
}
