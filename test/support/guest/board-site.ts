/**
 * A site of which some units are guests, made from images and flashed as a person would, and others run on this
 * machine. All hang on one switch.
 */
import assert from 'node:assert';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CameraDocument } from '../../../firmware/config/camera-section.ts';
import type { UnitOverrides } from '../../../firmware/config/enrollment.ts';
import { anycastEndpointsDefault } from '../../../firmware/config/unit-config.ts';
import { enrollUnit } from '../../../firmware/io/site-folder.ts';
import { type Machine, Namespaces } from '../namespaces.ts';
import { Field, type FieldUnit } from '../namespaces-units.ts';
import { until } from '../network.ts';
import type { BoardImage } from './board-image.ts';
import { flashLoopDevice } from './flashed-disk.ts';
import { Guest, type GuestDisk } from './guest.ts';
import { networkPrefix, TapNetwork } from './tap-network.ts';

/** What a guest is besides its disk. */
interface GuestSettings {
  readonly moreDisks?: readonly GuestDisk[];
  /** what its clock shows at the start, as `2020-01-01T00:00:00` */
  readonly startsAt?: string;
}

/** A flashed disk in a machine that can be switched on and off. */
export class GuestUnit {
  readonly id: string;
  /** that it makes from the prefix of its network and its hardware address (RFC 4291 §2.5.1) */
  readonly address: string;
  private readonly start: (settings: GuestSettings) => Promise<Guest>;
  private running: Guest | undefined;

  constructor(id: string, address: string, start: (settings: GuestSettings) => Promise<Guest>) {
    this.id = id;
    this.address = address;
    this.start = start;
  }

  get guest(): Guest {
    assert(this.running !== undefined, `${this.id} is switched off`);
    return this.running;
  }

  async switchOn(settings: GuestSettings = {}): Promise<Guest> {
    assert(this.running === undefined, `${this.id} is on already`);
    this.running = await this.start(settings);
    return this.running;
  }

  async cutPower(): Promise<void> {
    await this.running?.[Symbol.asyncDispose]();
    this.running = undefined;
  }
}

const toldCharacters = 6_000;

/** Dispose it: guests are switched off, everything on this machine is ended and removed. */
export class BoardSite implements AsyncDisposable {
  readonly field: Field;
  readonly network: TapNetwork;
  private readonly rig: Namespaces;
  private readonly guests: GuestUnit[] = [];

  private constructor(rig: Namespaces, network: TapNetwork, field: Field) {
    this.rig = rig;
    this.network = network;
    this.field = field;
  }

  static async open(): Promise<BoardSite> {
    const rig = new Namespaces();
    return new BoardSite(rig, new TapNetwork(rig), await Field.open(rig));
  }

  /** A server on this machine, in a namespace on the network; not started. */
  server(id: string, settings: UnitOverrides['server'] = {}): Promise<FieldUnit> {
    return this.field.server(id, this.machine(id), settings);
  }

  machine(name: string): Machine {
    return this.network.machine(name);
  }

  /** Enrolls a camera unit and flashes its disk. */
  cameraGuest(
    id: string,
    image: BoardImage,
    cameras: readonly CameraDocument[],
    camera: UnitOverrides['camera'] = {},
  ): Promise<GuestUnit> {
    return this.guestUnit(id, image, { role: 'camera', cameras, overrides: { camera } });
  }

  /** Enrolls a server and flashes its disk. */
  serverGuest(id: string, image: BoardImage, server: UnitOverrides['server'] = {}): Promise<GuestUnit> {
    return this.guestUnit(id, image, {
      role: 'server',
      overrides: { server: { ...server, http: { access: 'everybody' } } },
    });
  }

  /**
   * Waits until this server manages the camera unit's first camera, whose id is the unit's, under a later epoch than
   * `after`. Rejects with the end of what the guest and the server said.
   */
  async untilManaged(unit: GuestUnit, server: FieldUnit, limitMs: number, after = 0): Promise<void> {
    await this.untilSaid(`${server.id} manages ${unit.id}`, unit, limitMs, async () => {
      const { manager, epoch } = await server.where(unit.id);
      return manager === server.id && epoch > after;
    });
  }

  /** Waits for something a guest has a part in. Rejects with the end of what the guest and the servers said. */
  async untilSaid(
    what: string,
    unit: GuestUnit,
    limitMs: number,
    probe: () => Promise<boolean>,
  ): Promise<void> {
    await until(what, probe, limitMs).catch((error: unknown) => {
      this.field.tellAll();
      throw new Error(`${String(error)}; the guest said:\n${unit.guest.serialText().slice(-toldCharacters)}`);
    });
  }

  /** A folder that goes with the site. */
  folder(name: string): string {
    const folder = join(this.rig.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.guests) await one.cutPower();
    this.field[Symbol.dispose]();
  }

  private async guestUnit(
    id: string,
    image: BoardImage,
    unit: { role: 'camera' | 'server'; cameras?: readonly CameraDocument[]; overrides?: UnitOverrides },
  ): Promise<GuestUnit> {
    // Otherwise it would get the servers that were enrolled before it as seeds, and need no multicast.
    const overrides = { anycast: { endpoints: [...anycastEndpointsDefault] }, ...unit.overrides };
    const { siteFolder } = this.field;
    await enrollUnit(siteFolder, { unit: id, ...unit, overrides }, join(siteFolder, 'units', id));
    const disk = join(this.folder(id), 'disk.img');
    await flashLoopDevice({ image, disk, unit: id, siteFolder });
    const tap = this.network.tap();
    const number = this.guests.length + 1;
    const start = (settings: GuestSettings): Promise<Guest> => {
      const folder = this.folder(`${id}/machine`);
      for (const name of ['qmp.sock', 'serial.sock', 'qtest.sock', 'serial.log', 'gpio.trace'])
        rmSync(join(folder, name), { force: true });
      return Guest.start({
        folder,
        architecture: image.architecture,
        tap,
        macAddress: macAddressOf(number),
        disks: [{ id: 'system', file: disk, bus: 'virtio' }, ...(settings.moreDisks ?? [])],
        direct: image.direct,
        ...(settings.startsAt === undefined ? {} : { startsAt: settings.startsAt }),
      });
    };
    const guest = new GuestUnit(id, addressOf(number), start);
    this.guests.push(guest);
    return guest;
  }
}

function macAddressOf(number: number): string {
  return `52:54:00:00:00:${number.toString(16).padStart(2, '0')}`;
}

function addressOf(number: number): string {
  return `${networkPrefix}::5054:ff:fe00:${number.toString(16)}`;
}
