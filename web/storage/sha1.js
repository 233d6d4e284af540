/**
 * SHA-1 (FIPS 180-4) over bytes that arrive in pieces, as git names files by it: the hub states it for every file that is
 * not in Git LFS. It finds what was damaged or replaced on the way; it is no protection against forgery.
 */

const BLOCK = 64;

/** Git's hash of a file of `size` bytes. Call `update` for every piece, then `hex` once. */
export class GitHash {
  #state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  #words = new Int32Array(80);
  #rest = new Uint8Array(BLOCK);
  #length = 0;

  /** @param {number} size */
  constructor(size) {
    this.update(new TextEncoder().encode(`blob ${size}\0`));
  }

  /** @param {Uint8Array} bytes */
  update(bytes) {
    for (let at = 0; at < bytes.length;) {
      const used = this.#length % BLOCK;
      const part = bytes.subarray(at, at + BLOCK - used);
      this.#rest.set(part, used);
      this.#length += part.length;
      at += part.length;
      if (used + part.length === BLOCK) this.#block();
    }
    return this;
  }

  /** @returns {string} 40 hexadecimal digits */
  hex() {
    const bits = this.#length * 8;
    const zeros = (2 * BLOCK - 9 - (this.#length % BLOCK)) % BLOCK;
    const padding = new Uint8Array(1 + zeros + 8);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(1 + zeros, BigInt(bits));
    this.update(padding);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #block() {
    const w = this.#words;
    const block = new DataView(this.#rest.buffer);
    for (let i = 0; i < 16; i++) w[i] = block.getInt32(i * 4);
    for (let i = 16; i < 80; i++) {
      const x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];
      w[i] = (x << 1) | (x >>> 31);
    }
    let [a, b, c, d, e] = this.#state;
    for (let i = 0; i < 80; i++) {
      const [f, k] =
        i < 20
          ? [(b & c) | (~b & d), 0x5a827999]
          : i < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : i < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6];
      const next = (((a << 5) | (a >>> 27)) + f + e + k + w[i]) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    const s = this.#state;
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
    s[4] += e;
  }
}
