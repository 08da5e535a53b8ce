/** Samples and tracks without real media, for tests that look at the order of things and not into them. */
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';

const noFormat = { width: 0, height: 0, sampleRate: 0, channels: 0 };

/** Main video, 640 × 360. */
export function videoTrack(captureId = 'boot-1.1', camera = 'door'): TrackDescription {
  const config = Buffer.from([1, 0x42, 0xc0, 0x1e, 0xff]);
  const format = { ...noFormat, codec: 'h264' as const, config, width: 640, height: 360 };
  return { camera, kind: 'video', rendition: 'main', captureId, format };
}

/** Main audio, AAC-LC. */
export function audioTrack(captureId = 'boot-1.1', camera = 'door'): TrackDescription {
  const config = Buffer.from([0x11, 0x88]);
  const format = { ...noFormat, codec: 'aac' as const, config, sampleRate: 48_000, channels: 1 };
  return { camera, kind: 'audio', rendition: 'main', captureId, format };
}

/** Sample number `sequence` at 10 frames/s, a keyframe every `gop`. */
export function frame(sequence: number, { gop = 10, bytes = 100 } = {}): Sample {
  return {
    sequence,
    ptsUs: sequence * 100_000,
    durationUs: 100_000,
    compositionUs: 0,
    keyframe: sequence % gop === 0,
    payload: [Buffer.alloc(bytes, sequence)],
    bytes,
  };
}
