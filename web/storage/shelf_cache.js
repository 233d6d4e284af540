/**
 * The Cache API, for where files on disk are not available. Data is stored in numbered parts, so that the bytes received
 * survive the page; it is read into memory as a whole, since nothing can be read from a cache synchronously.
 */

import { checkKept } from "./kept.js";
import { PiecesReader } from "./readers.js";

const CACHE = "loom-files-2";
const PART = 4 * 1024 * 1024;
const LENGTH = "X-Length";

export class CacheShelf {
  kind = /** @type {const} */ ("cache");

  /** @param {Cache} cache */
  constructor(cache) {
    this.cache = cache;
  }

  /** Throws where it is missing: on plain HTTP, in Node, in some private windows. */
  static async open() {
    if (!globalThis.caches) throw new Error("this browser offers no cache to this page");
    const shelf = new CacheShelf(await caches.open(CACHE));
    const probe = "probe";
    await shelf.writeText(probe, probe);
    await shelf.remove(probe);
    return shelf;
  }

  /** @param {string} name @param {number | string} [part] */
  #url(name, part = "") {
    return new URL(`/loom-files/${encodeURIComponent(name)}/${part}`, globalThis.location.origin).href;
  }

  async names() {
    const paths = (await this.cache.keys()).map(({ url }) => new URL(url).pathname.split("/")[2]);
    return [...new Set(paths)].map(decodeURIComponent);
  }

  /** @param {string} name */
  async readText(name) {
    return (await (await this.cache.match(this.#url(name)))?.text()) ?? "";
  }

  /** @param {string} name @param {string} text */
  async writeText(name, text) {
    await this.#put(this.#url(name), new TextEncoder().encode(text), {});
  }

  /** @param {string} url @param {Uint8Array<ArrayBuffer>} bytes @param {Record<string, string>} headers */
  async #put(url, bytes, headers) {
    await this.cache.put(url, new Response(bytes, { headers }));
    const kept = await this.cache.match(url);
    checkKept(bytes, kept ? new Uint8Array(await kept.arrayBuffer()) : null);
  }

  /** @param {string} name @returns {Promise<number[]>} the length of each part */
  async #parts(name) {
    const lengths = [];
    for (let i = 0; ; i++) {
      const part = await this.cache.match(this.#url(name, i));
      if (!part) return lengths;
      lengths.push(Number(part.headers.get(LENGTH)));
    }
  }

  /** @param {string} name */
  async size(name) {
    return (await this.#parts(name)).reduce((sum, length) => sum + length, 0);
  }

  /** @param {string} name */
  async *chunks(name) {
    for (let i = 0; ; i++) {
      const part = await this.cache.match(this.#url(name, i));
      if (!part) return;
      yield new Uint8Array(await part.arrayBuffer());
    }
  }

  /** @param {string} name @param {boolean} fresh */
  async appender(name, fresh) {
    if (fresh) await this.remove(name);
    const parts = await this.#parts(name);
    const put = async (/** @type {number} */ i, /** @type {Uint8Array<ArrayBuffer>} */ bytes) => {
      await this.#put(this.#url(name, i), bytes, { [LENGTH]: String(bytes.length) });
    };
    return new CacheAppender(parts, put);
  }

  /**
   * @param {string} name
   * @param {string} label
   */
  async reader(name, label) {
    const pieces = [];
    for await (const piece of this.chunks(name)) pieces.push(piece);
    return new PiecesReader(label, pieces);
  }

  /** @param {string} name */
  async remove(name) {
    const prefix = this.#url(name);
    for (const { url } of await this.cache.keys()) if (url.startsWith(prefix)) await this.cache.delete(url);
  }
}

class CacheAppender {
  /** @type {Uint8Array[]} */
  unsaved = [];
  #waiting = new Uint8Array(PART);
  #used = 0;
  /** @type {boolean} */
  #full = false;

  /**
   * @param {number[]} parts lengths of the existing parts
   * @param {(i: number, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} put
   */
  constructor(parts, put) {
    this.count = parts.length;
    this.length = parts.reduce((sum, length) => sum + length, 0);
    this.put = put;
  }

  /** @param {Uint8Array} bytes */
  async append(bytes) {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + PART - this.#used);
      this.#waiting.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
      if (this.#used === PART) {
        try {
          await this.#flush();
        } catch (error) {
          this.#full = true;
          this.unsaved = [this.#waiting.subarray(0, this.#used), bytes.subarray(at)];
          throw error;
        }
      }
    }
  }

  async #flush() {
    await this.put(this.count, this.#waiting.slice(0, this.#used));
    this.count++;
    this.length += this.#used;
    this.#used = 0;
  }

  async close() {
    if (!this.#used || this.#full) return;
    try {
      await this.#flush();
    } catch (error) {
      this.unsaved = [this.#waiting.subarray(0, this.#used)];
      throw error;
    }
  }
}
