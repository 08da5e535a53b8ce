/** A running 64-bit FNV-1a-like hash of everything that happened in a run: equal runs have equal hashes. */
export class TraceHash {
  private high = 0x811c9dc5;
  private low = 0x01000193;
  private readonly scratch = new DataView(new ArrayBuffer(8));

  number(value: number): void {
    this.scratch.setFloat64(0, value);
    this.word(this.scratch.getInt32(0));
    this.word(this.scratch.getInt32(4));
  }

  text(value: string): void {
    for (let at = 0; at < value.length; at++) this.word(value.charCodeAt(at));
  }

  bytes(value: Uint8Array): void {
    const whole = value.length & ~3;
    for (let at = 0; at < whole; at += 4) {
      this.word(
        (value[at] as number) |
          ((value[at + 1] as number) << 8) |
          ((value[at + 2] as number) << 16) |
          ((value[at + 3] as number) << 24),
      );
    }
    for (let at = whole; at < value.length; at++) this.word(value[at] as number);
  }

  hex(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return hex(this.high) + hex(this.low);
  }

  private word(value: number): void {
    this.high = Math.imul(this.high ^ value, 0x01000193);
    this.low = Math.imul(this.low ^ (value + (this.high >>> 15)), 0x85ebca6b);
  }
}
