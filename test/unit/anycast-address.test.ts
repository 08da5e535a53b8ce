/** The anycast address that a server owns: what it asks `ip` for, and in which order. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AnycastAddress, ownedAddresses } from '../../firmware/io/anycast-address.ts';
import { until } from '../support/network.ts';

const upV6 = '-6 address replace fd00::5354/128 dev lo nodad valid_lft forever preferred_lft 0';
const downV6 = '-6 address delete fd00::5354/128 dev lo';

/** An address whose `ip` answers when the test says so. */
function addressOn(hosts: string[]) {
  const commands: string[] = [];
  const lines: string[] = [];
  const events: string[] = [];
  let reason: string | undefined;
  const address = new AnycastAddress({
    addresses: hosts.map((host) => ({ host, interface: 'lo' })),
    log: (level, message) => lines.push(`${level} ${message}`),
    onUp: () => events.push(`up after ${commands.length}`),
    run: async (args) => {
      commands.push(args.join(' '));
      await new Promise((resolve) => setImmediate(resolve));
      if (reason !== undefined) throw new Error(reason);
    },
  });
  return { address, commands, lines, events, fail: (text: string | undefined) => void (reason = text) };
}

describe('an anycast address', () => {
  test('is put up so that nothing is sent from it, and taken down at the end', async () => {
    const { address, commands, events } = addressOn(['fd00::5354']);
    address.set(true);
    assert.deepEqual(commands, [], 'not in the middle of a step');
    await until('it is up', () => events.length > 0);
    await address[Symbol.asyncDispose]();
    assert.deepEqual(commands, [upV6, downV6]);
    assert.deepEqual(events, ['up after 1']);
  });

  test('of IPv4 has no duplicate detection to switch off', async () => {
    const { address, commands, events } = addressOn(['10.9.9.9']);
    address.set(true);
    await until('it is up', () => events.length > 0);
    assert.deepEqual(commands, ['-4 address replace 10.9.9.9/32 dev lo valid_lft forever preferred_lft 0']);
  });

  test('that is put up and taken down in a hurry ends as was wished last, by one command at a time', async () => {
    const { address, commands, events } = addressOn(['fd00::5354']);
    address.set(false);
    for (let n = 0; n < 5; n++) {
      address.set(true);
      address.set(false);
    }
    address.set(true);
    await until('it is up', () => events.length > 0);
    address.set(false);
    address.set(true);
    await address[Symbol.asyncDispose]();
    assert.deepEqual(commands, [upV6, downV6]);
  });

  test('that is not wanted any more while it is put up is taken down after that', async () => {
    const { address, commands, events } = addressOn(['fd00::5354']);
    address.set(true);
    while (commands.length === 0) await Promise.resolve();
    assert.deepEqual(events, [], 'the command runs');
    address.set(false);
    await until('it is taken down', () => commands.length > 1);
    assert.deepEqual(commands, [upV6, downV6]);
    await address[Symbol.asyncDispose]();
  });

  test('that a killed run left behind is taken down', async () => {
    const { address, commands } = addressOn(['fd00::5354']);
    address.set(false);
    await until('it is down', () => commands.length > 0);
    await address[Symbol.asyncDispose]();
    assert.deepEqual(commands, [downV6], 'and only once');
  });

  test('that is down already is taken down without a word', async () => {
    // As different versions of `ip` and of Linux say it.
    for (const reason of [
      'RTNETLINK answers: Cannot assign requested address',
      'ipv4: Address not found',
      'ipv6: address not found',
    ]) {
      const { address, lines, fail } = addressOn(['fd00::5354']);
      fail(reason);
      await address[Symbol.asyncDispose]();
      assert.deepEqual(lines, []);
    }
  });

  test('that may not be put up is told of once, with what to do', async () => {
    const { address, lines, events, fail } = addressOn(['fd00::5354', '10.9.9.9']);
    fail('RTNETLINK answers: Operation not permitted');
    address.set(true);
    await until('all were tried', () => events.length > 0);
    await address[Symbol.asyncDispose]();
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? '',
      /^error anycast address fd00::5354: .*not permitted.*CAP_NET_ADMIN.*by hand: ip -6/,
    );
  });

  test('is nothing for a server without one', async () => {
    const { address, commands } = addressOn([]);
    address.set(true);
    await address[Symbol.asyncDispose]();
    assert.deepEqual(commands, []);
  });
});

test('an address is owned when an interface is named for it', () => {
  const address = { kind: 'address', host: 'fd00::1', port: 1 } as const;
  const group = { kind: 'multicast', host: '239.1.1.1', port: 1, interface: 'lo' } as const;
  assert.deepEqual(ownedAddresses([address, group, { ...address, interface: 'lo' }]), [
    { host: 'fd00::1', interface: 'lo' },
  ]);
});
