/**
 * The part of board.yaml that says how a board captures: a pipeline by the names of its parts. The parts themselves
 * are in firmware/capture/pipeline-parts.ts, so that no text of a file ever becomes part of a pipeline.
 */
import { choice, integer, pixels, section, textThat } from '../config/fields.ts';
import { word } from './names.ts';

export const captureSection = section({
  source: choice(['libcamera', 'v4l2', 'test']).describe(
    'the camera the board is made for: on its CSI connector (libcamera), on USB or PCI (v4l2), or none',
  ),
  convert: choice(['v4l2convert', 'videoconvert'])
    .default('videoconvert')
    .describe('what brings pictures to the format of the encoder: hardware, or the processor'),
  encoder: choice(['v4l2h264enc', 'x264enc', 'openh264enc']).describe(
    'what makes H.264: the hardware, or the processor',
  ),
  rawFormat: choice(['I420', 'NV12']).default('I420').describe('format of the pictures before the encoder'),
  profile: choice(['baseline', 'main', 'high'])
    .optional()
    .describe('H.264 profile; by default what the encoder likes'),
  level: textThat((text) => /^[1-6](\.[1-3])?$/.test(text), 'expected a level of H.264, such as "4" or "4.2"')
    .optional()
    .describe('H.264 level; by default what the encoder likes'),
  threads: integer(1, 16).default(1).describe('threads of an encoder that runs on the processor'),
  maxWidth: pixels(160, 3840).default(1920).describe('widest picture that it encodes, pixels'),
  maxHeight: pixels(120, 2160).default(1080).describe('highest picture that it encodes, pixels'),
  maxFps: integer(1, 60).default(30).describe('most frames per second at that size'),
  audio: section({
    device: word.describe('ALSA device of the microphone, such as hw:0 or plughw:CARD=Device'),
  }).optional(),
}).describe('how the board captures');
