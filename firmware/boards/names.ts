/** The kinds of names that stand in a board.yaml. None of them can become anything but a name: no spaces, no quotes. */
import { textThat } from '../config/fields.ts';

/** A word as kernels and device trees use it: `raspberrypi,4-model-b`, `fe20c000.pwm`, `eth0`. */
export const word = textThat(
  (text) => /^[A-Za-z0-9][\w,.:+-]{0,63}$/.test(text),
  'expected a word of letters, digits and , . : + - _',
);

/** A device file. */
export const devicePath = textThat(
  (text) => /^\/dev\/[A-Za-z0-9][\w.:+-]{0,63}(\/[A-Za-z0-9][\w.:+-]{0,63}){0,3}$/.test(text),
  'expected the path of a device, /dev/…',
);

/** ext4 holds 16 bytes. */
export const partitionLabel = textThat(
  (text) => /^[A-Za-z0-9][\w.-]{0,15}$/.test(text),
  'expected a label of 1..16 letters, digits, dots and hyphens',
);

/** A Debian package, with a suite when it comes from another one: `ffmpeg/trixie-backports`. */
export const packageName = textThat(
  (text) => /^[a-z0-9][a-z0-9+.-]{1,79}(\/[a-z0-9-]{1,40})?$/.test(text),
  'expected the name of a Debian package',
);

/** The path of a file below some folder. */
export const filePath = textThat(
  (text) => /^[\w+-][\w.+-]*(\/[\w+-][\w.+-]*)*$/.test(text) && text.length <= 200,
  'expected the path of a file, without a slash at its start',
);
