/** The promise API: a session owns Python, networks and language models; one `AbortSignal` stops anything long. */

import { Engine } from "../engine/engine.js";
import { InputError } from "../errors.js";
import { SITE, WORKER } from "../site.js";
import { modelFiles } from "../storage/folders.js";
import { Handle, RemoteObject, createRemote, remote } from "./remote_object.js";
import { WorkerEngine } from "../engine/rpc.js";
import { ModelStorage } from "./model_storage.js";

/** @typedef {import("../engine/boot.js").OnProgress} OnProgress */
/** @typedef {import("../engine/capabilities.js").Capabilities} Capabilities */
/** @typedef {import("../storage/storage.js").RemoteFile} RemoteFile */
/** @typedef {Iterable<File> | {files: RemoteFile[], name?: string} | {kept: string} | string} ModelChoice */
/** @typedef {{onProgress?: OnProgress, signal?: AbortSignal}} WorkOptions */
/** @typedef {WorkOptions & import("../storage/model_files.js").KeepOptions & {hubURL?: string, activations?: "q16" | "f32"}} LoadOptions `hubURL`: a mirror of the hub; `activations`: what quantised weights are multiplied with, numbers of 16 bits (default) or float32 */
/** @typedef {import("../devices/open.js").DeviceFacts} DeviceFacts */
/**
 * A kernel of a device against NumPy.
 * @typedef {object} CheckedKernel
 * @property {string} kernel
 * @property {number} cases how many random shapes
 * @property {number | null} error the largest ‖out − ref‖ / ‖ref‖; null when there was no number
 * @property {string} problem what is wrong; empty when the error is rounding
 */
/** @typedef {{worker?: boolean, baseURL?: string | URL} & import("../devices/open.js").DeviceOptions & WorkOptions} StartOptions */
/** @typedef {ArrayLike<number>} Numbers */
/** @typedef {{input: Numbers, target: Numbers}} Batch */
/** @typedef {{epochs?: number, learningRate?: number, gradientClip?: number, lossType?: string, verbose?: boolean}} TrainOptions */
/** @typedef {{status: "train", epoch: number, epochs: number, loss: number, losses: number[]}} TrainProgress */
/** @typedef {{FinalLoss: number, BestLoss: number, TotalTime: number, AvgThroughput: number, LossHistory: number[]}} TrainResult */
/** @typedef {{score: number, avg_deviation: number, total_samples: number, failures: number, buckets: Record<string, {count: number, samples: number[]}>, results: object[]}} Metrics */
/** @typedef {{role: string, content: string}} Message */
/**
 * How to generate; what is left out keeps the model's default.
 * @typedef {object} GenerationOptions
 * @property {number} [maxTokens]
 * @property {number} [temperature] 0 takes the likeliest token each time
 * @property {number} [topK]
 * @property {number} [topP]
 * @property {number} [minP]
 * @property {number} [repetitionPenalty]
 * @property {number} [seed]
 * @property {string[]} [stop]
 */
/** @typedef {{tokens: number, timeToFirstToken: number, tokensPerSecond: number}} Stats milliseconds; the rate counts from the first token on */
/** @typedef {{id: number, text: string, stats: Stats, done?: undefined} | {id?: undefined, text: "", stats: Stats, done: true, finishReason: string}} Piece */

/** A running Python with everything that lives in it. Made by `loom.start`. */
export class Session {
  /** @type {import("../engine/rpc.js").EngineLike} */
  #engine;

  /**
   * @param {import("../engine/rpc.js").EngineLike} engine
   * @param {{version: string, capabilities: Capabilities, devices: DeviceFacts[]}} facts
   */
  constructor(engine, { version, capabilities, devices }) {
    this.#engine = engine;
    this.version = version;
    this.capabilities = capabilities;
    /** What can compute here, and why what cannot does not. */
    this.devices = devices;
    /** The models that this browser keeps. */
    this.storage = new ModelStorage(engine);
  }

