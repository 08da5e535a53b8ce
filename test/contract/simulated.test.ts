/** The simulated disk and index keep the contracts of the real ones. */

import { diskContract } from '../support/disk-contract.ts';
import { indexStoreContract } from '../support/index-store-contract.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { SimulatedIndex } from '../support/simulated-index.ts';
import { SimulatedMachine } from '../support/simulated-machine.ts';

diskContract('the simulated disk', async () => {
  const disk = new SimulatedDisk(new SimulatedMachine(1), 1e9);
  await disk.createDirectory('/disk');
  return { disk, folder: '/disk', close: async () => undefined };
});

indexStoreContract('the simulated index', async () => {
  const index = new SimulatedIndex(new SimulatedMachine(1));
  return { open: async () => index.open(), close: async () => undefined };
});
