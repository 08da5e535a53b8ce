/** `status`: what the machine and the unit say of themselves on one screen, the faults first. */

import type { Clock } from '../../base/clock.ts';
import { formatBytes } from '../../base/quantity-text.ts';
import type { Check } from '../../console/command-table.ts';
import { worstLevel } from '../../console/command-table.ts';
import { type StatusAnswerData, statusText } from '../../console/console-text.ts';
import { memoryFacts, networkPorts, spaceOf } from './machine-facts.ts';
import type { UnitLink } from './unit-link.ts';
import { provisionProblem } from './unit-service.ts';

const freeShareWarned = 0.05;
const freeShareFailed = 0.01;
const memoryShareWarned = 0.08;

export interface StatusParts {
  readonly unit: UnitLink;
  readonly clock: Clock;
  readonly version: string;
  readonly hasPin: boolean;
}

export async function unitStatus(parts: StatusParts): Promise<{ data: StatusAnswerData; text: string }> {
  const [read, status, machine] = await Promise.all([
    parts.unit.config(),
    parts.unit.status(),
    machineChecks(parts),
  ]);
  const own: Check[] = status === undefined ? await parts.unit.whyDown() : [...status.checks];
  if (status !== undefined && !read.ok)
    own.push({
      name: 'settings',
      level: 'WARN',
      text: `unit.yaml is broken, the unit runs with what it was: ${read.failure.message.replaceAll('\n', '; ')}`,
      next: '`config check`; correct it before the next start',
    });
  const config = read.ok ? read.config : undefined;
  const checks = [...own, ...machine];
  const data: StatusAnswerData = {
    unit: status?.unit ?? config?.unit ?? 'unknown',
    role: status?.role ?? config?.role ?? 'unknown',
    version: status?.version ?? parts.version,
    uptimeSeconds: status?.uptimeSeconds ?? null,
    utc: `${new Date(parts.clock.utcMs()).toISOString().slice(0, 19)}Z`,
    level: worstLevel(checks),
    checks,
  };
  return { data, text: statusText(data) };
}

async function machineChecks({ unit, hasPin }: StatusParts): Promise<Check[]> {
  const read = await unit.config();
  const checks = [linkCheck(await networkPorts()), await memoryCheck()];
  if (read.ok) checks.push(await spaceCheck(read.config.data));
  const problem = await provisionProblem();
  if (problem !== undefined)
    checks.push({
      name: 'CONFIG',
      level: 'FAIL',
      text: problem,
      next: 'put it right on the partition CONFIG (any computer can read it), then `reboot`',
    });
  if (!hasPin)
    checks.push({
      name: 'pin',
      level: 'WARN',
      text: 'this console asks nobody for a PIN',
      next: 'give one when the unit is set up: whoever has a cable may do everything',
    });
  return checks;
}

function linkCheck(ports: Awaited<ReturnType<typeof networkPorts>>): Check {
  const linked = ports.filter(({ carrier }) => carrier);
  const addressed = linked.filter(({ addresses }) => addresses.length > 0);
  if (addressed.length > 0) {
    const said = addressed.map(({ name, addresses, speedMbps }) => {
      const ipv4 = addresses.find((address) => address.includes('.')) ?? addresses[0];
      return `${name} ${ipv4}${speedMbps === null ? '' : ` ${speedMbps} Mbit/s`}`;
    });
    return { name: 'link', level: 'OK', text: said.slice(0, 3).join(', ') };
  }
  const names = ports.map(({ name }) => name).join(', ') || 'no interface at all';
  if (linked.length === 0)
    return {
      name: 'link',
      level: 'FAIL',
      text: `no carrier (${names})`,
      next: 'is the cable in, the switch on, the Wi-Fi in reach?',
    };
  return {
    name: 'link',
    level: 'FAIL',
    text: `no address on ${linked.map(({ name }) => name).join(', ')}`,
    next: 'no DHCP or router advertisement arrives: `net`',
  };
}

async function memoryCheck(): Promise<Check> {
  const { totalBytes, availableBytes, cmaFreeBytes } = await memoryFacts();
  const cma = cmaFreeBytes === null ? '' : `, CMA ${formatBytes(cmaFreeBytes)} free`;
  const short = availableBytes < totalBytes * memoryShareWarned;
  return {
    name: 'memory',
    level: short ? 'WARN' : 'OK',
    text: `${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} available${cma}`,
    ...(short ? { next: 'fewer cameras, or a smaller outbox' } : {}),
  };
}

async function spaceCheck(folder: string): Promise<Check> {
  const space = await spaceOf(folder);
  if (space === undefined)
    return {
      name: 'data',
      level: 'FAIL',
      text: `${folder} is not there`,
      next: 'is the data partition mounted? `log`, `disks`',
    };
  const share = space.freeBytes / Math.max(1, space.totalBytes);
  const level = share < freeShareFailed ? 'FAIL' : share < freeShareWarned ? 'WARN' : 'OK';
  const text = `${folder}: ${formatBytes(space.freeBytes)} of ${formatBytes(space.totalBytes)} free`;
  return {
    name: 'data',
    level,
    text,
    ...(level === 'OK'
      ? {}
      : { next: 'what fills it? Retention keeps a reserve on volumes of recordings only' }),
  };
}
