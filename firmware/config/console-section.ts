/** The settings under `console`: the field console of a unit. Its PIN is a hash in a file of its own, never here. */
import { integer, path, section } from './fields.ts';

export const consoleSection = section({
  socket: path
    .optional()
    .describe(
      'unix socket at which the running unit answers its console; by default control.sock in the folder that systemd gives it (RuntimeDirectory), else in `data`',
    ),
  lockMinutes: integer(1, 1_440)
    .default(10)
    .describe('after so long without a key the console asks for its PIN again, minutes'),
}).describe('the field console');
