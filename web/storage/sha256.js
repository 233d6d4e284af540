/**
 * SHA-256 (FIPS 180-4) over bytes that arrive in pieces. `crypto.subtle` takes a whole file only, and is missing on plain
 * HTTP.
 */

/** The first 32 bits of the fractional part of a positive number's root. @param {number} root */
const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;

/** @param {number} count @returns {number[]} the first primes */
function primes(count) {
  /** @type {number[]} */
  const list = [];
  for (let n = 2; list.length < count; n++) if (list.every((p) => n % p)) list.push(n);
  return list;
}

const K = Int32Array.from(primes(64), (p) => fraction(Math.cbrt(p)));
const H = Int32Array.from(primes(8), (p) => fraction(Math.sqrt(p)));
const BLOCK = 64;

/** Call `update` for every piece, then `hex` once. */
export class Sha256 {
  #state = H.slice();
  #words = new Int32Array(64);
  #rest = new Uint8Array(BLOCK);
  #length = 0;

  /** @param {Uint8Array} bytes */
  update(bytes) {
    let at = 0;
    const buffered = this.#length % BLOCK;
    this.#length += bytes.length;
    if (buffered) {
      at = Math.min(BLOCK - buffered, bytes.length);
      this.#rest.set(bytes.subarray(0, at), buffered);
      if (buffered + at < BLOCK) return this;
      this.#blocks(this.#rest, 0, BLOCK);
    }
    const end = at + Math.floor((bytes.length - at) / BLOCK) * BLOCK;
    this.#blocks(bytes, at, end);
    this.#rest.set(bytes.subarray(end), 0);
    return this;
  }

  /** @returns {string} 64 hexadecimal digits */
  hex() {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setBigUint64(0, BigInt(this.#length) * 8n);
    const zeros = (2 * BLOCK - 9 - (this.#length % BLOCK)) % BLOCK;
    const padding = new Uint8Array(1 + zeros + 8);
    padding[0] = 0x80;
    padding.set(new Uint8Array(bits.buffer), 1 + zeros);
    this.update(padding);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} from
   * @param {number} to a whole number of blocks later
   */
  #blocks(bytes, from, to) {
    const w = this.#words;
    const k = K;
    const state = this.#state;
    for (let at = from; at < to; at += BLOCK) {
      for (let i = 0, p = at; i < 16; i++, p += 4) {
        w[i] = (bytes[p] << 24) | (bytes[p + 1] << 16) | (bytes[p + 2] << 8) | bytes[p + 3];
      }
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15];
        const y = w[i - 2];
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      let a = state[0];
      let b = state[1];
      let c = state[2];
      let d = state[3];
      let e = state[4];
      let f = state[5];
      let g = state[6];
      let h = state[7];
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + k[i] + w[i]) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + t1) | 0;
        d = c;
        c = b;
        b = a;
        a = (t1 + t2) | 0;
      }
      state[0] += a;
      state[1] += b;
      state[2] += c;
      state[3] += d;
      state[4] += e;
      state[5] += f;
      state[6] += g;
      state[7] += h;
    }
  }
}

/**
 * SHA-256 of a text's UTF-8 bytes.
 * @param {string} text
 */
export function sha256Text(text) {
  return new Sha256().update(new TextEncoder().encode(text)).hex();
}
