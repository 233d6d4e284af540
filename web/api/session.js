/** The promise API: a session owns Python, networks and language models; one `AbortSignal` stops anything long. */

import { Engine } from "../engine/engine.js";
import { WorkerEngine } from "../engine/rpc.js";
import { InputError } from "../errors.js";
import { SITE } from "../site.js";
import { control, expectBoolean, expectChoice, expectNumber, expectText, mismatch, record } from "./arguments.js";
import { json } from "./json.js";
import { LanguageModel } from "./language_model.js";
import { disposable } from "./lifetime.js";
import { modelSource } from "./model_source.js";
import { ModelStorage } from "./model_storage.js";
import { Network } from "./network.js";
import { createRemote, remote } from "./remote_object.js";

/** @typedef {import("../engine/progress.js").WorkOptions} WorkOptions */
/** @typedef {import("./model_source.js").ModelChoice} ModelChoice */
/** @typedef {import("../engine/capabilities.js").Capabilities} Capabilities */
/** @typedef {WorkOptions & import("../storage/model_files.js").KeepOptions & {hubURL?: string, activations?: "q16" | "f32"}} LoadOptions `hubURL`: a mirror of the hub; `activations`: the form of activations for quantised weights: 16 bits (default) or float32 */
/** @typedef {import("../devices/open.js").DeviceFacts} DeviceFacts */
/**
 * A kernel of a device compared with NumPy.
 * @typedef {object} CheckedKernel
 * @property {string} kernel
 * @property {number} cases how many random shapes
 * @property {number | null} error the largest ‖out − ref‖ / ‖ref‖; null when there was no number
 * @property {string} problem the fault; empty when the error is rounding
 */
/** @typedef {{worker?: boolean, baseURL?: string | URL} & import("../devices/open.js").DeviceOptions & WorkOptions} StartOptions */

const LOAD_OPTIONS = ["hubURL", "keep", "evict", "verify", "activations"];
const DEVICES = ["auto", "numpy", "simd", "webgpu"];

/** A running Python with its objects. Created by `loom.start`. */
export class Session {
  /** @type {import("../engine/requests.js").EngineLike} */
  #engine;

  /**
   * @param {import("../engine/requests.js").EngineLike} engine
   * @param {{version: string, capabilities: Capabilities, devices: DeviceFacts[]}} facts
   */
  constructor(engine, { version, capabilities, devices }) {
    this.#engine = engine;
    this.version = version;
    this.capabilities = capabilities;
    /** The devices available here, and why others are not. */
    this.devices = devices;
    /** The models that this browser keeps. */
    this.storage = new ModelStorage(engine);
  }

  /**
   * @param {StartOptions} [options] `worker`: run in the background, without blocking the page (default); `device`, `threads`, `digits`: what computes
   * @returns {Promise<Session>}
   */
  static async start(options) {
    const given = control(options, "options", ["worker", "baseURL", "device", "threads", "digits"]);
    const { worker = true, baseURL = SITE, onProgress, signal, device, threads, digits } = given;
    expectBoolean(worker, "options.worker");
    if (device !== undefined) expectChoice(device, DEVICES, "options.device");
    if (threads !== undefined) expectNumber(threads, "options.threads", { whole: true, minimum: 1 });
    if (digits !== undefined) expectChoice(digits, ["bytes", "words"], "options.digits");
    const params = { baseURL: address(baseURL, "options.baseURL"), device, threads, digits };
    signal?.throwIfAborted();
    const unpoliced = (/** @type {string} */ reason) =>
      onProgress?.({
        status: "notice",
        message: `The worker runs without the page's content security policy: ${reason}`,
      });
    const engine = worker ? new WorkerEngine(new URL("worker.js", params.baseURL), unpoliced) : new Engine();
    const quit = () => engine.dispose(); // at once: an aborted start has nothing to lose
    signal?.addEventListener("abort", quit, { once: true });
    try {
      return new Session(engine, await engine.call("start", params, { onEvent: onProgress, signal }));
    } catch (error) {
      engine.dispose();
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", quit);
    }
  }

