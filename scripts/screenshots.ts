/** `npm run screenshots`: takes the pictures that the README shows, from a real network. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openChromium } from '../test/support/chromium.ts';
import { startNetwork, untilUp } from '../test/support/network.ts';
import { live } from '../test/support/page-checks.ts';

const folder = join(import.meta.dirname, '..', 'firmware', 'viewing', 'screenshots');
const cameras = ['cam-1', 'cam-2', 'cam-3', 'cam-4'];

await mkdir(folder, { recursive: true });
await using network = await startNetwork({ servers: 3, cameras: cameras.length });
await untilUp(network, 3, cameras.length);
await using browser = await openChromium({ width: 1280, height: 760 });
await browser.page.goto(network.url());
for (const camera of cameras) await live(browser.page, camera);
await browser.page.screenshot({ path: join(folder, 'grid.png') });
console.log(join(folder, 'grid.png'));
