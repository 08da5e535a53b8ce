/** The care of a machine: what is found on recorded boxes, what is told once, and that nothing waits for a bad disk. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { BoxCare, type CareFolder } from '../../firmware/boxcare/box-care.ts';
import { disksText, timeText } from '../../firmware/boxcare/care-text.ts';
import type { Finding } from '../../firmware/boxcare/findings.ts';
import { ledSign } from '../../firmware/boxcare/led-signs.ts';
import { readSensors, sensorFindings } from '../../firmware/boxcare/sensors.ts';
import { setLed } from '../../firmware/io/leds.ts';
import { disksAnswer } from '../../firmware/viewing/schemas/care-schemas.ts';
import { failingBox, wellBox } from '../support/box-reports.ts';
import { hc4, pi4, RecordedBox, type RecordedTree } from '../support/recorded-box.ts';
import { asleepDisk, failingSataDisk, sataDisk, unknownBridge } from '../support/smart-outputs.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const { clock: clockFacts } = wellBox('box');

class Scene implements Disposable {
  readonly box: RecordedBox;
  readonly clock = new VirtualClock();
  readonly lines: string[] = [];
  readonly asked: string[] = [];
  readonly shown: (readonly Finding[])[] = [];
  /** what disks answer; one without an answer hangs */
  readonly answers = new Map<string, object>();
  folders: CareFolder[] = ['/data/starling', '/volumes/starling-1', '/volumes/starling-2'].map((folder) => {
    return { folder, totalBytes: 1000, freeBytes: 400 };
  });
  readonly care: BoxCare;

  constructor(...trees: readonly RecordedTree[]) {
    this.box = new RecordedBox(...trees);
    this.care = new BoxCare({
      server: 'box',
      files: this.box.files,
      smart: (disk) => {
        this.asked.push(disk);
        const answer = this.answers.get(disk);
        return answer === undefined ? new Promise(() => undefined) : Promise.resolve(JSON.stringify(answer));
      },
      folders: () => this.folders,
      clockFacts: () => ({ clock: clockFacts, findings: [] }),
      onFindings: (findings) => this.shown.push(findings),
      clock: this.clock,
      log: (level, message) => this.lines.push(`${level} ${message}`),
    });
  }

  /** Looks, and lets the disks answer. */
  async look(): Promise<void> {
    await this.care.look();
    await new Promise((resolve) => setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    this.box[Symbol.dispose]();
  }
}

describe('a box of which all is well', () => {
  test('has its disks, folders and sensors in the report, which the API allows', async () => {
    using scene = new Scene(hc4);
    scene.answers.set('sda', sataDisk).set('sdb', { ...sataDisk, serial_number: 'WD-WCC7K0000002' });
    await scene.look();
    const report = scene.care.report();
    assert.deepEqual(disksAnswer.parse(report), report);
    assert.deepEqual([report.verdict, report.findings, scene.lines], ['OK', [], []]);
    assert.deepEqual(
      report.disks.map(({ name, bus, smart, wearPercent }) => [name, bus, smart, wearPercent]),
      [
        ['mmcblk0', 'mmc', 'none', 20],
        ['sda', 'sata', 'passed', null],
        ['sdb', 'sata', 'passed', null],
      ],
    );
    assert.deepEqual(
      report.volumes.map(({ label, disk, verdict }) => [label, disk, verdict]),
      [
        ['data', 'mmcblk0', 'OK'],
        ['starling-1', 'sda', 'OK'],
        ['starling-2', 'sdb', 'OK'],
      ],
    );
    assert.deepEqual(scene.asked, ['sda', 'sdb'], 'a card is not asked');
    assert.deepEqual(report.watchdog?.running, true);
    assert.deepEqual(report.leds, [{ name: 'blue:status', on: true, trigger: 'heartbeat' }]);
  });

  test('says so before it was looked at, too', () => {
    using scene = new Scene(hc4);
    const report = scene.care.report();
    assert.deepEqual(disksAnswer.parse(report), report);
    assert.match(disksText(report), /not looked at yet/);
  });
});

