/** `starling bird-config`: what the routing daemon of a server with an anycast address has to know. */
import { type Command, Option } from 'commander';
import { Failure } from '../base/failure.ts';
import { birdConfig } from '../boxcare/bird-config.ts';
import { ownedAddresses } from '../io/anycast-address.ts';
import { loadUnitConfig } from '../io/config-file.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';

interface BirdOptions {
  readonly config: string;
  readonly link?: string[];
}

/** Adds the command; `terminal` is the process unless a test brings its own. */
export function addBirdCommand(program: Command, terminal: Terminal = processTerminal): void {
  program
    .command('bird-config')
    .description('print the configuration of BIRD 2 that announces the anycast address of this server')
    .requiredOption('--config <file>', 'settings of the unit (unit.yaml)')
    .addOption(new Option('--link <name...>', 'interfaces towards the routers (default: en* eth*)'))
    .addHelpText(
      'after',
      '\nExample:\n  starling bird-config --config /etc/starling/unit.yaml > /run/starling/bird.conf',
    )
    .action(async ({ config: path, link }: BirdOptions) => {
      const config = await loadUnitConfig(path);
      const addresses = ownedAddresses(config.anycast.endpoints);
      const wrong = link?.find((name) => !/^[\w.*-]{1,32}$/.test(name));
      if (wrong !== undefined)
        throw new Failure('USAGE', `--link: ${JSON.stringify(wrong)} is no interface`, {
          advice: 'Such as en*.',
        });
      const text = birdConfig({
        unit: config.unit,
        addresses,
        ...(link === undefined ? {} : { links: link.map((name) => ({ name })) }),
      });
      if (text === undefined)
        throw new Failure('NOT_FOUND', 'this unit has no anycast address of its own', {
          advice: 'Add an endpoint of kind address with an interface (such as lo) under anycast.endpoints.',
        });
      terminal.out(text);
    });
}
