/**
 * Files and models that this browser keeps: files under keys derived from their addresses, models as lists of files.
 *
 *     f-<key>.bin    a file's bytes so far
 *     f-<key>.json   its record: where from, which version, whether it is whole
 *     m-<key>.json   a model: name, source, files, when it was last used
 *     t-<key>.txt    a text that a page keeps under a name of its own
 */

import { StorageError } from "../errors.js";
import { SITE } from "../site.js";
import { sha256Text } from "./sha256.js";
import { openShelf } from "./shelves.js";

/** @typedef {import("./shelves.js").Shelf} Shelf */
/**
 * `gitHash`: git's hash, of files that are not in Git LFS; `atLeast`: bytes that the server stated, which may be too few.
 * @typedef {{name: string, url: string, size?: number, sha256?: string, gitHash?: string, atLeast?: number}} RemoteFile
 */
/** `digest`: SHA-256 of the kept bytes. @typedef {{url: string, etag: string, size?: number, sha256?: string, gitHash?: string, complete: boolean, digest?: string}} FileRecord */
/** @typedef {{name: string, source: string, files: RemoteFile[], lastUsed: number}} ModelRecord */
/** @typedef {{name: string, source: string, size: number, complete: boolean, lastUsed: number}} KeptModel bytes; milliseconds since 1970 */
/**
 * @typedef {object} StorageUsage
 * @property {"opfs" | "cache" | "memory"} kind where models are kept
 * @property {string} reason why not in a better place; empty for files on disk
 * @property {number} kept bytes of models
 * @property {number} [usage] bytes that this site uses in all
 * @property {number} [quota] bytes that it may use
 * @property {boolean} persisted the browser does not clear it by itself
 */

const MODEL = /^m-.*\.json$/;
const FILE = /^f-(\w+)\./;

/** Room that stays free, for records and other data of the site. */
const MARGIN = 1 << 20;

