/**
 * Caps, GStreamer's description of a stream, into what a decoder needs. Only what can be recorded is accepted:
 * H.264 as whole access units with length prefixes (`stream-format=avc`, `alignment=au`) and AAC-LC without ADTS
 * headers (`stream-format=raw`).
 *
 * The configuration is checked against ISO/IEC 14496-15 §5.3.3.1 (AVCDecoderConfigurationRecord) and ISO/IEC 14496-3
 * §1.6.2.1 (AudioSpecificConfig), as every player after us relies on it. Sizes are pixels, rates Hz.
 */
import { accept, type Result, reject } from '../base/result.ts';
import type { TrackFormat } from './sample.ts';

/** Longest caps text and configuration that are looked at. */
const textMax = 65_536;
const configBytesMax = 4096;

/** One field, ` name=(type)value`, the value perhaps quoted. */
const field = /, ?([A-Za-z][\w-]*)=\((\w+)\)("(?:[^"\\]|\\.)*"|[^,;"\s]*)/g;

/** Reads caps text such as `video/x-h264, codec_data=(buffer)01f4…, width=(int)640, …`. */
export function parseCaps(text: string): Result<TrackFormat> {
  if (text.length > textMax) return reject('caps too long');
  const media = /^[\w/.+-]*/.exec(text)?.[0] ?? '';
  const fields = new Map<string, string>();
  for (const [, name, , value] of text.matchAll(field)) fields.set(name ?? '', value ?? '');
  if (media === 'video/x-h264') return h264Format(fields);
  if (media === 'audio/mpeg') return aacFormat(fields);
  return reject(`caps of ${media === '' ? 'no media type' : media}`);
}

function h264Format(fields: ReadonlyMap<string, string>): Result<TrackFormat> {
  if (fields.get('stream-format') !== 'avc')
    return reject(`h264 stream-format is ${fields.get('stream-format')}, not avc`);
  if (fields.get('alignment') !== 'au') return reject(`h264 alignment is ${fields.get('alignment')}, not au`);
  const config = configOf(fields);
  if (config === undefined) return reject('h264 without codec_data');
  const fault = avcConfigFault(config);
  if (fault !== undefined) return reject(fault);
  const width = whole(fields.get('width'), 0xffff);
  const height = whole(fields.get('height'), 0xffff);
  if (width === undefined || height === undefined) return reject('h264 without a picture size');
  return accept({ codec: 'h264', config, width, height, sampleRate: 0, channels: 0 });
}

function aacFormat(fields: ReadonlyMap<string, string>): Result<TrackFormat> {
  if (fields.get('mpegversion') !== '4')
    return reject(`audio is MPEG version ${fields.get('mpegversion')}, not 4`);
  if (fields.get('stream-format') !== 'raw')
    return reject(`aac stream-format is ${fields.get('stream-format')}, not raw`);
  const config = configOf(fields);
  if (config === undefined) return reject('aac without codec_data');
  const sampleRate = whole(fields.get('rate'), 0xffff_ffff);
  const channels = whole(fields.get('channels'), 0xff);
  if (sampleRate === undefined || channels === undefined) return reject('aac without rate or channels');
  const fault = aacConfigFault(config, sampleRate, channels);
  if (fault !== undefined) return reject(fault);
  return accept({ codec: 'aac', config, width: 0, height: 0, sampleRate, channels });
}

/** A whole number from 1 to `max`. */
function whole(value: string | undefined, max: number): number | undefined {
  if (value === undefined || !/^\d{1,10}$/.test(value)) return undefined;
  const number = Number(value);
  return number >= 1 && number <= max ? number : undefined;
}

function configOf(fields: ReadonlyMap<string, string>): Buffer | undefined {
  const hex = fields.get('codec_data');
  if (hex === undefined || hex.length > configBytesMax * 2 || !/^([0-9a-f]{2})+$/i.test(hex))
    return undefined;
  return Buffer.from(hex, 'hex');
}

/** Why these bytes are no decoder configuration for H.264, or undefined. */
function avcConfigFault(config: Buffer): string | undefined {
  if (config.length < 7 || config[0] !== 1) return 'avcC is not of version 1';
  if ((config.readUInt8(4) & 3) !== 3) return 'avcC does not use 4-byte lengths';
  let at = 6;
  for (const [name, unitType, count] of [
    ['SPS', 7, config.readUInt8(5) & 0x1f],
    ['PPS', 8, undefined],
  ] as const) {
    const units = count ?? config[at++] ?? 0;
    if (units === 0) return `avcC without ${name}`;
    for (let i = 0; i < units; i++) {
      if (at + 2 > config.length) return `avcC ends inside ${name}`;
      const end = at + 2 + config.readUInt16BE(at);
      if (end > config.length) return `avcC ends inside ${name}`;
      if (((config[at + 2] ?? 0) & 0x1f) !== unitType || end < at + 4)
        return `avcC has no ${name} where it belongs`;
      if (unitType === 7 && end < at + 6) return 'avcC has a short SPS';
      at = end;
    }
  }
  return undefined;
}

/** ISO/IEC 14496-3 table 1.18, by samplingFrequencyIndex. */
const sampleRates = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

/** Why these bytes are no configuration of AAC-LC at this rate, or undefined. */
function aacConfigFault(config: Buffer, sampleRate: number, channels: number): string | undefined {
  if (config.length < 2) return 'AudioSpecificConfig is too short';
  const bits = config.readUInt16BE(0);
  const objectType = bits >> 11;
  if (objectType !== 2) return `AAC object type ${objectType}, not 2 (LC)`;
  const rateIndex = (bits >> 7) & 0xf;
  if (sampleRates[rateIndex] !== sampleRate) return `AudioSpecificConfig does not say ${sampleRate} Hz`;
  const channelConfig = (bits >> 3) & 0xf;
  if ((channelConfig === 7 ? 8 : channelConfig) !== channels)
    return `AudioSpecificConfig does not say ${channels} channels`;
  return undefined;
}
