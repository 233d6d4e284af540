/**
 * The origin private file system: bytes are written to disk as they arrive and read back in ranges. Only a worker may
 * read and write synchronously, so only a worker uses it.
 */

import { checkKept } from "./kept.js";
import { BlobReader } from "./readers.js";

const FOLDER = "loom-files";
const BUSY_TRIES = 20;
const BUSY_MS = 50;
const PROBE = "probe-";
/** Probes of tabs that were closed on the way are swept after this time; younger ones may be another tab's. */
const PROBE_AGE_MS = 60_000;

export class OpfsShelf {
  kind = /** @type {const} */ ("opfs");

  /** @param {FileSystemDirectoryHandle} folder */
  constructor(folder) {
    this.folder = folder;
  }

  /** Throws where it is missing or does not work: on a page's thread, on plain HTTP, in some private windows. */
  static async open() {
    if (!("FileReaderSync" in globalThis)) throw new Error("files on disk need a worker");
    if (!globalThis.navigator?.storage?.getDirectory) throw new Error("this browser offers this page no files on disk");
    const root = await navigator.storage.getDirectory();
    const shelf = new OpfsShelf(await root.getDirectoryHandle(FOLDER, { create: true }));
    const probe = PROBE + Math.random().toString(36).slice(2);
    try {
      await shelf.writeText(probe, probe);
    } finally {
      await shelf.remove(probe).catch(() => {});
    }
    await shelf.#sweep().catch(() => {});
    return shelf;
  }

  /** Remove the probes that were left behind. */
  async #sweep() {
    for (const name of await this.names()) {
      if (!name.startsWith(PROBE)) continue;
      const age = Date.now() - ((await this.#file(name))?.lastModified ?? 0);
      if (age > PROBE_AGE_MS) await this.remove(name);
    }
  }

  async names() {
    /** @type {string[]} */
    const names = [];
    for await (const name of this.folder.keys()) names.push(name);
    return names;
  }

  /** @param {string} name @returns {Promise<File | null>} */
  async #file(name) {
    try {
      return await (await this.folder.getFileHandle(name)).getFile();
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotFoundError") return null;
      throw error;
    }
  }

  /**
   * A handle of a worker that was just ended, or of another tab that writes a record, is free a moment later.
   * @param {string} name
   * @param {"readwrite" | "read-only"} mode
   * @returns {Promise<FileSystemSyncAccessHandle>}
   */
  async #open(name, mode) {
    const file = await this.folder.getFileHandle(name, { create: mode === "readwrite" });
    for (let attempt = 1; ; attempt++) {
      try {
        return await file.createSyncAccessHandle({ mode });
      } catch (error) {
        const busy = error instanceof DOMException && error.name === "NoModificationAllowedError";
        if (!busy || attempt === BUSY_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
      }
    }
  }

  /** @param {string} name */
  async readText(name) {
    return (await (await this.#file(name))?.text()) ?? "";
  }

  /** @param {string} name @param {string} text */
  async writeText(name, text) {
    const handle = await this.#open(name, "readwrite");
    try {
      const bytes = new TextEncoder().encode(text);
      writeAll(handle, bytes, 0);
      handle.truncate(bytes.length);
    } finally {
      handle.close();
    }
  }

  /** @param {string} name */
  async size(name) {
    return (await this.#file(name))?.size ?? 0;
  }

  /** @param {string} name */
  async *chunks(name) {
    const file = await this.#file(name);
    if (file) yield* /** @type {AsyncIterable<Uint8Array>} */ (/** @type {unknown} */ (file.stream()));
  }

  /** @param {string} name @param {boolean} fresh */
  async appender(name, fresh) {
    const handle = await this.#open(name, "readwrite");
    if (fresh) handle.truncate(0);
    return new OpfsAppender(handle);
  }

  /**
   * @param {string} name
   * @param {string} label
   */
  async reader(name, label) {
    const file = await this.#file(name);
    if (!file) throw new DOMException(`${label} is not kept`, "NotFoundError");
    try {
      const handle = await this.#open(name, "read-only");
      if (handle.mode === "read-only") return new SyncReader(label, handle);
      handle.close(); // a browser without shared handles: this one would lock other tabs out
    } catch {
      // Read as a blob below.
    }
    return new BlobReader(label, file);
  }

  /** @param {string} name */
  async remove(name) {
    try {
      await this.folder.removeEntry(name);
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
    }
  }
}

/**
 * Chromium's private windows do not throw when the disk is full: the count is then an error code, a very large number.
 * @param {FileSystemSyncAccessHandle} handle
 * @param {Uint8Array} bytes
 * @param {number} at
 */
function writeAll(handle, bytes, at) {
  if (handle.write(bytes, { at }) !== bytes.length) throw new DOMException("no space is left", "QuotaExceededError");
  const kept = new Uint8Array(bytes.length);
  handle.read(kept, { at });
  checkKept(bytes, kept);
}

class OpfsAppender {
  /** @type {Uint8Array[]} */
  unsaved = [];

  /** @param {FileSystemSyncAccessHandle} handle */
  constructor(handle) {
    this.handle = handle;
    this.length = handle.getSize();
  }

  /** @param {Uint8Array} bytes */
  append(bytes) {
    try {
      writeAll(this.handle, bytes, this.length);
      this.length += bytes.length;
    } catch (error) {
      this.unsaved = [bytes];
      this.handle.truncate(this.length);
      throw error;
    }
  }

  async close() {
    try {
      this.handle.flush();
    } finally {
      this.handle.close();
    }
  }
}

/** Ranges of a kept file, all through one buffer: each view holds until the next read. */
class SyncReader {
  #buffer = new Uint8Array(0);
  /** @type {FileSystemSyncAccessHandle | null} */
  #handle;

  /**
   * @param {string} name
   * @param {FileSystemSyncAccessHandle} handle
   */
  constructor(name, handle) {
    this.name = name;
    this.size = handle.getSize();
    this.#handle = handle;
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  read(offset, length) {
    if (!this.#handle) throw new Error(`${this.name} was released`);
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    const view = this.#buffer.subarray(0, length);
    return view.subarray(0, this.#handle.read(view, { at: offset }));
  }

  /** Allow others to remove the file. */
  release() {
    this.#handle?.close();
    this.#handle = null;
    this.#buffer = new Uint8Array(0);
  }
}