/** @param {string} url */
export const fileKey = (url) => sha256Text(new URL(url, SITE).href.replace(/#.*$/, "")).slice(0, 32);

export class Storage {
  /**
   * @param {Shelf} shelf
   * @param {string} [reason]
   */
  constructor(shelf, reason = "") {
    this.shelf = shelf;
    this.reason = reason;
  }

  static async open() {
    const { shelf, reason } = await openShelf();
    return new Storage(shelf, reason);
  }

  // --- files ---

  /** @param {string} key @returns {Promise<FileRecord | null>} also null for a damaged record */
  async record(key) {
    const record = parse(await this.shelf.readText(`f-${key}.json`));
    return typeof record?.url === "string" && typeof record.etag === "string" ? record : null;
  }

  /** @param {string} key @param {FileRecord} record */
  saveRecord(key, record) {
    return this.shelf.writeText(`f-${key}.json`, JSON.stringify(record));
  }

  /** Bytes so far. @param {string} key */
  kept(key) {
    return this.shelf.size(dataName(key));
  }

  /**
   * The whole file's size, if all of it is here and it is the version that is wanted; else -1.
   * @param {RemoteFile} file
   */
  async completeSize(file) {
    const key = fileKey(file.url);
    const record = await this.record(key);
    if (!record?.complete || !isVersion(record, file)) return -1;
    const size = await this.kept(key);
    return size === record.size ? size : -1;
  }

  /** @param {string} key */
  async forget(key) {
    try {
      await this.shelf.remove(dataName(key));
    } catch (cause) {
      throw inUse(cause);
    }
    await this.shelf.remove(`f-${key}.json`);
  }

  // --- texts ---

  /** The text that is kept under a name; "" where there is none. @param {string} name */
  readText(name) {
    return this.shelf.readText(textName(name));
  }

  /** Keep a text, or with "" forget it. @param {string} name @param {string} text */
  async keepText(name, text) {
    if (!text) return this.shelf.remove(textName(name));
    try {
      await this.shelf.writeText(textName(name), text);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
      const remedy = "Free space on the disk, or remove models that are kept.";
      throw new StorageError(`the browser does not keep it (${reason})`, { where: name, remedy, cause });
    }
  }

  // --- models ---

  /** @returns {Promise<ModelRecord[]>} the least recently used first */
  async models() {
    const names = (await this.shelf.names()).filter((name) => MODEL.test(name));
    const records = await Promise.all(names.map(async (name) => parse(await this.shelf.readText(name))));
    return records.filter(isModel).sort((a, b) => a.lastUsed - b.lastUsed);
  }

  /**
   * Files that no model names, since its record was cut when the machine went down: each as a model of its own.
   * @param {ModelRecord[]} models
   * @returns {Promise<(ModelRecord & {key: string})[]>}
   */
  async #strays(models) {
    const owned = new Set(models.flatMap((model) => model.files.map(({ url }) => fileKey(url))));
    const keys = new Set((await this.shelf.names()).flatMap((name) => FILE.exec(name)?.[1] ?? []));
    const strays = [...keys].filter((key) => !owned.has(key));
    return Promise.all(
      strays.map(async (key) => {
        const { url = "" } = (await this.record(key)) ?? {};
        const name = url ? decodeURIComponent(url.replace(/[?#].*$/, "").replace(/^.*\//, "")) : `unknown file ${key}`;
        return { name, source: url, files: [], lastUsed: 0, key };
      }),
    );
  }

  /** @param {{name: string, source: string, files: RemoteFile[]}} model */
  async saveModel(model) {
    await this.shelf.writeText(modelName(model), JSON.stringify({ ...model, lastUsed: Date.now() }));
  }

  /** @returns {Promise<KeptModel[]>} the most recently used first; `complete: false` is a download that can be resumed */
  async list() {
    const models = await this.models();
    const strays = (await this.#strays(models)).map(async ({ name, source, lastUsed, key }) => {
      return { name, source, size: await this.kept(key), complete: false, lastUsed };
    });
    const listed = models.map(async ({ name, source, files, lastUsed }) => {
      const sizes = await Promise.all(files.map(({ url }) => this.kept(fileKey(url))));
      const whole = await Promise.all(files.map((file) => this.completeSize(file)));
      const size = sizes.reduce((sum, bytes) => sum + bytes, 0);
      return { name, source, size, complete: !whole.includes(-1), lastUsed };
    });
    return (await Promise.all([...strays, ...listed])).filter(({ size }) => size > 0).reverse();
  }

  /**
   * Remove a model by its name in `list`; files that another model shares stay.
   * @param {string} name
   * @param {string} [source] where several have the name
   * @returns {Promise<number>} bytes that were freed
   */
  async remove(name, source) {
    const models = await this.models();
    const matches = (/** @type {ModelRecord} */ model) =>
      model.name === name && (source ?? model.source) === model.source;
    const chosen = models.filter(matches);
    const strays = (await this.#strays(models)).filter(matches);
    if (!chosen.length && !strays.length) {
      throw new StorageError("there is no such model in this browser's storage", {
        where: name,
        remedy: `Kept are: ${models.map((model) => model.name).join(", ") || "none"}.`,
      });
    }
    const others = new Set(
      models.filter((m) => !chosen.includes(m)).flatMap((m) => m.files.map(({ url }) => fileKey(url))),
    );
    let freed = 0;
    for (const { key } of strays) freed += await this.#removeFile(key, name);
    if (strays.length) await this.#sweep();
    for (const model of chosen) {
      for (const key of new Set(model.files.map(({ url }) => fileKey(url)))) {
        if (!others.has(key)) freed += await this.#removeFile(key, name);
      }
      await this.shelf.remove(modelName(model));
    }
    return freed;
  }

  /** Remove model records that cannot be read. */
  async #sweep() {
    for (const name of await this.shelf.names())
      if (MODEL.test(name) && !isModel(parse(await this.shelf.readText(name)))) await this.shelf.remove(name);
  }

  /** @param {string} key @param {string} name */
  async #removeFile(key, name) {
    const lock = await hold(key, { now: true });
    if (!lock) {
      throw new StorageError("the model is being downloaded or opened in another tab", {
        where: name,
        remedy: "Stop it there first.",
      });
    }
    try {
      const size = await this.kept(key);
      await this.forget(key);
      return size;
    } finally {
      lock();
    }
  }

  /** Remove everything. @returns {Promise<number>} bytes that were freed */
  async clear() {
    let freed = 0;
    for (const { name, source } of await this.list()) freed += await this.remove(name, source);
    const keys = new Set((await this.shelf.names()).map((name) => FILE.exec(name)?.[1]));
    for (const key of keys) if (key) freed += await this.#removeFile(key, "storage");
    for (const name of await this.shelf.names()) if (/^m-/.test(name)) await this.shelf.remove(name);
    return freed;
  }

  /** @returns {Promise<StorageUsage>} */
  async usage() {
    const kept = (await this.list()).reduce((sum, { size }) => sum + size, 0);
    const persisted =
      (await navigatorStorage()
        ?.persisted?.()
        .catch(() => false)) ?? false;
    return { kind: this.shelf.kind, reason: this.reason, kept, ...(await estimate()), persisted };
  }

  /** Bytes that can still be kept; Infinity where the browser does not say. */
  async room() {
    if (this.shelf.kind === "memory") return Infinity;
    const { usage, quota } = await estimate();
    return quota === undefined ? Infinity : Math.max(0, quota - (usage ?? 0) - MARGIN);
  }

  /**
   * The models to remove, the least recently used first, so that `bytes` find room; all of them if even that is too little.
   * @param {number} bytes
   * @param {{name: string, source: string}} wanted the model that needs the room
   * @returns {Promise<{models: KeptModel[], enough: boolean}>}
   */
  async evictable(bytes, wanted) {
    let free = await this.room();
    const models = [];
    for (const model of (await this.list()).reverse()) {
      if (free >= bytes) break;
      if (model.name === wanted.name && model.source === wanted.source) continue;
      models.push(model);
      free += model.size;
    }
    return { models, enough: free >= bytes };
  }
}

/**
 * A lock on a file among all tabs and workers of the site; the result releases it. Without Web Locks, nothing is locked.
 * @param {string} key
 * @param {{signal?: AbortSignal, now?: boolean, onWait?: () => void}} [options] `now`: null rather than waiting
 * @returns {Promise<(() => void) | null>}
 */
export function hold(key, { signal, now = false, onWait = () => {} } = {}) {
  const locks = globalThis.navigator?.locks;
  if (!locks) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const waiting = now ? 0 : setTimeout(onWait, 200);
    const granted = (/** @type {Lock | null} */ lock) => {
      clearTimeout(waiting);
      if (!lock) return resolve(null);
      return new Promise((free) => resolve(() => free(undefined)));
    };
    locks.request(`loom-file-${key}`, now ? { ifAvailable: true } : { signal }, granted).catch((error) => {
      clearTimeout(waiting);
      reject(error);
    });
  });
}

