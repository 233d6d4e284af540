/** The model that makes vectors of texts: this site's, or the hub's where it has none; loaded when it is first wanted. */

import { siteModels } from "../loom.js";

/** @typedef {import("../loom.js").Session} Session */
/** @typedef {import("../loom.js").LanguageModel} Model */
/** @typedef {import("../loom.js").WorkOptions} WorkOptions */

const HUB = "sentence-transformers/all-MiniLM-L6-v2";

export class Embedder {
  /** @type {Promise<Model> | null} */
  #model = null;

  /**
   * @param {Promise<Session>} session
   * @param {string} name
   * @param {string} place where it comes from, in words
   * @param {import("../loom.js").ModelChoice} source
   */
  constructor(session, name, place, source) {
    this.session = session;
    this.name = name;
    this.place = place;
    this.source = source;
  }

  /** @param {Promise<Session>} session */
  static async choose(session) {
    const models = await siteModels().catch(() => []);
    const own = models.find(({ task }) => task === "feature-extraction");
    if (!own) return new Embedder(session, HUB.replace(/^.*\//, ""), "the Hugging Face hub", HUB);
    return new Embedder(session, own.name, "this site", { files: own.files, name: own.title });
  }

  /**
   * One vector a text. Progress is that of loading the model, and then `{status: "embed", loaded, total}` in texts.
   * @param {string[]} texts
   * @param {WorkOptions} options
   * @returns {Promise<Float32Array[]>}
   */
  async embed(texts, options) {
    const model = await this.#load(options);
    return model.embed(texts, options);
  }

  /** @param {WorkOptions} options */
  async #load(options) {
    const session = await this.session;
    options.signal?.throwIfAborted();
    this.#model ??= session.loadModel(this.source, options);
    try {
      return await this.#model;
    } catch (error) {
      this.#model = null;
      throw error;
    }
  }
}