describe('what is wrong', () => {
  test('is told once with the next step, and once when it is over', async () => {
    using scene = new Scene(hc4);
    scene.answers.set('sda', sataDisk).set('sdb', sataDisk);
    scene.box.put('/sys/fs/ext4/sda1/errors_count', '2');
    await scene.look();
    scene.box.put('/sys/fs/ext4/sda1/errors_count', '3');
    await scene.look();
    const said = 'warn volume /volumes/starling-1: its file system has counted 2 errors. Stop the server';
    assert.deepEqual(
      [scene.lines.length, scene.lines[0]?.startsWith(said)],
      [1, true],
      scene.lines.join('\n'),
    );
    assert.equal(scene.care.report().volumes[1]?.verdict, 'WARN');
    scene.box.put('/sys/fs/ext4/sda1/errors_count', '0');
    await scene.look();
    assert.deepEqual(
      scene.lines[1],
      'info is over: volume /volumes/starling-1: its file system has counted 3 errors',
    );
    assert.deepEqual(scene.shown.at(-1), []);
  });

  test('is a pulled disk, a read-only one, one that fails, and what the recorder says, the worst first', async () => {
    using scene = new Scene(hc4);
    scene.answers.set('sda', failingSataDisk).set('sdb', sataDisk);
    const mounts = hc4['/proc/self/mountinfo'] ?? '';
    scene.box.put('/proc/self/mountinfo', mounts.replace('/dev/sda1 rw', '/dev/sda1 ro'));
    for (const path of ['/sys/dev/block/8:17', '/sys/class/block/sdb', '/sys/class/block/sdb1'])
      scene.box.remove(path);
    scene.folders = scene.folders.map((one) =>
      one.folder === '/data/starling' ? { ...one, problem: 'is full' } : one,
    );
    await scene.look();
    const { findings, verdict, volumes } = scene.care.report();
    assert.equal(verdict, 'FAIL');
    assert.deepEqual(
      findings.map((one) => `${one.verdict} ${one.about}: ${one.text}`),
      [
        'FAIL volume /data/starling: is full',
        'FAIL volume /volumes/starling-1: it is mounted read-only',
        'FAIL volume /volumes/starling-2: its disk (sdb1) is gone, though it is still mounted',
        'FAIL disk sda: the disk itself says that it is failing',
        "FAIL disk sda: below the vendor's threshold: Reallocated_Sector_Ct",
        'FAIL disk sda: its last self-test found an error',
        'WARN disk sda: 8 sectors cannot be read',
        'WARN disk sda: 128 reads have failed for good',
        'WARN disk sda: 3904 sectors were replaced by spare ones',
        'WARN disk sda: it is 57 °C hot',
      ],
    );
    assert.deepEqual(
      volumes.map(({ present }) => present),
      [true, true, false],
    );
    assert.equal(scene.lines.filter((line) => line.startsWith('error ')).length, 6);
  });

  test('is a cable, when its errors grow while the server runs', async () => {
    using scene = new Scene(hc4);
    scene.answers.set('sda', sataDisk).set('sdb', sataDisk);
    await scene.look();
    const table = sataDisk.ata_smart_attributes.table.map((row) =>
      (row as { id: number }).id === 199 ? { ...row, raw: { value: 40, string: '40' } } : row,
    );
    scene.answers.set('sdb', { ...sataDisk, ata_smart_attributes: { table } });
    scene.clock.advance(30 * 60_000);
    await scene.look();
    const [finding] = scene.care.report().findings;
    assert.deepEqual(
      [finding?.about, finding?.text],
      ['disk sdb', '37 errors on the way to the disk since the start'],
    );
  });

  test('is a module whose cells are worn out', async () => {
    using scene = new Scene(hc4);
    scene.answers.set('sda', sataDisk).set('sdb', sataDisk);
    const at = '/sys/devices/platform/soc/ffe07000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/device';
    scene.box.put(`${at}/life_time`, '0x09 0x04');
    await scene.look();
    assert.deepEqual(scene.care.report().disks[0]?.verdict, 'WARN');
    scene.box.put(`${at}/pre_eol_info`, '0x03');
    await scene.look();
    assert.deepEqual(scene.care.report().disks[0]?.verdict, 'FAIL');
  });
});

