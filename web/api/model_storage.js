/** The models that this browser keeps, and texts beside them, for the page: `session.storage`. */

import { expectFunction, expectText, record } from "./arguments.js";

/** @typedef {import("../engine/progress.js").OnProgress} OnProgress */

/** From this size on it is worth asking the browser not to clear it by itself. */
const LARGE = 32 * 1024 * 1024;

export class ModelStorage {
  /** @type {import("../engine/requests.js").EngineLike} */
  #engine;
  #requested = false;

  /** @param {import("../engine/requests.js").EngineLike} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /**
   * Most recently used first. With `complete: false` a download ended early; loading the model again resumes it.
   * @returns {Promise<import("../storage/storage.js").KeptModel[]>}
   */
  list() {
    return this.#engine.call("storageList");
  }

  /**
   * Remove a model, whole or not.
   * @param {string} name as in `list`
   * @param {string} [source] as in `list`, where several models have the name
   * @returns {Promise<number>} bytes that were freed
   */
  async remove(name, source) {
    expectText(name, "name");
    if (source !== undefined) expectText(source, "source");
    return this.#engine.call("storageRemove", { name, source });
  }

  /** Remove all models. @returns {Promise<number>} bytes that were freed */
  clear() {
    return this.#engine.call("storageClear");
  }

  /** @returns {Promise<import("../storage/storage.js").StorageUsage>} */
  usage() {
    return this.#engine.call("storageUsage");
  }

  /**
   * A text that `keepText` kept for this site; "" where there is none.
   * @param {string} name
   * @returns {Promise<string>}
   */
  async readText(name) {
    expectText(name, "name");
    return this.#engine.call("storageReadText", { name });
  }

  /**
   * Keep a text under a name until it is replaced, in place of the one before. An empty text forgets it. It is not one of
   * the models: `clear` leaves it.
   * @param {string} name
   * @param {string} text
   * @returns {Promise<void>}
   */
  async keepText(name, text) {
    expectText(name, "name");
    expectText(text, "text");
    await this.#engine.call("storageKeepText", { name, text });
  }

  /**
   * Ask the browser, once, not to clear what is kept; reports `{status: "persist", message: "granted" | "refused"}`.
   * Some browsers ask the user: nothing waits for the answer.
   * @param {{file?: string, total?: number}} [kept] what is new; small files are not worth a question
   * @param {OnProgress} [onProgress]
   * @returns {Promise<boolean>} whether it will be kept
   */
  async persist(kept, onProgress = () => {}) {
    const { file, total = Infinity } = record(kept, "kept");
    expectFunction(onProgress, "onProgress");
    const manager = globalThis.navigator?.storage;
    if (this.#requested || total < LARGE || !manager?.persist) return false;
    this.#requested = true;
    const granted = (await manager.persisted().catch(() => false)) || (await manager.persist().catch(() => false));
    onProgress({ status: "persist", file, message: granted ? "granted" : "refused" });
    return granted;
  }
}
