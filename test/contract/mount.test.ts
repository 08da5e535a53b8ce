/** The mount contract against the mounts there are. */

import type { MountLimits } from '../../firmware/ptz/position.ts';
import { ServoMount } from '../../firmware/ptz/servo-mount.ts';
import { SimulatedMount, zoomDoublingsPerSecond } from '../../firmware/ptz/simulated-mount.ts';
import { mountContract } from '../support/mount-contract.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

function simulated(name: string, limits: MountLimits, degreesPerSecond: number): void {
  mountContract(name, {
    limits,
    speed: { pan: degreesPerSecond, tilt: degreesPerSecond, zoom: zoomDoublingsPerSecond },
    precision: 0,
    open: (start) => {
      const clock = new VirtualClock();
      return { clock, mount: new SimulatedMount({ clock, limits, degreesPerSecond, start }) };
    },
  });
}

simulated('simulated, all axes', { pan: [-90, 90], tilt: [-20, 30], zoom: [1, 4] }, 40);
simulated('simulated, off its middle and slow', { pan: [10, 170], tilt: [-90, -10], zoom: [1, 64] }, 0.5);
simulated('simulated, pan alone', { pan: [-180, 180], tilt: undefined, zoom: undefined }, 360);

function servo(name: string, limits: MountLimits, degreesPerSecond: number): void {
  mountContract(name, {
    limits,
    speed: { pan: degreesPerSecond, tilt: degreesPerSecond, zoom: zoomDoublingsPerSecond },
    precision: 0,
    open: (start) => {
      const clock = new VirtualClock();
      const drive = { aim: () => undefined, rest: () => undefined };
      return { clock, mount: new ServoMount({ clock, limits, degreesPerSecond, start, drive }) };
    },
  });
}

servo('servo, all axes', { pan: [-45, 45], tilt: [-30, 30], zoom: [1, 4] }, 40);
servo('servo, fast and off its middle', { pan: [10, 80], tilt: [-90, -10], zoom: undefined }, 360);
servo('servo, pan alone and slow', { pan: [-45, 45], tilt: undefined, zoom: undefined }, 2);
