/**
 * Places for bytes: one interface, three implementations. A *shelf* holds small texts and large data under names.
 *
 *     kind                  "opfs", "cache" or "memory"
 *     names()               of everything on it
 *     readText, writeText   whole texts; a missing one is ""
 *     size(name)            bytes of data kept so far
 *     chunks(name)          those bytes again, in order
 *     appender(name, fresh) appends to the data; `fresh` starts over
 *     reader(name, label)   a `Reader` of `files.js`
 *     remove(name)
 *
 * An *appender* counts what is safely kept in `length`. When `append` fails, `unsaved` holds what is not.
 *
 * Storage may lie: private windows of some browsers take what they are given and keep nothing. So shelves on disk read
 * back what they write, and a difference is an error like a full disk.
 */

import { CacheShelf } from "./shelf_cache.js";
import { PiecesReader } from "./readers.js";
import { OpfsShelf } from "./shelf_opfs.js";

/** @typedef {import("./readers.js").Reader} Reader */
/** @typedef {{length: number, unsaved: Uint8Array[], append(bytes: Uint8Array): Promise<void> | void, close(): Promise<void>}} Appender */
/**
 * @typedef {object} Shelf
 * @property {"opfs" | "cache" | "memory"} kind
 * @property {() => Promise<string[]>} names
 * @property {(name: string) => Promise<string>} readText
 * @property {(name: string, text: string) => Promise<void>} writeText
 * @property {(name: string) => Promise<number>} size
 * @property {(name: string) => AsyncIterable<Uint8Array>} chunks
 * @property {(name: string, fresh: boolean) => Promise<Appender>} appender
 * @property {(name: string, label: string) => Promise<Reader>} reader
 * @property {(name: string) => Promise<void>} remove
 */

/** Bytes in one piece of memory: large enough to be few, small enough to be found. */
export const PIECE = 4 * 1024 * 1024;

/** Collects bytes in pieces of a fixed size, so that nothing is ever copied to grow. */
export class Pieces {
  length = 0;
  /** @type {Uint8Array[]} */
  unsaved = [];
  /** @type {Uint8Array[]} */
  pieces = [];
  #used = PIECE;

  /** @param {Uint8Array} bytes */
  append(bytes) {
    for (let at = 0; at < bytes.length;) {
      if (this.#used === PIECE) {
        this.pieces.push(new Uint8Array(PIECE));
        this.#used = 0;
      }
      const part = bytes.subarray(at, at + PIECE - this.#used);
      this.pieces[this.pieces.length - 1].set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
    this.length += bytes.length;
  }

  /** The pieces, the last one cut to what it holds. @returns {Uint8Array[]} */
  list() {
    return this.pieces.map((piece, i) => (i === this.pieces.length - 1 ? piece.subarray(0, this.#used) : piece));
  }

  async close() {}
}

/** The last resort: kept in memory until it is read or the page is closed. */
export class MemoryShelf {
  kind = /** @type {const} */ ("memory");
  /** @type {Map<string, string>} */
  #texts = new Map();
  /** @type {Map<string, Pieces>} */
  #data = new Map();

  async names() {
    return [...this.#texts.keys(), ...this.#data.keys()];
  }

  /** @param {string} name */
  async readText(name) {
    return this.#texts.get(name) ?? "";
  }

  /** @param {string} name @param {string} text */
  async writeText(name, text) {
    this.#texts.set(name, text);
  }

  /** @param {string} name */
  async size(name) {
    return this.#data.get(name)?.length ?? 0;
  }

  /** @param {string} name */
  async *chunks(name) {
    yield* this.#data.get(name)?.list() ?? [];
  }

  /** @param {string} name @param {boolean} fresh */
  async appender(name, fresh) {
    const pieces = (!fresh && this.#data.get(name)) || new Pieces();
    this.#data.set(name, pieces);
    return pieces;
  }

  /**
   * The reader takes the bytes with it: a loaded model must not be in memory twice.
   * @param {string} name
   * @param {string} label
   */
  async reader(name, label) {
    const pieces = this.#data.get(name)?.list() ?? [];
    this.#data.delete(name);
    return new PiecesReader(label, pieces);
  }

  /** @param {string} name */
  async remove(name) {
    this.#texts.delete(name);
    this.#data.delete(name);
  }
}

/**
 * The best shelf that works here, and why a better one does not.
 * @returns {Promise<{shelf: Shelf, reason: string}>}
 */
export async function openShelf() {
  let reason = "";
  for (const open of [OpfsShelf.open, CacheShelf.open]) {
    try {
      return { shelf: await open(), reason };
    } catch (error) {
      reason ||= error instanceof Error ? error.message : String(error);
    }
  }
  return { shelf: new MemoryShelf(), reason };
}
