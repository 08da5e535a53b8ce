/** Everything that was said and sent in a run, as lines for a person. */
import type { Packet } from '../../firmware/overlay/packets.ts';
import type { SimWorld } from './world.ts';

const widest = 160;

function brief(value: unknown): string {
  const text = JSON.stringify(value, (_key, one: unknown) => {
    if (typeof one === 'object' && one !== null && (one as { type?: string }).type === 'Buffer') {
      return Buffer.from((one as { data: number[] }).data)
        .toString('hex')
        .slice(0, 8);
    }
    if (typeof one === 'object' && one !== null && 'host' in one) return (one as { host: string }).host;
    return one;
  });
  return (text ?? '').replaceAll('"', '');
}

function packetLine({ name, header, body }: Packet): string {
  const { network } = header;
  const net =
    network === undefined ? '-' : `${network.founder}${network.standing === 'provisional' ? '?' : ''}`;
  return `${name} (${header.incarnation}, ${net}) ${brief(body)}`.slice(0, widest);
}

/** In the order of time; of one time, packets in the order they were sent. */
export function traceLines(world: SimWorld): string[] {
  const packets = world.packets.map(({ at, from, to, packet }) => ({
    at,
    text: `${from} → ${to}  ${packetLine(packet)}`,
  }));
  const stories = world.stories.map(({ at, unit, text }) => ({ at, text: `${unit} : ${text}` }));
  const lines = [...packets, ...stories].sort((a, b) => a.at - b.at);
  return lines.map(({ at, text }) => `${at.toFixed(1).padStart(9)} ${text}`);
}
