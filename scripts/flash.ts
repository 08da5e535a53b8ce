/**
 * `npm run flash`: writes an image to a card or disk, with the settings of one unit, and proves that it is there.
 *
 *     npm run flash -- --image artefacts/images/generic-x86-server.img --device /dev/sdb --unit server-1 --site ./home
 *     npm run flash -- --image cam.img --device /dev/sdb --unit cam-1 --site ./home --wifi "My net" --country DE
 *
 * It refuses disks of this system, mounted ones, ones that are too small, and cards that lie about their size; then it asks,
 * unless `--yes` is given. Exit codes: 0 done, 2 usage, 3 not found, 4 no access, 10 not a disk, 11 system disk, 12 mounted,
 * 13 too small, 14 the card lies, 15 reads back wrong, 16 the image is damaged, 17 not confirmed, 18 cannot be written,
 * 19 write-protected. Progress goes to stderr; stdout gets one line, or one JSON document with `--json`.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { Failure, messageOf } from '../firmware/base/failure.ts';
import { runCommand } from '../firmware/cli/exit-codes.ts';
import type { NetworkDocument } from '../firmware/config/network-file.ts';
import { confirmDevice } from './flash/confirmation.ts';
import { describeDevice } from './flash/device.ts';
import { type FlashRequest, type FlashResult, flash } from './flash/flash-disk.ts';
import { ProgressLine } from './flash/progress-line.ts';
import { Refusal } from './flash/refusal.ts';

interface Flags {
  readonly image: string;
  readonly device: string;
  readonly unit?: string;
  readonly site?: string;
  readonly source?: string;
  readonly seed?: readonly string[];
  readonly anycast?: string;
  readonly volume?: readonly string[];
  readonly wifi?: string;
  readonly wifiPasswordFile?: string;
  readonly country?: string;
  readonly address?: string;
  readonly gateway?: string;
  readonly dns?: readonly string[];
  readonly ntp?: readonly string[];
  readonly pin?: string;
  readonly sshKey?: string;
  readonly yes?: true;
  readonly json?: true;
}

const program = new Command('npm run flash --')
  .description('write an image to a card or disk, with the settings of one unit')
  .requiredOption('--image <file>', 'what `npm run image` made; FILE.json must lie beside it')
  .requiredOption('--device <dev>', 'the whole disk or card, such as /dev/sdb; `lsblk` lists them')
  .option('--unit <name>', 'which unit it becomes; enrolled if it is new')
  .option('--site <dir>', 'the site it belongs to, as `starling site init` makes it')
  .option('--source <spec>', 'of a new camera: where its pictures come from (default: what the board has)')
  .option('--seed <host:port...>', 'of a new unit: servers that it knows, where multicast does not reach')
  .option(
    '--anycast <address>',
    'of a new unit: routed anycast address of the site; a server puts it up itself',
  )
  .option(
    '--volume <label...>',
    'of a new server: labels of the disks that it records on (default: the flashed disk)',
  )
  .option('--wifi <ssid>', 'wireless network; its password is asked for, or in STARLING_WIFI_PASSWORD')
  .option('--wifi-password-file <file>', 'file whose first line is that password')
  .option('--country <code>', 'where the radio is used, such as DE')
  .option('--address <ip/prefix>', 'fixed address (default: DHCP)')
  .option('--gateway <ip>', 'router, with a fixed address')
  .option('--dns <ip...>', 'name servers')
  .option('--ntp <host...>', 'time servers')
  .option('--pin <digits>', 'PIN of the field console')
  .option('--ssh-key <file>', 'public key that may log in as root, if the image was made with --ssh')
  .option('--yes', 'do not ask')
  .option('--json', 'print JSON')
  .exitOverride()
  .action(async (flags: Flags) => {
    const request = await requestOf(flags);
    const line = new ProgressLine({ quiet: flags.json === true });
    const result = await flash(request, {
      confirm: async (device) => {
        if (flags.json !== true)
          for (const text of describeDevice(device)) process.stderr.write(`  ${text}\n`);
        await confirmDevice(device.path, flags.yes === true);
      },
      onProgress: (phase, done, total) => line.show(phase, done, total),
    });
    line.end();
    report(result, flags);
  });

async function requestOf(flags: Flags): Promise<FlashRequest> {
  const { image, device, unit, site, source, seed: seeds, anycast, volume: volumes, pin, sshKey } = flags;
  if ((unit === undefined) !== (site === undefined)) {
    const advice = 'Give both --unit and --site, or neither to flash an image without settings.';
    throw new Failure('USAGE', '--unit and --site belong together', { advice });
  }
  const network = await networkOf(flags);
  const parts = { source, seeds, anycast, volumes, pin, network };
  const given = Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
  if (site === undefined || unit === undefined) {
    if (Object.keys(given).length === 0) return { image: resolve(image), device };
    throw new Failure('USAGE', 'settings need a unit', { advice: 'Give --unit and --site as well.' });
  }
  const sshKeyText = sshKey === undefined ? {} : { sshKey: readFileSync(sshKey, 'utf8') };
  return { image: resolve(image), device, unit: { site, unit, ...given }, ...sshKeyText };
}

async function networkOf(flags: Flags): Promise<NetworkDocument | undefined> {
  const { wifi: ssid, country, address, gateway, dns, ntp } = flags;
  const password = ssid === undefined ? undefined : await wifiPassword(flags);
  const wifi = ssid === undefined ? undefined : { ssid, ...defined({ password, country }) };
  const network = defined({ wifi, address, gateway, dns, ntp });
  return Object.keys(network).length === 0 ? undefined : network;
}

function defined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

async function wifiPassword({ wifiPasswordFile }: Flags): Promise<string | undefined> {
  if (wifiPasswordFile !== undefined) return readFileSync(wifiPasswordFile, 'utf8').split('\n')[0]?.trimEnd();
  const fromEnvironment = process.env['STARLING_WIFI_PASSWORD'];
  if (fromEnvironment !== undefined) return fromEnvironment === '' ? undefined : fromEnvironment;
  const { askSecret } = await import('../firmware/cli/secret-input.ts');
  return askSecret('Password of the wireless network');
}

function report(result: FlashResult, { json }: Flags): void {
  if (json === true) return void process.stdout.write(`${JSON.stringify({ ok: true, ...result })}\n`);
  const { device, unit, writtenBytes, writeSeconds, verifySeconds } = result;
  const rate = (seconds: number): string =>
    `${(writtenBytes / 1e6 / Math.max(seconds, 0.001)).toFixed(0)} MB/s`;
  process.stdout.write(`${device} ${unit === undefined ? 'holds the image' : `is unit ${unit}`}\n`);
  process.stderr.write(
    `written with ${rate(writeSeconds)}, verified from the medium with ${rate(verifySeconds)}\n`,
  );
  process.stderr.write('It can be taken out now.\n');
}

/** Refusals have exit codes of their own; everything else ends as any command does. */
async function main(): Promise<void> {
  try {
    await program.parseAsync();
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) return runCommand(() => Promise.reject(thrown));
    process.stderr.write(`error: ${thrown.message}\n${thrown.advice}\n`);
    if (process.argv.includes('--json')) {
      const { kind, message, advice, exitCode } = thrown;
      process.stdout.write(`${JSON.stringify({ ok: false, refusal: kind, message, advice, exitCode })}\n`);
    }
    process.exitCode = thrown.exitCode;
  }
}

await main().catch((error: unknown) => {
  process.stderr.write(`bug: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
