/**
 * What network.yaml means to systemd-networkd, wpa_supplicant and chrony: the text of their files. Pure.
 *
 * Invariant: no setting can end a line or a quoted word of these files; the schema refuses control characters, and names
 * of networks go in as hexadecimal digits.
 */
import type { NetworkSettings } from '../config/network-file.ts';

/** A file below /run, with its permissions. */
export interface RunFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** `wireless` is the interface that Wi-Fi uses when the settings name none. */
export function networkTexts(settings: NetworkSettings, wireless: string): RunFile[] {
  return [...fixedAddress(settings), ...wifiFiles(settings, wireless), ...timeServers(settings)];
}

function fixedAddress({ address, gateway, dns, interface: on }: NetworkSettings): RunFile[] {
  if (address === undefined && dns.length === 0) return [];
  const lines = [
    '[Match]',
    ...(on === undefined ? ['Type=ether', 'Kind=!*'] : [`Name=${on}`]),
    '',
    '[Network]',
  ];
  if (address === undefined) lines.push('DHCP=yes');
  else lines.push(`Address=${address}`, ...(gateway === undefined ? [] : [`Gateway=${gateway}`]));
  lines.push(...dns.map((server) => `DNS=${server}`), 'LinkLocalAddressing=yes', 'MulticastDNS=yes', '');
  return [{ path: 'systemd/network/10-starling.network', text: lines.join('\n'), mode: 0o644 }];
}

function wifiFiles({ wifi }: NetworkSettings, wireless: string): RunFile[] {
  if (wifi === undefined) return [];
  const { ssid, password, country, interface: on = wireless } = wifi;
  const lines = [
    'ctrl_interface=/run/wpa_supplicant',
    ...(country === undefined ? [] : [`country=${country}`]),
    'network={',
    `  ssid=${Buffer.from(ssid).toString('hex')}`,
    '  scan_ssid=1',
    ...securityLines(password),
    '}',
    '',
  ];
  return [
    { path: 'starling/wifi.conf', text: lines.join('\n'), mode: 0o600 },
    { path: 'starling/wifi.env', text: `INTERFACE=${on}\n`, mode: 0o600 },
  ];
}

function securityLines(password: string | undefined): string[] {
  if (password === undefined) return ['  key_mgmt=NONE'];
  // 64 digits are the key itself, which WPA3 has no use for.
  if (password.length === 64) return ['  key_mgmt=WPA-PSK', `  psk=${password}`];
  // wpa_supplicant takes everything up to the last quote of the line.
  return ['  key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE', '  ieee80211w=1', `  psk="${password}"`];
}

function timeServers({ ntp }: NetworkSettings): RunFile[] {
  // The pool helps as long as nobody has said otherwise; a closed network has its own servers.
  const lines =
    ntp.length === 0
      ? ['pool 2.debian.pool.ntp.org iburst']
      : ntp.map((server) => `server ${server} iburst prefer`);
  return [{ path: 'starling/chrony/starling.sources', text: `${lines.join('\n')}\n`, mode: 0o644 }];
}
