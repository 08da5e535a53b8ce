/**
 * Text burnt into pictures: a 5 × 7 bitmap font of the 64 ASCII characters from space to underscore, scaled by whole
 * numbers. Lower case is drawn as upper case, anything else as a question mark.
 *
 * Invariant: a character never leaves its cell of 6 × 8 units, shadow included, so that one can be redrawn alone.
 * Sizes are pixels of the luma plane; a unit is `scale` pixels.
 */

/** Units between the left edges of two characters, and between two lines. */
export const cellWidth = 6;
export const cellHeight = 8;
const glyphWidth = 5;
const glyphHeight = 7;

/** Rows from the top, one byte each, bit 4 is the left pixel. */
const glyphs = Buffer.from(
  [
    '00000000000000040404040000040a0a0a000000000a0a1f0a1f0a0a', // space ! " #
    '040f140e051e04181902040813030c12140815120d0c040800000000', // $ % & '
    '02040808080402080402020204080004150e1504000004041f040400', // ( ) * +
    '000000000c04080000001f00000000000000000c0c00010204081000', // , - . /
    '0e11131519110e040c040404040e0e11010204081f1f02040201110e', // 0 1 2 3
    '02060a121f02021f101e0101110e0608101e11110e1f010204080808', // 4 5 6 7
    '0e11110e11110e0e11110f01020c000c0c000c0c00000c0c000c0408', // 8 9 : ;
    '0204081008040200001f001f0000080402010204080e110102040004', // < = > ?
    '0e11010d15150e0e11111f1111111e11111e11111e0e11101010110e', // @ A B C
    '1c12111111121c1f10101e10101f1f10101e1010100e11101711110f', // D E F G
    '1111111f1111110e04040404040e0702020202120c11121418141211', // H I J K
    '1010101010101f111b1515111111111119151311110e11111111110e', // L M N O
    '1e11111e1010100e11111115120d1e11111e1412110f10100e01011e', // P Q R S
    '1f0404040404041111111111110e11111111110a041111111515150a', // T U V W
    '11110a040a11111111110a0404041f01020408101f0e08080808080e', // X Y Z [
    '001008040201000e02020202020e040a11000000000000000000001f', // \ ] ^ _
  ].join(''),
  'hex',
);

/** A luma plane, or the part of a picture's buffer that holds it. */
export interface LumaPlane {
  readonly bytes: Buffer;
  /** bytes from one row to the next */
  readonly stride: number;
}

/** A rectangle of a plane. */
export interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where a line of text begins (its top left), how large and how bright it is. */
export interface TextStyle {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  readonly luma: number;
  readonly shadowLuma: number;
}

/** Fills a rectangle: the first row, then copies of it. */
export function fillArea(plane: LumaPlane, area: Area, luma: number): void {
  const { bytes, stride } = plane;
  const start = area.y * stride + area.x;
  bytes.fill(luma, start, start + area.width);
  for (let row = 1; row < area.height; row++) {
    bytes.copyWithin(start + row * stride, start, start + area.width);
  }
}

/** Where the character at `place` of a line lies. */
export function characterArea(style: TextStyle, place: number): Area {
  const width = cellWidth * style.scale;
  return { x: style.x + place * width, y: style.y, width, height: cellHeight * style.scale };
}

/** Draws one character at `place` of its line, with its shadow half a unit below and to the right. */
export function drawCharacter(plane: LumaPlane, style: TextStyle, place: number, character: string): void {
  const { x, y } = characterArea(style, place);
  const shadow = Math.max(1, style.scale >> 1);
  drawGlyph(plane, character, { x: x + shadow, y: y + shadow, scale: style.scale }, style.shadowLuma);
  drawGlyph(plane, character, { x, y, scale: style.scale }, style.luma);
}

/** Draws a whole line. */
export function drawText(plane: LumaPlane, style: TextStyle, text: string): void {
  for (let place = 0; place < text.length; place++) drawCharacter(plane, style, place, text.charAt(place));
}

function drawGlyph(
  plane: LumaPlane,
  character: string,
  at: { x: number; y: number; scale: number },
  luma: number,
): void {
  const { scale } = at;
  const code = character.toUpperCase().charCodeAt(0) - 0x20;
  const glyph = (code >= 0 && code < 64 ? code : 0x1f) * glyphHeight;
  for (let row = 0; row < glyphHeight; row++) {
    const bits = glyphs[glyph + row] ?? 0;
    for (let from = 0; from < glyphWidth; from++) {
      if (!isLit(bits, from)) continue;
      let to = from + 1;
      while (to < glyphWidth && isLit(bits, to)) to++;
      const x = at.x + from * scale;
      fillArea(plane, { x, y: at.y + row * scale, width: (to - from) * scale, height: scale }, luma);
      from = to;
    }
  }
}

function isLit(bits: number, column: number): boolean {
  return (bits & (0x10 >> column)) !== 0;
}