  /**
   * @param {object | string} config the network's JSON configuration
   * @param {{seed?: number}} [options] the same seed gives the same weights
   */
  async createNetwork(config, options) {
    const { seed } = record(options, "options", { known: ["seed"] });
    if (seed !== undefined) expectNumber(seed, "options.seed", { whole: true, minimum: 0 });
    const text =
      typeof config === "string" ? config : json(record(required(config), "config", { nulls: true }), "config");
    return this.#network(await this.#engine.call("createNetwork", { config: text, seed }));
  }

  /**
   * @param {string} text a saved bundle
   * @param {string} id the model's name in it
   */
  async loadNetwork(text, id) {
    expectText(text, "text", "Give the text of network.save, and the name that was given to it.");
    expectText(id, "id");
    return this.#network(await this.#engine.call("loadNetwork", { text, id }));
  }

  /**
   * @param {Record<string, Network>} networks by the id that each shall have
   * @returns {Promise<string>} one bundle text for all, which `loadBundle` reads
   */
  async saveBundle(networks) {
    const bundle = await this.create("ModelBundle", networks);
    try {
      return await bundle.saveToString();
    } finally {
      await bundle.dispose();
    }
  }

  /**
   * @param {string} text a saved bundle
   * @returns {Promise<Record<string, Network>>} all its networks by their ids
   */
  async loadBundle(text) {
    const bundle = await this.create("ModelBundle");
    try {
      await bundle.loadFromString(text);
      /** @type {string[]} */
      const ids = await bundle.modelIDs();
      return Object.fromEntries(await Promise.all(ids.map(async (id) => [id, await bundle.getModel(id)])));
    } finally {
      await bundle.dispose();
    }
  }

