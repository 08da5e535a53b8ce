/**
 * The configuration of BIRD 2 on a server that has an anycast address: OSPF tells the routers next to it that the
 * address is here, for as long as the server has it up on its interface, and with BFD they notice within a second when
 * the machine has died. Pure; the tests of the network run the same text.
 *
 * The address comes and goes with the server (it puts it up when it has joined), so nothing here says when.
 */
import { isIPv6 } from 'node:net';

export interface BirdSettings {
  /** name of the unit; the router id is made of it */
  readonly unit: string;
  /** this server's own anycast addresses, and the interface each is put up on */
  readonly addresses: readonly { readonly host: string; readonly interface: string }[];
  /** interfaces towards the routers */
  readonly links?: readonly BirdLink[];
}

interface BirdLink {
  /** a name, or a pattern such as en* */
  readonly name: string;
  /** of OSPF; by default BIRD's, which is the same for all */
  readonly cost?: number;
  /** a cable between two routers and no more */
  readonly isCable?: boolean;
}

/** Wired interfaces as systemd names them; OSPF over a radio link flaps. */
const linksUsual: readonly BirdLink[] = [{ name: 'en*' }, { name: 'eth*' }];

/** The whole bird.conf; undefined for a server without an address of its own. */
export function birdConfig({ unit, addresses, links = linksUsual }: BirdSettings): string | undefined {
  if (addresses.length === 0) return undefined;
  const families = [
    family(
      'ipv4',
      'v2',
      32,
      addresses.filter(({ host }) => !isIPv6(host)),
      links,
    ),
    family(
      'ipv6',
      'v3',
      128,
      addresses.filter(({ host }) => isIPv6(host)),
      links,
    ),
  ];
  return `# Made by \`starling bird-config\`; what is changed here is lost.
log stderr { warning, error, fatal, bug, auth };
router id ${routerId(unit)};
protocol device { scan time 1; }
protocol bfd { interface ${patterns(links.map(({ name }) => name))} { interval 150 ms; multiplier 4; }; }
${families.join('')}`;
}

function family(
  name: 'ipv4' | 'ipv6',
  version: 'v2' | 'v3',
  bits: number,
  addresses: BirdSettings['addresses'],
  links: readonly BirdLink[],
): string {
  if (addresses.length === 0) return '';
  const nets = addresses.map(({ host }) => `${host}/${bits}`).join(', ');
  const interfaces = [...new Set(addresses.map((one) => one.interface))];
  // A stub interface would announce nothing: OSPF takes the address from \`direct\`.
  return `
protocol direct anycast_${name} { ${name} { import where net ~ [ ${nets} ]; }; interface ${patterns(interfaces)}; }
protocol kernel kernel_${name} { ${name} { import none; export where source != RTS_DEVICE; }; }
protocol ospf ${version} ospf_${name} {
  ${name} { import all; export filter { if source = RTS_DEVICE then { ospf_metric1 = 1; accept; } reject; }; };
  area 0 {${links.map(ospfLink).join('')}
  };
}
`;
}

function ospfLink({ name, cost, isCable }: BirdLink): string {
  const more = `${isCable === true ? 'type ptp; ' : ''}${cost === undefined ? '' : `cost ${cost}; `}`;
  return `
    interface "${name}" { ${more}hello 1; dead 8; bfd yes; };`;
}

function patterns(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

/** Four bytes that are the same at every start and differ between servers of a site: FNV-1a of the name. */
function routerId(unit: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(unit)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  // 0.0.0.0 is none.
  const id = hash === 0 ? 1 : hash;
  return [24, 16, 8, 0].map((shift) => (id >>> shift) & 0xff).join('.');
}
