/**
 * Outputs of `smartctl --json --all`, written after the form that smartmontools 7.3 and 7.5 have, and not taken from disks:
 * what is read and its neighbourhood.
 */

const head = (
  name: string,
  type: string,
  protocol: string,
  exit_status = 0,
  messages: object[] = [],
): object => ({
  json_format_version: [1, 0],
  smartctl: {
    version: [7, 3],
    svn_revision: '5338',
    platform_info: 'aarch64-linux-6.12.38',
    build_info: '(local build)',
    argv: ['smartctl', '--json', '--all', '--nocheck=standby', name],
    ...(messages.length === 0 ? {} : { messages }),
    exit_status,
  },
  local_time: { time_t: 1763812800, asctime: 'Sat Nov 22 12:00:00 2026 UTC' },
  device: { name, info_name: `${name} [${type.toUpperCase()}]`, type, protocol },
});

const attribute = (id: number, name: string, value: number, raw: number, more: object = {}): object => ({
  id,
  name,
  value,
  worst: value,
  thresh: 0,
  when_failed: '',
  flags: { value: 51, string: 'PO--CK ', prefailure: true, updated_online: true },
  raw: { value: raw, string: String(raw) },
  ...more,
});

const selfTest = (passed: boolean): object => ({
  standard: {
    revision: 1,
    count: 2,
    table: [
      {
        type: { value: 1, string: 'Short offline' },
        status: passed
          ? { value: 0, string: 'Completed without error', passed: true }
          : { value: 121, string: 'Completed: read failure', remaining_percent: 90, passed: false },
        lifetime_hours: 41_200,
      },
      {
        type: { value: 1, string: 'Short offline' },
        status: { value: 0, passed: true },
        lifetime_hours: 100,
      },
    ],
  },
});

export const sataDisk = {
  ...head('/dev/sda', 'sat', 'ATA', 4),
  model_family: 'Western Digital Red',
  model_name: 'WDC WD40EFRX-68N32N0',
  serial_number: 'WD-WCC7K0000001',
  user_capacity: { blocks: 7814037168, bytes: 4000787030016 },
  rotation_rate: 5400,
  smart_status: { passed: true },
  ata_smart_attributes: {
    revision: 16,
    table: [
      attribute(1, 'Raw_Read_Error_Rate', 200, 0),
      attribute(5, 'Reallocated_Sector_Ct', 200, 0),
      attribute(9, 'Power_On_Hours', 84, 12_345),
      attribute(187, 'Reported_Uncorrect', 100, 0),
      attribute(194, 'Temperature_Celsius', 116, 34),
      attribute(197, 'Current_Pending_Sector', 200, 0),
      attribute(198, 'Offline_Uncorrectable', 100, 0),
      attribute(199, 'UDMA_CRC_Error_Count', 200, 3),
    ],
  },
  power_on_time: { hours: 12_345 },
  temperature: { current: 34 },
  ata_smart_self_test_log: selfTest(true),
};

export const failingSataDisk = {
  ...head('/dev/sda', 'sat', 'ATA', 0b1001_1000),
  model_name: 'ST3000DM001-1ER166',
  serial_number: 'Z5000001',
  rotation_rate: 7200,
  smart_status: { passed: false },
  ata_smart_attributes: {
    revision: 10,
    table: [
      // Seagate keeps other figures in the upper bits.
      attribute(5, 'Reallocated_Sector_Ct', 3, 2 ** 33 + 3_904, { thresh: 10, when_failed: 'now' }),
      attribute(187, 'Reported_Uncorrect', 1, 120),
      attribute(197, 'Current_Pending_Sector', 90, 8),
      attribute(198, 'Offline_Uncorrectable', 90, 8),
      attribute(199, 'UDMA_CRC_Error_Count', 200, 0),
    ],
  },
  power_on_time: { hours: 41_234, minutes: 12 },
  temperature: { current: 57 },
  ata_smart_self_test_log: selfTest(false),
};

export const sataSolidState = {
  ...head('/dev/sdb', 'sat', 'ATA'),
  model_name: 'Samsung SSD 860 EVO 500GB',
  serial_number: 'S3Z0NB0K000001X',
  rotation_rate: 0,
  smart_status: { passed: true },
  ata_smart_attributes: {
    revision: 1,
    table: [attribute(5, 'Reallocated_Sector_Ct', 100, 0), attribute(177, 'Wear_Leveling_Count', 15, 1_700)],
  },
  temperature: { current: 41 },
};

export const nvmeDisk = {
  ...head('/dev/nvme0', 'nvme', 'NVMe'),
  model_name: 'Samsung SSD 970 EVO Plus 250GB',
  serial_number: 'S4P0NF0M000001Z',
  smart_status: { passed: true, nvme: { value: 0 } },
  nvme_smart_health_information_log: {
    critical_warning: 0,
    temperature: 35,
    available_spare: 100,
    available_spare_threshold: 10,
    percentage_used: 7,
    data_units_written: 1_969_459,
    media_errors: 0,
    num_err_log_entries: 22,
    power_on_hours: 3_149,
    temperature_sensors: [35, 39],
  },
  temperature: { current: 35 },
  power_on_time: { hours: 3_149 },
};

export const failingNvmeDisk = {
  ...nvmeDisk,
  smart_status: { passed: false, nvme: { value: 9 } },
  nvme_smart_health_information_log: {
    ...nvmeDisk.nvme_smart_health_information_log,
    critical_warning: 0b1001,
    available_spare: 4,
    percentage_used: 119,
    media_errors: 77,
  },
  temperature: { current: 83 },
};

/** Behind a USB bridge that smartctl does not know. */
export const unknownBridge = head('/dev/sdc', 'scsi', 'SCSI', 1, [
  { string: '/dev/sdc: Unknown USB bridge [0x152d:0x0581 (0x3108)]', severity: 'error' },
]);

/** Behind a USB bridge that passes commands on. */
export const knownBridge = { ...sataDisk, ...head('/dev/sdc', 'sat', 'ATA') };

export const asleepDisk = {
  ...head('/dev/sda', 'sat', 'ATA', 2, [
    { string: 'Device is in STANDBY mode, exit(2)', severity: 'information' },
  ]),
};

export const absentDisk = head('/dev/sdz', '', '', 1, [
  { string: '/dev/sdz: Unable to detect device type', severity: 'error' },
]);
