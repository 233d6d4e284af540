/**
 * Files that Python reads in ranges while their bytes stay here, outside Python's memory.
 *
 * Python's side is `loom_py/bridge/files.py`. A reader is `{name, size, read(offset, length) → Uint8Array}`.
 */

import { InputError } from "../errors.js";

/** `read`'s bytes may be overwritten by the next `read`. */
/** @typedef {{name: string, size: number, read(offset: number, length: number): Uint8Array, release(): void}} Reader */

/** Bytes in memory; ranges are views, without a copy. */
export class BufferReader {
  /** @type {Uint8Array | null} */
  #bytes;

  /**
   * @param {string} name
   * @param {ArrayBuffer | Uint8Array} bytes shared, not copied
   */
  constructor(name, bytes) {
    this.name = name;
    this.size = bytes.byteLength;
    this.#bytes = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  read(offset, length) {
    if (!this.#bytes) throw new Error(`${this.name} was released`);
    return this.#bytes.subarray(offset, offset + length);
  }

  /** Let go of the bytes. */
  release() {
    this.#bytes = null;
  }
}

/** Bytes in memory in several pieces; a range inside one piece is a view. */
export class PiecesReader {
  /** @type {Uint8Array[]} */
  #pieces;
  /** @type {number[]} */
  #starts = [];

  /**
   * @param {string} name
   * @param {Uint8Array[]} pieces shared, not copied
   */
  constructor(name, pieces) {
    this.name = name;
    this.size = 0;
    this.#pieces = pieces;
    for (const piece of pieces) {
      this.#starts.push(this.size);
      this.size += piece.length;
    }
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  read(offset, length) {
    if (length === 0) return new Uint8Array(0);
    let i = this.#starts.length - 1;
    while (this.#starts[i] > offset) i--;
    if (i < 0) throw new Error(`${this.name} was released`);
    const from = offset - this.#starts[i];
    if (from + length <= this.#pieces[i].length) return this.#pieces[i].subarray(from, from + length);
    const all = new Uint8Array(Math.min(length, this.size - offset));
    for (let at = 0; at < all.length; i++) {
      const part = this.#pieces[i].subarray(offset + at - this.#starts[i], offset + all.length - this.#starts[i]);
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** Let go of the bytes. */
  release() {
    this.#pieces = [];
    this.#starts = [];
  }
}

/** Two readers one after the other: the part of a file that fits on disk, and the rest in memory. */
export class JoinedReader {
  /**
   * @param {Reader} head
   * @param {Reader} tail
   */
  constructor(head, tail) {
    this.name = head.name;
    this.size = head.size + tail.size;
    this.head = head;
    this.tail = tail;
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  read(offset, length) {
    const { size } = this.head;
    if (offset + length <= size) return this.head.read(offset, length);
    if (offset >= size) return this.tail.read(offset - size, length);
    const all = new Uint8Array(Math.min(length, this.size - offset));
    all.set(this.head.read(offset, size - offset));
    all.set(this.tail.read(0, offset + all.length - size), size - offset);
    return all;
  }

  /** Release both. */
  release() {
    this.head.release();
    this.tail.release();
  }
}

/** The head of a file that has not been fetched: `size` is the whole file's, `available` what can be read. */
export class HeadReader extends BufferReader {
  /**
   * @param {string} name
   * @param {number} size
   * @param {Uint8Array} bytes the first ones
   */
  constructor(name, size, bytes) {
    super(name, bytes);
    this.size = size;
    this.available = bytes.length;
  }
}

/** A file on the user's disk, read range by range where the browser can do that synchronously: in a worker. */
export class BlobReader {
  /** @type {Blob | null} */
  #blob;

  /**
   * @param {string} name
   * @param {Blob} blob
   */
  constructor(name, blob) {
    this.name = name;
    this.size = blob.size;
    this.#blob = blob;
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  read(offset, length) {
    if (!this.#blob) throw new Error(`${this.name} was released`);
    return new Uint8Array(new FileReaderSync().readAsArrayBuffer(this.#blob.slice(offset, offset + length)));
  }

  /** Release the file. */
  release() {
    this.#blob = null;
  }
}

/**
 * A reader for a local file: range by range in a worker, from memory elsewhere.
 * @param {File} file
 * @param {string} [name] its path among a model's files
 * @returns {Promise<Reader>}
 */
export async function readerOf(file, name = file.name) {
  if ("FileReaderSync" in globalThis) return new BlobReader(name, file);
  try {
    return new BufferReader(name, await file.arrayBuffer());
  } catch (cause) {
    throw new InputError("cannot be read", { where: file.name, remedy: "Choose the file again.", cause });
  }
}
