/**
 * One file: from storage if it is there, else over the network into storage, resuming an earlier attempt.
 * Bytes are hashed as they arrive. When storage is full, the rest of the file is held in memory.
 */

import { DownloadError, IntegrityError, StorageError } from "../errors.js";
import { JoinedReader, PiecesReader } from "./readers.js";
import { lost, persistently, requestRange } from "./http.js";
import { Sha256 } from "./sha256.js";
import { Pieces } from "./shelves.js";
import { dataName, fileKey, hold, isVersion } from "./storage.js";

/** @typedef {import("./storage.js").RemoteFile} RemoteFile */
/** @typedef {import("./storage.js").FileRecord} FileRecord */
/** @typedef {import("./storage.js").Storage} Storage */
/** @typedef {import("./readers.js").Reader} Reader */
/** @typedef {import("../engine/progress.js").OnProgress} OnProgress */
/** @typedef {{signal?: AbortSignal, onProgress?: OnProgress}} DownloadOptions */
/** @typedef {{signal?: AbortSignal, onProgress: OnProgress}} Context */

const PROGRESS_MS = 100;
const RESTARTS = 3;

/**
 * A reader for the file, which is whole and has the size and the SHA-256 given in `file`.
 * @param {RemoteFile} file
 * @param {Storage} storage
 * @param {DownloadOptions} [options]
 * @returns {Promise<Reader>}
 */
export async function download(file, storage, { signal, onProgress = () => {} } = {}) {
  signal?.throwIfAborted();
  const key = fileKey(file.url);
  const onWait = () => onProgress({ status: "waiting", file: file.name, message: "another tab is downloading it" });
  const free = await hold(key, { signal, onWait });
  try {
    const size = await storage.completeSize(file);
    if (size >= 0) {
      onProgress({ status: "cached", file: file.name, loaded: size, total: size });
      return await storage.shelf.reader(dataName(key), file.name);
    }
    return await new Transfer(file, key, storage, { signal, onProgress }).run();
  } finally {
    free?.();
  }
}

/** The transfer of one file. */
class Transfer {
  /** @type {import("./shelves.js").Appender | null} */
  #sink = null;
  /** The part that did not fit on disk. @type {Pieces | null} */
  #tail = null;
  /** @type {FileRecord} */
  #record;
  #hash = new Sha256();
  /** Bytes so far. */
  #at = 0;
  /** @type {number | undefined} */
  #total;
  #reported = 0;
  /** Some of the bytes come from an earlier attempt. */
  #resumed = false;
  #restarts = 0;

  /**
   * @param {RemoteFile} file
   * @param {string} key
   * @param {Storage} storage
   * @param {Context} context
   */
  constructor(file, key, storage, context) {
    this.file = file;
    this.key = key;
    this.storage = storage;
    this.context = context;
    this.#total = file.size;
    this.#record = { url: file.url, etag: "", size: file.size, sha256: file.sha256, complete: false };
  }