  /** @param {number} handle @returns {Promise<Network>} */
  async #network(handle) {
    return /** @type {Network} */ (await remote(this.#engine, "Network", handle));
  }

  /**
   * A new object of a shared class, such as `"AdaptationComparison"` or `"Toolbox"`.
   * @param {string} kind `classes` names them
   * @param {...unknown} args of its constructor in Python
   * @returns {Promise<any>}
   */
  async create(kind, ...args) {
    expectText(kind, "kind");
    return createRemote(this.#engine, kind, args);
  }

  /**
   * Counts right and wrong outputs in windows of time while tasks change.
   * @param {number} windowMs
   * @param {number} totalMs
   */
  async createAdaptationTracker(windowMs, totalMs) {
    expectNumber(windowMs, "windowMs");
    expectNumber(totalMs, "totalMs");
    return createRemote(this.#engine, "AdaptationTracker", [windowMs, totalMs]);
  }

  /** Clustering, correlation, grafting and the other tools around a network. */
  async createToolbox() {
    return createRemote(this.#engine, "Toolbox", []);
  }

  /** Names of the classes whose objects `create` and other methods return. @returns {Promise<string[]>} */
  classes() {
    return this.#engine.call("classes");
  }

  /**
   * Every reflected method of a class: its name, parameters, results and documentation.
   * @param {string} [kind]
   * @returns {Promise<{method_name: string, parameters: {name: string, type: string, optional: boolean}[], returns: string[], doc: string}[]>}
   */
  async methods(kind = "Network") {
    expectText(kind, "kind");
    return this.#engine.call("methods", { kind });
  }

  /**
   * Progress is `{status, file, loaded, total, message}`: `"resolve"`, `"examine"`, `"resume"`, `"download"`, `"verify"`, `"kept"`,
   * `"cached"` and `"load"` in this order; `"waiting"`, `"retry"`, `"restart"`, `"evicted"`, `"persist"` and `"notice"`
   * when they apply.
   * @param {ModelChoice} source local files, files by address, one that is kept, or a name on the hub
   * @param {LoadOptions} [options]
   * @returns {Promise<LanguageModel>}
   */
  async loadModel(source, options) {
    const { onProgress = () => {}, signal, ...choices } = control(options, "options", LOAD_OPTIONS);
    const { hubURL, keep, evict, verify, activations } = choices;
    if (hubURL !== undefined) expectText(hubURL, "options.hubURL");
    if (keep !== undefined) expectChoice(keep, ["try", "must", "never"], "options.keep");
    if (evict !== undefined) expectBoolean(evict, "options.evict");
    if (verify !== undefined) expectBoolean(verify, "options.verify");
    if (activations !== undefined) expectChoice(activations, ["q16", "f32"], "options.activations");
    const params = { ...modelSource(source), hubURL, keep, evict, verify, activations };
    const failed = new AbortController(); // by what `onProgress` throws when the browser has answered
    let loading = true;
    const onEvent = (/** @type {import("../engine/progress.js").Progress} */ event) => {
      onProgress(event);
      if (event.status !== "kept" || event.message === "memory") return;
      this.storage.persist(event, onProgress).catch((error) => (loading ? failed.abort(error) : reportError(error)));
    };
    const anySignal = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
    try {
      const facts = await this.#engine.call("loadModel", params, { onEvent, signal: anySignal });
      const model = new LanguageModel(this.#engine, facts);
      if (failed.signal.aborted) await model.dispose();
      failed.signal.throwIfAborted();
      return model;
    } finally {
      loading = false;
    }
  }

  /**
   * What a model is and needs, from headers and small files: family, size, memory, whether it fits here, what is missing
   * or not supported. Of a model that is elsewhere a few megabytes are fetched and nothing is kept.
   * @param {ModelChoice} source as in `loadModel`
   * @param {WorkOptions & {hubURL?: string}} [options]
   * @returns {Promise<import("../storage/inspect.js").ModelReport>}
   */
  async inspectModel(source, options) {
    const { onProgress = () => {}, signal, hubURL } = control(options, "options", ["hubURL"]);
    if (hubURL !== undefined) expectText(hubURL, "options.hubURL");
    return this.#engine.call("inspectModel", { ...modelSource(source), hubURL }, { onEvent: onProgress, signal });
  }

  /**
   * Use a device, where possible, for everything trained and loaded from now on.
   * @param {"auto" | "numpy" | "simd" | "webgpu"} device
   * @returns {Promise<DeviceFacts[]>}
   */
  async useDevice(device) {
    expectChoice(device, DEVICES, "device");
    return (this.devices = await this.#engine.call("useDevice", { device }));
  }

  /**
   * The original detector's report of every GPU adapter: key, limits, features, recommended workgroup sizes.
   * @returns {Promise<Record<string, any>[]>}
   */
  detect() {
    return this.#engine.call("detect");
  }

  /**
   * Compare every kernel of a device with NumPy in float64, on random shapes: one entry per kernel.
   *
   * Progress reports each as `{status: "verify", loaded, total, …}`.
   * @param {"simd" | "webgpu"} device
   * @param {WorkOptions} [options]
   * @returns {Promise<CheckedKernel[]>}
   */
  async verifyDevice(device, options) {
    expectText(device, "device");
    const { onProgress = () => {}, signal } = control(options, "options");
    return this.#engine.call("verifyDevice", { device }, { onEvent: onProgress, signal });
  }

  /** Number of objects that live on Python's side. @returns {Promise<number>} */
  liveObjects() {
    return this.#engine.call("live");
  }

  /** End the session and free its memory. */
  dispose() {
    this.#engine.dispose();
  }
}

disposable(Session);

/**
 * @template T
 * @param {T} config
 * @returns {T}
 */
function required(config) {
  if (config !== undefined && config !== null) return config;
  throw new InputError(mismatch("a configuration", config), { where: "config" });
}

/** @param {string | URL} base @param {string} where */
function address(base, where) {
  if (typeof base !== "string" && !(base instanceof URL)) {
    throw new InputError(`expected an address, got ${typeof base}`, { where });
  }
  try {
    return new URL(base, globalThis.location?.href).href;
  } catch (cause) {
    throw new InputError(`is no address: ${String(base)}`, {
      where,
      remedy: "Give the folder that holds pyodide/.",
      cause,
    });
  }
}