describe('a disk that', () => {
  test('hangs keeps no other waiting and is asked once', async () => {
    using scene = new Scene(hc4);
    scene.answers.set('sdb', failingSataDisk);
    await scene.look();
    scene.clock.advance(60 * 60_000);
    await scene.look();
    assert.deepEqual(scene.asked, ['sda', 'sdb', 'sdb']);
    const [, sda, sdb] = scene.care.report().disks;
    assert.deepEqual([sda?.smart, sdb?.smart], ['unread', 'failed']);
  });

  test('sleeps keeps what it said when it was awake', async () => {
    using scene = new Scene(hc4);
    scene.answers.set('sda', failingSataDisk).set('sdb', unknownBridge);
    await scene.look();
    scene.answers.set('sda', asleepDisk);
    scene.clock.advance(60 * 60_000);
    await scene.look();
    const [, sda, sdb] = scene.care.report().disks;
    assert.deepEqual([sda?.smart, sdb?.smart, sdb?.verdict], ['failed', 'none', 'OK']);
    assert.match(sdb?.smartReason ?? '', /USB bridge/);
  });

  test('takes the place of another is asked at once', async () => {
    using scene = new Scene(hc4);
    scene.answers.set('sda', failingSataDisk).set('sdb', sataDisk);
    await scene.look();
    scene.box.put('/run/udev/data/b8:0', 'E:ID_BUS=ata\nE:ID_SERIAL_SHORT=NEW');
    scene.answers.set('sda', { ...sataDisk, serial_number: 'NEW' });
    await scene.look();
    assert.deepEqual(scene.asked, ['sda', 'sdb', 'sda']);
    assert.equal(scene.care.report().verdict, 'OK');
  });
});

describe('a board', () => {
  test('with a weak supply, a hot processor, and a watchdog that had to act', async () => {
    using box = new RecordedBox(pi4);
    const readings = await readSensors(box.files);
    assert.deepEqual(
      sensorFindings(readings).map(({ verdict, about, text }) => `${verdict} ${about}: ${text}`),
      [
        'WARN temperature: cpu_thermal temp1: 82.3 °C, the limit is 85 °C',
        'WARN power: the voltage has been too low since the board was switched on',
        'WARN watchdog: the machine stood still, and its watchdog has started it again',
      ],
    );
    box.put('/sys/class/hwmon/hwmon1/in0_lcrit_alarm', '1');
    box.put('/sys/class/hwmon/hwmon0/temp1_input', '91000');
    const worse = sensorFindings(await readSensors(box.files)).map(({ verdict }) => verdict);
    assert.deepEqual(worse, ['FAIL', 'FAIL', 'WARN']);
  });

  test('whose fan stands still is warned of when it should turn', async () => {
    using box = new RecordedBox(hc4, { '/sys/class/hwmon/hwmon1/fan1_input': '0' });
    assert.deepEqual(sensorFindings(await readSensors(box.files)), []);
    box.put('/sys/class/hwmon/hwmon0/temp1_input', '61000');
    const [finding] = sensorFindings(await readSensors(box.files));
    assert.deepEqual([finding?.about, finding?.text], ['fan', 'pwmfan fan1 stands still at 61 °C']);
  });

  test('without hwmon is measured by its thermal zones, and nonsense is left out', async () => {
    using box = new RecordedBox({
      '/sys/class/thermal/thermal_zone0/temp': '47000',
      '/sys/class/thermal/thermal_zone0/type': 'soc-thermal',
      '/sys/class/thermal/thermal_zone1/temp': '-274000',
      '/sys/class/leds/bad/brightness': 'bright',
    });
    const readings = await readSensors(box.files);
    assert.deepEqual(readings.temperatures, [{ name: 'soc-thermal', celsius: 47, limitCelsius: null }]);
    assert.deepEqual([readings.leds, readings.watchdog, readings.power], [[], null, null]);
  });
});