  /**
   * @param {StartOptions} [options] `worker`: run beside the page, never in its way (default); `device`, `threads`: what computes
   * @returns {Promise<Session>}
   */
  static async start({ worker = true, baseURL = SITE, onProgress, signal, device, threads } = {}) {
    const engine = worker ? new WorkerEngine(WORKER) : new Engine();
    const quit = () => engine.dispose(); // at once: nothing is lost when a start is given up
    signal?.addEventListener("abort", quit, { once: true });
    try {
      const params = { baseURL: new URL(baseURL, globalThis.location?.href).href, device, threads };
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
  async createNetwork(config, { seed } = {}) {
    const text = typeof config === "string" ? config : JSON.stringify(config);
    return this.#network(await this.#engine.call("createNetwork", { config: text, seed }));
  }

  /**
   * @param {string} text a saved bundle
   * @param {string} id the model's name in it
   */
  async loadNetwork(text, id) {
    return this.#network(await this.#engine.call("loadNetwork", { text, id }));
  }

  /** @param {number} handle @returns {Promise<Network>} */
  async #network(handle) {
    return /** @type {Network} */ (await remote(this.#engine, "Network", handle, Network));
  }

  /**
   * A new object of a shared class, such as `"AdaptationComparison"` or `"Toolbox"`.
   * @param {string} kind `classes` names them
   * @param {...unknown} args of its constructor in Python
   * @returns {Promise<any>}
   */
  create(kind, ...args) {
    return createRemote(this.#engine, kind, args);
  }

  /**
   * Counts right and wrong outputs by windows of time while tasks change.
   * @param {number} windowMs
   * @param {number} totalMs
   */
  createAdaptationTracker(windowMs, totalMs) {
    return createRemote(this.#engine, "AdaptationTracker", [windowMs, totalMs]);
  }

  /** Clustering, correlation, grafting and the other tools around a network. */
  createToolbox() {
    return createRemote(this.#engine, "Toolbox", []);
  }

  /** Names of the classes whose objects `create` and other methods give. @returns {Promise<string[]>} */
  classes() {
    return this.#engine.call("classes");
  }

  /**
   * Every reflected method of a class: its name, parameters, results and documentation.
   * @param {string} [kind]
   * @returns {Promise<{method_name: string, parameters: {name: string, type: string, optional: boolean}[], returns: string[], doc: string}[]>}
   */
  methods(kind = "Network") {
    return this.#engine.call("methods", { kind });
  }

  /**
   * Progress is `{status, file, loaded, total, message}`: `"resolve"`, `"resume"`, `"download"`, `"verify"`, `"kept"`,
   * `"cached"` and `"load"` in this order; `"waiting"`, `"retry"`, `"restart"`, `"evicted"`, `"persist"` and `"notice"`
   * when there is something to tell.
   * @param {ModelChoice} source local files, files by address, one that is kept, or a name on the hub
   * @param {LoadOptions} [options]
   * @returns {Promise<LanguageModel>}
   */
  async loadModel(source, { onProgress = () => {}, signal, hubURL, keep, evict, activations } = {}) {
    const params = { ...modelSource(source), hubURL, keep, evict, activations };
    const onEvent = (/** @type {import("../engine/boot.js").Progress} */ event) => {
      onProgress(event);
      if (event.status === "kept" && event.message !== "memory") void this.storage.persist(event, onProgress);
    };
    const facts = await this.#engine.call("loadModel", params, { onEvent, signal });
    return new LanguageModel(this.#engine, facts);
  }

  /**
   * Prefer a device for what is trained and loaded from now on.
   * @param {"auto" | "numpy" | "simd" | "webgpu"} device
   * @returns {Promise<DeviceFacts[]>}
   */
  async useDevice(device) {
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
   * Compare every kernel of a device with NumPy in float64, on random shapes: one entry a kernel.
   *
   * Progress tells of each as `{status: "verify", loaded, total, …}`.
   * @param {"simd" | "webgpu"} device
   * @param {WorkOptions} [options]
   * @returns {Promise<CheckedKernel[]>}
   */
  verifyDevice(device, { onProgress = () => {}, signal } = {}) {
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

/** @param {ModelChoice} source */
function modelSource(source) {
  if (typeof source === "string") return { hub: source };
  if (typeof source === "object" && source && Symbol.iterator in source) {
    const files = [...source];
    if (files.length) return { files: modelFiles(files) };
  } else if (source && "kept" in source) {
    return { kept: String(source.kept) };
  } else if (Array.isArray(source?.files)) {
    const remote = source.files.map(({ name, url, size, sha256 }) => ({ name, url: absolute(url), size, sha256 }));
    return { remote, name: source.name };
  }
  throw new InputError("there are no files to load a model from", {
    remedy: "Give a .gguf file, or config.json, tokenizer.json and the .safetensors files together.",
  });
}

/** An address seen from the page, whichever thread fetches it. @param {string} url */
const absolute = (url) => new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;

/** A network in Python. */
export class Network extends RemoteObject {
  /**
   * @param {Numbers} values B·I numbers
   * @returns {Promise<Float32Array>} B·O numbers
   */
  forward(values) {
    return this.engine.call("forward", { handle: this.handle, input: Float32Array.from(values) });
  }

  /**
   * Train; an abort leaves the network as it was after the last whole update.
   * @param {Iterable<Batch>} batches
   * @param {TrainOptions} options
   * @param {{onProgress?: (progress: TrainProgress) => void, signal?: AbortSignal}} [control]
   * @returns {Promise<TrainResult>}
   */
  train(batches, options, { onProgress, signal } = {}) {
    const data = Array.from(batches, ({ input, target }) => ({
      input: Float32Array.from(input),
      target: Float32Array.from(target),
    }));
    const params = { handle: this.handle, batches: data, config: JSON.stringify(options) };
    return this.engine.call("train", params, { onEvent: onProgress, signal });
  }

  /**
   * @param {Iterable<Numbers>} inputs
   * @param {Numbers} expected per sample: the value, or the index of the largest output
   * @returns {Promise<Metrics>}
   */
  evaluate(inputs, expected) {
    const arrays = Array.from(inputs, (input) => Float32Array.from(input));
    return this.engine.call("evaluate", { handle: this.handle, inputs: arrays, expected: Array.from(expected) });
  }

  /**
   * @param {string} id name of the model in the bundle
   * @returns {Promise<string>} bundle text for `loadNetwork`
   */
  save(id) {
    return this.call("SaveModelToString", id);
  }

  /**
   * All layers at once, tick by tick.
   * @param {number} [inputSize] values a sample; known from most networks
   * @param {{batch?: number, recurrent?: "layer" | "carry" | "reset"}} [options]
   */
  createStepState(inputSize, { batch, recurrent } = {}) {
    return createRemote(this.engine, "StepState", [this, inputSize, batch ?? 1, recurrent ?? "layer"]);
  }

  /**
   * Neural tweening of this network.
   * @param {boolean} [useChainRule] or the legacy rule, as in the original
   */
  createTweenState(useChainRule = false) {
    return createRemote(this.engine, "NetworkTween", [this, useChainRule]);
  }

  /**
   * Watch the layers work, whoever runs them, until the signal aborts: one typed array a picture, with the root mean
   * square of each layer's last output, and after them those of the gradients. Pictures come while long work is on its
   * way, at most one every `interval` milliseconds, and only when something ran.
   * @param {(activity: Float32Array) => void} onActivity
   * @param {{signal?: AbortSignal, interval?: number}} [options]
   * @returns {Promise<void>}
   */
  watch(onActivity, { signal, interval = 16 } = {}) {
    return this.engine.call("watch", { handle: this.handle, interval }, { onEvent: onActivity, signal });
  }
}

/** A language model in Python. */
export class LanguageModel extends Handle {
  /**
   * @param {import("../engine/rpc.js").EngineLike} engine
   * @param {{handle: number} & Record<string, unknown>} facts
   */
  constructor(engine, { handle, ...facts }) {
    super(engine, handle);
    this.facts = facts;
  }

  /**
   * Answer a conversation, token by token. Progress tells how much of the prompt was read.
   * @param {string | Message[]} messages a question, or the conversation so far
   * @param {GenerationOptions & WorkOptions} [options]
   */
  chat(messages, options = {}) {
    const list = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
    return this.#stream("chat", { messages: JSON.stringify(list) }, options);
  }

  /**
   * Continue a text, token by token.
   * @param {string} prompt
   * @param {GenerationOptions & WorkOptions} [options]
   */
  complete(prompt, options = {}) {
    return this.#stream("complete", { prompt }, options);
  }

  /**
   * The last piece has `done: true`. Leaving the loop early stops the work.
   * @param {string} method
   * @param {object} params
   * @param {GenerationOptions & WorkOptions} options
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  async *#stream(method, params, { signal, onProgress, ...options }) {
    const leave = new AbortController();
    const anySignal = signal ? AbortSignal.any([signal, leave.signal]) : leave.signal;
    /** @type {{id: number, text: string}[]} */
    const waiting = [];
    const started = performance.now();
    let wake = () => {};
    let firstAt = 0;
    let lastAt = 0;
    let made = 0;
    let settled = false;
    const onEvent = (/** @type {{status: string, id: number, text: string}} */ event) => {
      if (event.status !== "token") return onProgress?.(event);
      lastAt = performance.now();
      firstAt ||= lastAt;
      made++;
      waiting.push(event);
      return wake();
    };
    const stats = () => ({
      tokens: made,
      timeToFirstToken: made ? firstAt - started : 0,
      tokensPerSecond: made > 1 ? ((made - 1) * 1000) / (lastAt - firstAt) : 0,
    });
    const request = { handle: this.handle, ...params, options: JSON.stringify(options) };
    const result = this.engine.call(method, request, { onEvent, signal: anySignal });
    const finished = () => {
      settled = true;
      wake();
    };
    result.then(finished, finished);
    try {
      for (;;) {
        for (let piece = waiting.shift(); piece; piece = waiting.shift()) {
          yield { id: piece.id, text: piece.text, stats: stats() };
        }
        if (settled) break;
        await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
      yield { text: "", stats: stats(), done: true, finishReason: (await result).finishReason };
    } finally {
      leave.abort();
      await result.catch(() => {}); // the model is free for the next question when the loop is left
    }
  }
}

if (Symbol.dispose) {
  for (const Class of [Session, Handle]) {
    Object.defineProperty(Class.prototype, Symbol.dispose, {
      /** @this {{dispose(): unknown}} */
      value() {
        void this.dispose();
      },
    });
  }
}
