/**
 * Files that Python reads in ranges while their bytes stay here, outside Python's memory.
 *
 * Python's side is `loom_py/bridge_files.py`. A reader is `{name, size, read(offset, length) → Uint8Array}`.
 */

import { InputError } from "./errors.js";

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
    // @ts-ignore FileReaderSync exists in workers only
    return new Uint8Array(new FileReaderSync().readAsArrayBuffer(this.#blob.slice(offset, offset + length)));
  }

  /** Let go of the file. */
  release() {
    this.#blob = null;
  }
}

/**
 * A reader for a local file: range by range in a worker, from memory elsewhere.
 * @param {File} file
 * @returns {Promise<Reader>}
 */
export async function readerOf(file) {
  if ("FileReaderSync" in globalThis) return new BlobReader(file.name, file);
  try {
    return new BufferReader(file.name, await file.arrayBuffer());
  } catch (cause) {
    throw new InputError("cannot be read", { where: file.name, remedy: "Choose the file again.", cause });
  }
}
