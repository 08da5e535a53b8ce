/**
 * A camera unit with servos, end stops, sensors and a light on its lines, in a network of two servers: real units, the real
 * onoff and servo process, on a sysfs of their own that looks like a Raspberry Pi 4's.
 */
import assert from 'node:assert/strict';
import { readFileSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import type { EventsAnswer, PtzAnswer } from '../../firmware/viewing/api.ts';
import { exportLines, hasNamespaces, inOwnSysfs, setValue, valueOf } from '../support/fake-gpio-kernel.ts';
import { run } from '../support/gst.ts';
import { bundle, getCameras, startNetwork, type TestNetwork, until, untilUp } from '../support/network.ts';
import { treeOf, writeTree } from '../support/sysfs-trees.ts';

const camera = 'cam-1';
const base = 512;
const line = { pan: 12, tilt: 13, power: 16, panMin: 5, pir: 17, button: 27, tally: 22 };
const low = (number: number) => ({ line: number, activeLow: true });
const gpio = {
  chip: { chipLabel: 'pinctrl-bcm2711', lineCount: 58 },
  servos: { pan: { line: line.pan }, tilt: { line: line.tilt }, power: { line: line.power } },
  endStops: [{ axis: 'pan', side: 'min', ...low(line.panMin) }],
  pir: { line: line.pir },
  button: low(line.button),
  tallyLed: { line: line.tally },
};
const mount = { kind: 'servo', pan: [-45, 45], tilt: [-20, 20], degreesPerSecond: 30 };

const outer = hasNamespaces() ? inOwnSysfs(fileURLToPath(import.meta.url)) : { status: null, output: '' };

if (outer !== undefined) {
  test('a unit with things on its lines', {
    skip: hasNamespaces() ? false : 'no mount namespaces here',
  }, () => {
    assert.equal(outer.status, 0, outer.output);
  });
} else describe('a camera unit with things on its lines', insideTests);

function insideTests(): void {
  let network: TestNetwork;
  let manager = '';
  let other = '';

  const api = async <T>(path: string, body?: object): Promise<T> => {
    const headers = { 'x-starling': '1', 'content-type': 'application/json' };
    const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
    const response = await fetch(`${network.url(other)}${path}`, init);
    const text = await response.text();
    assert.equal(response.status, 200, `${path}: ${text}`);
    return JSON.parse(text) as T;
  };
  const ptz = (wish?: object): Promise<PtzAnswer> => api(`/api/cameras/${camera}/ptz`, wish);
  const eventsOf = async (kind: string): Promise<EventsAnswer['events']> => {
    const { events } = await api<EventsAnswer>(`/api/events?camera=${camera}`);
    return events.filter((event) => event.kind === kind);
  };
  const set = (number: number, active: boolean): void => setValue(base + number, active);
  const rests = (): Promise<PtzAnswer> =>
    until('the camera rests', async () => {
      const answer = await ptz();
      return answer.position !== null && !answer.moving && answer;
    });
  const findManager = async (): Promise<void> => {
    manager = (await getCameras(network.url('ss-1')))[0]?.manager ?? '';
    other = manager === 'ss-1' ? 'ss-2' : 'ss-1';
  };

  before(async () => {
    writeTree('/sys', { gpio: treeOf('6.6', 'raspberry-pi-4b').gpio, pwm: {} });
    exportLines(base, Object.values(line));
    network = await startNetwork({ servers: 2, cameras: 1, start: ['ss-1', 'ss-2'] });
    const unit = [...network.units.values()].find((one) => one.unit.role === 'camera');
    assert.ok(unit !== undefined, 'there is a camera unit');
    const settings = parse(readFileSync(unit.unit.settings, 'utf8')) as { camera: { cameras: object[] } };
    settings.camera.cameras = settings.camera.cameras.map((one) => ({ ...one, mount }));
    const changed = { ...settings, board: 'virtual', camera: { ...settings.camera, gpio } };
    writeFileSync(unit.unit.settings, stringify(changed));
    unit.start();
    await untilUp(network, 2, 1).catch((error: Error) => {
      throw new Error(`${error.message}\n${network.messages.join('\n')}`);
    });
    await findManager();
  });
  after(async () => network?.[Symbol.asyncDispose]());

  test('shows that it is recorded', async () => {
    await until('the light is on', () => valueOf(base + line.tally));
  });

  test('tells of somebody who moves, while it lasts and when it is over, through any server', async () => {
    set(line.pir, true);
    const [begun] = await until('motion', async () => {
      const events = await eventsOf('motion');
      return events.length > 0 && events;
    });
    assert.deepEqual([begun?.to, begun?.camera, begun?.server], [null, camera, manager]);
    set(line.pir, false);
    const ended = await until('its end', async () =>
      (await eventsOf('motion')).find(({ to }) => to !== null),
    );
    assert.equal(ended.from, begun?.from);
    const seconds = (Date.parse(ended.to ?? '') - Date.parse(ended.from)) / 1_000;
    assert.ok(seconds < 5, `the 5 s of quiet are not part of it: ${seconds} s`);
    const args = ['events', camera, '--server', network.url(other)];
    const { stdout, stderr, code } = await run('node', [bundle, ...args]);
    assert.equal(code, 0, String(stderr));
    assert.match(String(stdout), /^\S+Z +\S+ +cam-1 +motion$/m);
  });

  test('turns its servo by pulses on its line, and lets it go', async () => {
    let writes = 0;
    const watcher = watch(`/sys/class/gpio/gpio${base + line.pan}/value`, () => {
      writes += 1;
    });
    await ptz({ pan: 30 });
    const { position, limits } = await rests();
    assert.equal(position?.pan, 30);
    assert.deepEqual(limits?.pan, [-45, 45]);
    assert.ok(writes > 20, `${writes} pulses; ${network.messages.join('\n')}`);
    await until('power goes off', () => !valueOf(base + line.power));
    const counted = writes;
    await ptz({ zoom: 1.5 });
    await rests();
    assert.equal(writes, counted, 'nothing is pulsed while pan and tilt rest');
    assert.equal(valueOf(base + line.pan), false);
    watcher.close();
  });

  test('an end stop stops it where it is, and is an event', async () => {
    await ptz({ pan: -45 });
    await until('it turns', async () => ((await ptz()).position?.pan ?? 0) < 10);
    set(line.panMin, true);
    const { position } = await rests();
    const pan = position?.pan ?? 0;
    assert.ok(pan > -40 && pan < 12, `stopped at ${pan}`);
    await until('the event', async () => (await eventsOf('end-stop'))[0]?.sensor === 'pan-min');
    await ptz({ pan: -45 });
    assert.equal((await rests()).position?.pan, pan, 'no further');
    await ptz({ pan: 30 });
    set(line.panMin, false);
    assert.equal((await rests()).position?.pan, 30);
    await until('its end', async () => (await eventsOf('end-stop')).some(({ to }) => to !== null));
  });

  test('without a server it stands still, blinks, keeps its events, and tells them later', async () => {
    await ptz({ pan: -45 });
    await until('it turns', async () => ((await ptz()).position?.pan ?? 30) < 28);
    for (const server of ['ss-1', 'ss-2']) process.kill(network.unit(server).pid ?? 0, 'SIGKILL');
    const seen = new Set<boolean>();
    await until('the light blinks', () => seen.add(valueOf(base + line.tally)).size === 2);
    const pressed = Date.now();
    set(line.button, true);
    await until('the light changes', () => valueOf(base + line.tally));
    set(line.button, false);
    const state = join(dirname(network.unit(camera).unit.settings), 'data', 'steering.json');
    const kept = await until('its place is kept', () => {
      const places = JSON.parse(readFileSync(state, 'utf8')) as Record<string, { position: { pan: number } }>;
      const pan = places[camera]?.position.pan ?? 30;
      return pan < 29 && pan;
    });
    assert.ok(kept > -44, `it went on to ${kept} with nobody to stop it`);
    await until('a server is back', async () => (await getCameras(network.url('ss-1'))).length > 0, 60_000);
    await findManager();
    const [button] = await until('the button', async () => {
      const events = await eventsOf('button');
      return events[0]?.to !== undefined && events[0].to !== null && events;
    });
    assert.ok(Math.abs(Date.parse(button?.from ?? '') - pressed) < 1_000, `pressed at ${button?.from}`);
    assert.ok(Math.abs(((await ptz()).position?.pan ?? 0) - kept) < 0.01, 'it is where it stopped');
  });
}