/**
 * Whether a record is of the version that is wanted, as far as that is known before asking the server.
 * @param {FileRecord} record
 * @param {RemoteFile} file
 */
export function isVersion(record, file) {
  const hash = (!file.sha256 || record.sha256 === file.sha256) && (!file.gitHash || record.gitHash === file.gitHash);
  return hash && (file.size === undefined || record.size === undefined || record.size === file.size);
}

/** @param {string} key */
export const dataName = (key) => `f-${key}.bin`;

/** @param {string} name */
const textName = (name) => `t-${sha256Text(name).slice(0, 32)}.txt`;

/** @param {{name: string, source: string}} model */
const modelName = ({ name, source }) => `m-${sha256Text(`${name}\n${source}`).slice(0, 32)}.json`;

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // absent, or cut short when the machine went down
  }
}

/** @param {any} record @returns {record is ModelRecord} */
const isModel = (record) =>
  typeof record?.name === "string" &&
  Array.isArray(record.files) &&
  record.files.every((/** @type {any} */ f) => typeof f?.url === "string");

/** @param {unknown} cause */
function inUse(cause) {
  return new StorageError("the file is in use and cannot be removed", {
    remedy: "Close the other tabs that are loading this model, then try again.",
    cause,
  });
}

function navigatorStorage() {
  return globalThis.navigator?.storage;
}

/** @returns {Promise<{usage?: number, quota?: number}>} */
async function estimate() {
  try {
    const { usage, quota } = (await navigatorStorage()?.estimate?.()) ?? {};
    return { usage, quota };
  } catch {
    return {};
  }
}
