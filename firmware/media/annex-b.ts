/**
 * H.264 access units as a byte stream (ITU-T H.264 annex B), for decoders that take no container: a start code before
 * each NAL unit, and the parameter sets of the decoder configuration first.
 *
 * Invariant: hostile bytes are refused with a reason, never thrown on.
 */
import { accept, type Result, reject } from '../base/result.ts';

const startCode = Buffer.from([0, 0, 0, 1]);

/** The parameter sets of an avcC box's content (ISO/IEC 14496-15 §5.3.3.1). */
export function parameterSets(config: Buffer): Result<Buffer> {
  const parts: Buffer[] = [];
  let at = 6;
  for (const kind of ['SPS', 'PPS'] as const) {
    if (at > config.length || config.length < 7) return reject(`avcC ends before ${kind}`);
    const count = kind === 'SPS' ? config.readUInt8(5) & 0x1f : config[at++];
    if (count === undefined || count === 0) return reject(`avcC without ${kind}`);
    for (let i = 0; i < count; i++) {
      const end = at + 2 > config.length ? undefined : at + 2 + config.readUInt16BE(at);
      if (end === undefined || end > config.length || end === at + 2)
        return reject(`avcC ends inside ${kind}`);
      parts.push(startCode, config.subarray(at + 2, end));
      at = end;
    }
  }
  return accept(Buffer.concat(parts));
}

/** One access unit whose NAL units have lengths of 4 bytes before them. */
export function toByteStream(payload: readonly Uint8Array[]): Result<Buffer> {
  // A copy: the lengths are overwritten, and the payload may be somebody else's.
  const bytes = Buffer.concat(payload);
  if (bytes.length === 0) return reject('empty access unit');
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) return reject('NAL unit without a length');
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length || end === at + 4) return reject('NAL unit of impossible length');
    startCode.copy(bytes, at);
    at = end;
  }
  return accept(bytes);
}
