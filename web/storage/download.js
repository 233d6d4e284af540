/**
 * One file: from storage if it is there, else over the network into storage, resuming an earlier attempt.
 * Bytes are hashed as they arrive. When storage is full, the rest of the file is held in memory.
 */

import { DownloadError, IntegrityError, StorageError } from "../errors.js";
import { JoinedReader, PiecesReader } from "./readers.js";
import { chunks, lost, persistently, requestRange } from "./http.js";
import { isSound } from "./sound.js";
import { GitHash } from "./sha1.js";
import { Sha256 } from "./sha256.js";
import { Pieces } from "./shelves.js";
import { dataName, fileKey, hold, isVersion } from "./storage.js";

/** @typedef {import("./storage.js").RemoteFile} RemoteFile */
/** @typedef {import("./storage.js").FileRecord} FileRecord */
/** @typedef {import("./storage.js").Storage} Storage */
/** @typedef {import("./readers.js").Reader} Reader */
/** @typedef {import("../engine/progress.js").OnProgress} OnProgress */
/**
 * `mustKeep`: an error if the file cannot be kept, instead of memory; `verify`: hash a file that is kept already (default);
 * `onKept`: called for one that is used as it was kept.
 * @typedef {{signal?: AbortSignal, onProgress?: OnProgress, mustKeep?: boolean, verify?: boolean, onKept?: (file: RemoteFile) => void}} DownloadOptions
 */
/** @typedef {{signal?: AbortSignal, onProgress: OnProgress, mustKeep: boolean}} Context */

const PROGRESS_MS = 100;
const RESTARTS = 3;
/** Why a part is not continued where the server names no version and no hash is known. */
const UNNAMED = "the server does not say whether the file is still the same";

/**
 * A reader for the file, which is whole and has the size and the hash given in `file`.
 * @param {RemoteFile} file
 * @param {Storage} storage
 * @param {DownloadOptions} [options]
 * @returns {Promise<Reader>}
 */