describe('lamps', () => {
  const fail: Finding = { verdict: 'FAIL', about: 'disk sda', text: '', next: '' };
  const warm: Finding = { verdict: 'WARN', about: 'temperature', text: '', next: '' };

  test('say how the box does', () => {
    assert.deepEqual(
      [[], [warm], [fail]].map((findings) =>
        ['running', 'fault', 'disk', 'power'].map((shows) => ledSign(shows, findings)),
      ),
      [
        ['on', 'off', 'on', undefined],
        ['slow', 'slow', 'on', undefined],
        ['quick', 'quick', 'quick', undefined],
      ],
    );
  });

  test('are set by the files of the kernel', async () => {
    using box = new RecordedBox(hc4);
    const led = (leaf: string): string =>
      readFileSync(join(box.root, '/sys/class/leds/blue:status', leaf), 'utf8');
    await setLed('blue:status', 'off', box.root);
    assert.deepEqual([led('trigger'), led('brightness')], ['none', '0']);
    await setLed('blue:status', 'on', box.root);
    assert.equal(led('brightness'), '255');
    await setLed('blue:status', 'slow', box.root);
    assert.deepEqual([led('trigger'), led('delay_on'), led('delay_off')], ['timer', '1000', '1000']);
    await assert.rejects(setLed('none', 'on', box.root));
  });
});

describe('the text for people', () => {
  test('of a good box is a screen with one word at the top', () => {
    const text = disksText(wellBox('box'));
    assert.match(text, /^box: OK\n\n +DISK +MODEL/);
    assert.match(text, /^OK +sda +WDC WD40EFRX-68N32N0 +4\.0 TB +sata +passed +34 °C +12345 h +0 +-$/m);
    assert.match(text, /^OK +\/volumes\/starling-1 +starling-1 +sda1 +1\.2 TB of 4\.0 TB +0$/m);
    assert.match(text, /^clock +trusted: set by a time server$/m);
    assert.match(text, /^watchdog +Meson GXBB Watchdog, runs, 30 s$/m);
  });

  test('of a bad box begins with what is wrong and what to do, and cannot steer the terminal', () => {
    const report = failingBox('box');
    const text = disksText({
      ...report,
      disks: report.disks.map((disk) => ({ ...disk, model: '\u001b[2Jx' })),
    });
    assert.deepEqual(text.split('\n').slice(0, 5), [
      'box: FAIL',
      '  FAIL volume /volumes/starling-1: its disk (sda1) is gone',
      '       Look at its cable and power, plug it in again; then mount it anew.',
      '  WARN disk sda: 8 sectors cannot be read',
      '       Replace the disk soon.',
    ]);
    assert.match(text, /sda1 \(gone\)/);
    assert.equal(text.includes('\u001b'), false);
  });

  test('of the clock says whether it can be believed, and what to do', () => {
    assert.match(timeText(wellBox('box')), /^OK {3}2026-11-22T12:00:00.000Z {2}set by a time server\n/);
    const clock = { ...clockFacts, trusted: false, why: 'no battery' };
    const findings = [{ verdict: 'WARN', about: 'clock', text: 'no battery', next: 'Wait.' }] as const;
    const text = timeText({ ...wellBox('box'), clock, findings: [...findings] });
    assert.match(text, /^WARN .* no battery\n {2}Wait\.\nbattery: yes/);
  });
});
