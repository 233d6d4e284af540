/** The models that this browser keeps, for the page: `session.storage`. */

import { expectText } from "./arguments.js";

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
   * Ask the browser, once, not to clear what is kept; reports `{status: "persist", message: "granted" | "refused"}`.
   * Some browsers ask the user: nothing waits for the answer.
   * @param {{file?: string, total?: number}} [kept] what is new; small files are not worth a question
   * @param {OnProgress} [onProgress]
   * @returns {Promise<boolean>} whether it will be kept
   */
  async persist({ file, total = Infinity } = {}, onProgress = () => {}) {
    const manager = globalThis.navigator?.storage;
    if (this.#requested || total < LARGE || !manager?.persist) return false;
    this.#requested = true;
    const granted = (await manager.persisted().catch(() => false)) || (await manager.persist().catch(() => false));
    onProgress({ status: "persist", file, message: granted ? "granted" : "refused" });
    return granted;
  }
}