export async function download(file, storage, options = {}) {
  const { signal, onProgress = () => {}, mustKeep = false, verify = true } = options;
  signal?.throwIfAborted();
  const key = fileKey(file.url);
  const onWait = () => onProgress({ status: "waiting", file: file.name, message: "another tab is downloading it" });
  const free = await hold(key, { signal, onWait });
  try {
    const size = await storage.completeSize(file);
    if (size >= 0 && (!verify || (await isSound(file, key, storage, { signal, onProgress })))) {
      onProgress({ status: "cached", file: file.name, loaded: size, total: size });
      options.onKept?.(file);
      return await storage.shelf.reader(dataName(key), file.name);
    }
    return await new Transfer(file, key, storage, { signal, onProgress, mustKeep }).run();
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
  /** Of files whose SHA-256 is not known, git's may be. @type {GitHash | null} */
  #gitHash = null;
  /** Bytes so far. */
  #at = 0;
  /** @type {number | undefined} */
  #total;
  #reported = 0;
  /** The bytes come from more than one answer. */
  #resumed = false;
  #restarts = 0;
  /** SHA-256 of the whole file. */
  #digest = "";

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
    this.#record = this.#blank();
    this.#startHash();
  }

  /** @returns {FileRecord} */
  #blank() {
    const { url, size, sha256, gitHash } = this.file;
    return { url, etag: "", size, sha256, gitHash, complete: false };
  }

  #startHash() {
    const { size, sha256, gitHash } = this.file;
    this.#hash = new Sha256();
    this.#gitHash = gitHash && !sha256 && size !== undefined ? new GitHash(size) : null;
  }

  /** The bytes are compared with a published hash at the end. */
  get #hashKnown() {
    return Boolean(this.file.sha256 || this.#gitHash);
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
      await this.#keepRecord({ ...this.#record, size, complete: true, digest: this.#digest });
    }
    if (!this.#tail) {
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
    for await (const chunk of storage.shelf.chunks(dataName(key))) {
      context.signal?.throwIfAborted();
      this.#update(chunk);
      this.#at += chunk.length;
      this.#emit("resume", this.#at, kept, false);
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

  /** @param {Uint8Array} bytes */
  #update(bytes) {
    this.#hash.update(bytes);
    this.#gitHash?.update(bytes);
  }

  /** Start over: the server has another version, does not say which, or the bytes were damaged. */
  async #restart(message = "the file has changed since") {
    if (message !== UNNAMED && ++this.#restarts > RESTARTS) {
      throw new DownloadError("the file keeps changing while it is being fetched", {
        where: this.file.url,
        remedy: "Try again later.",
      });
    }
    await this.#sink?.close().catch(() => {});
    this.#tail = null;
    this.#startHash();
    this.#at = 0;
    this.#total = this.file.size;
    this.#resumed = false;
    this.#record = this.#blank();
    this.context.onProgress({ status: "restart", file: this.file.name, message });
    await this.#openSink(true);
  }

  async #fetch() {
    const { file, context } = this;
    const onRetry = (/** @type {number} */ seconds, /** @type {string} */ reason) =>
      context.onProgress({
        status: "retry",
        file: file.name,
        message: `${reason}; trying again in ${seconds.toFixed(1)} s`,
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
    const message = this.#at ? this.#changed(answer) : "";
    if (message) {
      await this.#restart(message);
      if (answer.start || !answer.satisfied) {
        answer.body.cancel().catch(() => {});
        return this.#part();
      }
    }
    if (answer.total !== undefined && file.size !== undefined && answer.total !== file.size) {
      answer.body.cancel().catch(() => {});
      throw this.#wrongSize(answer.total);
    }
    this.#total = answer.total ?? this.#total;
    await this.#note(answer.etag);
    if (this.#at) this.#resumed = true;
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

  /**
   * Why an answer does not continue what is here; "" if it does. Where no hash will tell, only an equal ETag does.
   * @param {import("./http.js").RangeAnswer} answer
   */
  #changed({ etag, total, start }) {
    const { etag: before, size } = this.#record;
    const changed = "the file has changed since";
    if (etag && before && etag !== before) return changed;
    if (total !== undefined && (total < this.#at || (size !== undefined && total !== size))) return changed;
    if (start > this.#at) return changed;
    return this.#hashKnown || (etag && before) ? "" : UNNAMED;
  }

  /** Record which version this is, before its first byte is kept. @param {string} etag */
  async #note(etag) {
    if (this.#record.etag === etag && this.#record.size === this.#total) return;
    this.#record = { ...this.#record, etag: etag || this.#record.etag, size: this.#total };
    if (!this.#tail) await this.#keepRecord(this.#record);
  }

  /** @param {FileRecord} record */
  async #keepRecord(record) {
    try {
      await this.storage.saveRecord(this.key, record);
    } catch (error) {
      this.#toMemory(error, []);
    }
  }

  /** @param {Uint8Array} bytes */
  async #put(bytes) {
    this.#update(bytes);
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
    if (this.context.mustKeep) {
      throw new StorageError(`the browser's storage is full (${reasonOf(error)})`, {
        where: this.file.name,
        remedy: "Remove other models, free space on the disk, or load it without keeping it.",
        cause: error,
      });
    }
    this.#tail ??= new Pieces();
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
    if (file.atLeast !== undefined && this.#at < file.atLeast) throw this.#wrongSize(this.#at);
    this.#digest = this.#hash.hex();
    if (!this.#hashKnown) return true;
    const [kind, digest, expected] = file.sha256
      ? ["SHA-256", this.#digest, file.sha256]
      : ["git hash", `${this.#gitHash?.hex()}`, `${file.gitHash}`];
    this.context.onProgress({ status: "verify", file: file.name, loaded: this.#at, total: this.#at });
    if (digest === expected) return true;
    if (this.#resumed) return false;
    throw new IntegrityError(`the file's ${kind} is ${digest.slice(0, 12)}…, expected ${expected.slice(0, 12)}…`, {
      where: file.name,
      remedy: "The file was changed or damaged in transit; try again, or choose another source.",
    });
  }

  /** @param {number} size */
  #wrongSize(size) {
    const expected = this.file.size ?? this.file.atLeast ?? 0;
    const has = size > expected ? `${size} bytes or more` : `${size} bytes`;
    return new IntegrityError(`the file has ${has}, expected ${expected}`, {
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
