/**
 * The patent's FIG. 1 from SS4: the line SS1–SS2–SS3–SS4–SS5 with its cameras, as Tables 1–3 [0035][0037][0043] show
 * it; and a server's network access that answers with it.
 */
import type { QueryAnswer } from '../../firmware/overlay/effects.ts';
import type { TablesView } from '../../firmware/overlay/views.ts';
import type { NetworkAccess } from '../../firmware/viewing/network-access.ts';

const at = (time: string, count = 0): { ms: number; count: number } => ({
  ms: Date.parse(`2008-07-08T${time}:00Z`),
  count,
});
const cameras = (...numbers: number[]): string[] => numbers.map((number) => `cam-${number}`);
const address = (number: number): { host: string; port: number } => ({
  host: `192.0.2.${number}`,
  port: 8443,
});

export const figureOne: TablesView = {
  server: 'ss-4',
  network: { standing: 'established', trusted: true, founded: at('09:00'), founder: 'ss-1' },
  neighbor: {
    joinTime: at('11:23', 2),
    oneHop: [
      {
        server: 'ss-3',
        linkCostMs: 5,
        joinTime: at('10:00'),
        address: address(3),
        incarnation: 1,
        suspected: false,
        load: 0.25,
        neighbors: ['ss-2', 'ss-4'],
      },
      {
        server: 'ss-5',
        linkCostMs: 5,
        joinTime: at('00:00'),
        address: { host: '2001:db8::5', port: 8443 },
        incarnation: 7,
        suspected: true,
        load: 0,
        neighbors: ['ss-4'],
      },
    ],
    twoHop: [
      {
        server: 'ss-2',
        from: ['ss-3'],
        linkCostMs: 12,
        joinTime: at('11:00'),
        address: address(2),
        incarnation: 1,
        neighbors: ['ss-1', 'ss-3'],
      },
    ],
  },
  query: {
    direct: cameras(6),
    indirect: { oneHop: cameras(3, 4, 5), further: cameras(0, 1, 2) },
    servers: [
      {
        server: 'ss-3',
        hops: 1,
        direct: cameras(3, 4),
        indirect1: cameras(1, 2, 6),
        indirect2: cameras(0, 5),
      },
      {
        server: 'ss-5',
        hops: 1,
        direct: cameras(5),
        indirect1: cameras(6),
        indirect2: cameras(0, 1, 2, 3, 4),
      },
      {
        server: 'ss-2',
        hops: 2,
        direct: cameras(1, 2),
        indirect1: cameras(0, 3, 4),
        indirect2: cameras(5, 6),
      },
    ],
  },
  history: [
    {
      camera: 'cam-6',
      state: 'online',
      previousOwners: [],
      tenures: [
        {
          camera: 'cam-6',
          server: 'ss-4',
          firstEpoch: 1,
          lastEpoch: 1,
          fromUs: at('12:00').ms * 1000,
          toUs: 0,
        },
      ],
    },
  ],
};

/** Network access of a server that knows no camera, unless a test says otherwise. */
export function networkAccess(parts: Partial<NetworkAccess> = {}): NetworkAccess {
  return {
    tables: () => figureOne,
    where: async (camera) => unknownTo(camera),
    leave: () => undefined,
    log: () => [],
    ...parts,
  };
}

/** What a server answers that has never heard of a camera. */
export function unknownTo(camera: string): QueryAnswer {
  return { camera, manager: undefined, link: undefined, epoch: 0, state: 'unknown', tenures: [] };
}