  /** @returns {Promise<Reader>} */
  async run() {
    const { file, context } = this;
    try {
      await this.#resume();
      for (;;) {
        await this.#fetch();
        if (await this.#verified()) break;
        await this.#restart(); // the part kept from an earlier attempt belongs to another version
      }
    } catch (error) {
      await this.#sink?.close().catch(() => {});
      // Keep a valid part for the next attempt; remove what fails verification.
      if (error instanceof IntegrityError) await this.storage.forget(this.key).catch(() => {});
      throw error;
    }
    const size = (this.#total = this.#at);
    this.#report(true);
    try {
      await this.#sink?.close();
    } catch (error) {
      if (!this.#tail) this.#toMemory(error, this.#sink?.unsaved ?? []);
    }
    if (!this.#tail) {
      await this.storage.saveRecord(this.key, { ...this.#record, size, complete: true });
      context.onProgress({
        status: "kept",
        file: file.name,
        loaded: size,
        total: size,
        message: this.storage.shelf.kind,
      });
    }
    const tail = this.#tail && new PiecesReader(file.name, this.#tail.list());
    if (tail && tail.size === size) return tail;
    const head = await this.storage.shelf.reader(dataName(this.key), file.name);
    return tail ? new JoinedReader(head, tail) : head;
  }

  /** Resume from what an earlier attempt left. */
  async #resume() {
    const { file, key, storage, context } = this;
    const record = await storage.record(key);
    const kept = record ? await storage.kept(key) : 0;
    const usable = record && kept > 0 && isVersion(record, file) && kept <= (record.size ?? Infinity);
    if (!usable || !record) {
      await this.#openSink(true);
      return;
    }
    this.#record = { ...record, complete: false };
    this.#total ??= record.size;
    if (file.sha256) {
      for await (const chunk of storage.shelf.chunks(dataName(key))) {
        context.signal?.throwIfAborted();
        this.#hash.update(chunk);
        this.#at += chunk.length;
        this.#emit("resume", this.#at, kept, false);
      }
    }
    this.#at = kept;
    this.#resumed = true;
    this.#emit("resume", kept, kept, true);
    await this.#openSink(false);
  }

  /** @param {boolean} fresh */
  async #openSink(fresh) {
    try {
      this.#sink = await this.storage.shelf.appender(dataName(this.key), fresh);
      if (fresh) await this.storage.saveRecord(this.key, this.#record);
    } catch (error) {
      if (!fresh) throw storageError(error, this.file.name);
      this.#toMemory(error, []);
    }
  }

  /** Start over: the server has another version, or the bytes were damaged. */
  async #restart() {
    if (++this.#restarts > RESTARTS) {
      throw new DownloadError("the file keeps changing while it is being fetched", {
        where: this.file.url,
        remedy: "Try again later.",
      });
    }
    await this.#sink?.close().catch(() => {});
    this.#tail = null;
    this.#hash = new Sha256();
    this.#at = 0;
    this.#total = this.file.size;
    this.#resumed = false;
    this.#record = { ...this.#record, etag: "", size: this.file.size, sha256: this.file.sha256 };
    this.context.onProgress({ status: "restart", file: this.file.name, message: "the file has changed since" });
    await this.#openSink(true);
  }

  async #fetch() {
    const { file, context } = this;
    const onRetry = (/** @type {number} */ seconds) =>
      context.onProgress({
        status: "retry",
        file: file.name,
        message: `the connection broke; trying again in ${seconds.toFixed(1)} s`,
      });
    const options = { signal: context.signal, progress: () => this.#at, onRetry };
    if (this.#total === undefined || this.#at < this.#total) await persistently(() => this.#part(), options);
    if (this.#at === 0)
      throw new DownloadError("the file is empty", { where: file.url, remedy: "Choose another file." });
  }

  /** One response, to its end or until the connection breaks. @returns {Promise<void>} */
  async #part() {
    const { file, context } = this;
    const answer = await requestRange(file.url, this.#at, { signal: context.signal });
    if (this.#at && this.#changed(answer)) {
      if (answer.start || !answer.satisfied) {
        answer.body.cancel().catch(() => {});
        await this.#restart();
        return this.#part();
      }
      await this.#restart();
    }
    if (answer.total !== undefined && file.size !== undefined && answer.total !== file.size) {
      answer.body.cancel().catch(() => {});
      throw this.#wrongSize(answer.total);
    }
    this.#total = answer.total ?? this.#total;
    await this.#note(answer.etag);
    let skip = this.#at - answer.start; // a server without ranges sends the whole file again
    this.#report(true);
    for await (const chunk of chunks(answer.body, file.url)) {
      context.signal?.throwIfAborted();
      const fresh = skip ? chunk.subarray(Math.min(skip, chunk.length)) : chunk;
      skip -= chunk.length - fresh.length;
      if (!fresh.length) continue;
      if (file.size !== undefined && this.#at + fresh.length > file.size)
        throw this.#wrongSize(this.#at + fresh.length);
      await this.#put(fresh);
      if (this.#total !== undefined && this.#at > this.#total) this.#total = undefined; // the server stated a wrong size
      this.#report(false);
    }
    if (this.#total !== undefined && this.#at < this.#total)
      throw lost(file.url, new Error("the connection ended early"));
  }

  /** @param {import("./http.js").RangeAnswer} answer */
  #changed({ etag, total, start }) {
    const { etag: before, size } = this.#record;
    if (etag && before && etag !== before) return true;
    if (total !== undefined && (total < this.#at || (size !== undefined && total !== size))) return true;
    return start > this.#at;
  }

  /** Record which version this is, before its first byte is kept. @param {string} etag */
  async #note(etag) {
    if (this.#record.etag === etag && this.#record.size === this.#total) return;
    this.#record = { ...this.#record, etag: etag || this.#record.etag, size: this.#total };
    if (this.#tail) return;
    try {
      await this.storage.saveRecord(this.key, this.#record);
    } catch (error) {
      this.#toMemory(error, []);
    }
  }

  /** @param {Uint8Array} bytes */
  async #put(bytes) {
    this.#hash.update(bytes);
    this.#at += bytes.length;
    try {
      await (this.#tail ?? this.#sink)?.append(bytes);
    } catch (error) {
      this.#toMemory(error, this.#sink?.unsaved ?? [bytes]);
    }
  }

  /**
   * @param {unknown} error
   * @param {Uint8Array[]} unsaved
   */
  #toMemory(error, unsaved) {
    this.#tail = new Pieces();
    for (const bytes of unsaved) this.#tail.append(bytes);
    this.context.onProgress({
      status: "notice",
      file: this.file.name,
      message: `The browser's storage is full (${reasonOf(error)}): the rest of the file is held in memory and not kept.`,
    });
  }

  /** @returns {Promise<boolean>} false to fetch the whole file again */
  async #verified() {
    const { file } = this;
    if (file.size !== undefined && this.#at !== file.size) throw this.#wrongSize(this.#at);
    if (!file.sha256) return true;
    const digest = this.#hash.hex();
    this.context.onProgress({ status: "verify", file: file.name, loaded: this.#at, total: this.#at });
    if (digest === file.sha256) return true;
    if (this.#resumed) return false;
    throw new IntegrityError(`the file's SHA-256 is ${digest.slice(0, 12)}…, expected ${file.sha256.slice(0, 12)}…`, {
      where: file.name,
      remedy: "The file was changed or damaged in transit; try again, or choose another source.",
    });
  }

  /** @param {number} size */
  #wrongSize(size) {
    return new IntegrityError(`the file has ${size} bytes or more, expected ${this.file.size}`, {
      where: this.file.name,
      remedy: "The source has changed; reload the page, or choose another source.",
    });
  }

  /** @param {boolean} force */
  #report(force) {
    this.#emit("download", this.#at, this.#total, force);
  }

  /**
   * @param {string} status
   * @param {number} loaded
   * @param {number | undefined} total
   * @param {boolean} force
   */
  #emit(status, loaded, total, force) {
    const now = performance.now();
    if (!force && now - this.#reported < PROGRESS_MS) return;
    this.#reported = now;
    this.context.onProgress({ status, file: this.file.name, loaded, total });
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {string} url
 */
async function* chunks(body, url) {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw error.name === "AbortError" ? error : lost(url, error);
      });
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {unknown} error */
const reasonOf = (error) => (error instanceof Error ? error.message || error.name : String(error));

/**
 * @param {unknown} error
 * @param {string} name
 */
function storageError(error, name) {
  return new StorageError(`the browser's storage refused (${reasonOf(error)})`, {
    where: name,
    remedy: "Close the other tabs of this site and try again.",
    cause: error,
  });
}
