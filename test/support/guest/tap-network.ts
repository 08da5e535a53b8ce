/**
 * A switch with guests on it: the servers run on machines of the test rig, a guest hangs on a tap that is a port of the
 * same switch. The emulator runs in the room of the switches, where the tap is. A router advertises an IPv6 prefix and
 * nothing else, as in a network without any setup: guests make their addresses from it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine, Namespaces, Switch, Tap } from '../namespaces.ts';

/** The prefix of guests and host, without its `::/64`. */
export const networkPrefix = 'fd00:9';

export class TapNetwork {
  readonly lan: Switch;
  private readonly rig: Namespaces;
  private hosts = 0;

  constructor(rig: Namespaces) {
    this.rig = rig;
    this.lan = rig.switch();
    const router = this.machine('router');
    this.advertise(router);
  }

  /** A machine of the rig on this network. */
  machine(name: string): Machine {
    const machine = this.rig.machine(name);
    this.hosts += 1;
    this.lan.plug(machine, `${networkPrefix}::${this.hosts}/64`);
    return machine;
  }

  /** A port for a guest. */
  tap(): Tap {
    return this.lan.tap();
  }

  private advertise(router: Machine): void {
    const settings = join(this.rig.folder, 'bird.conf');
    writeFileSync(
      settings,
      [
        'router id 10.9.0.1;',
        'protocol device { }',
        `protocol radv { interface "eth0" { min ra interval 3; max ra interval 4; prefix ${networkPrefix}::/64 { }; }; }`,
        '',
      ].join('\n'),
    );
    const files = [
      '-c',
      settings,
      '-s',
      join(this.rig.folder, 'bird.ctl'),
      '-P',
      join(this.rig.folder, 'bird.pid'),
    ];
    router.run('bird', ...files);
  }
}
