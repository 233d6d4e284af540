/**
 * Everything that touches Python, behind one function: `call(method, params, {onEvent, signal})`. It runs in the worker
 * (`worker.js`) or on the page's thread, with the same results. Objects are named by the bridge's integer handles.
 */

import { boot } from "./boot.js";
import { capabilities, machineMemory } from "./capabilities.js";
import { FormatError, InputError } from "../errors.js";
import { inspectModelFiles } from "../storage/inspect.js";
import { openModelFiles } from "../storage/model_files.js";
import { threadCount } from "../devices/simd_host.js";
import { THREAD, inPython } from "./python.js";
import { afterSlices, runTask } from "./slices.js";
import { Storage, fileKey } from "../storage/storage.js";

/** @typedef {import("./boot.js").Runtime} Runtime */
/** @typedef {import("./requests.js").Requests} Requests */
/** @typedef {import("./requests.js").Method} Method */
/** @typedef {import("./requests.js").EngineLike} EngineLike */
/**
 * @template {Method} M
 * @typedef {{onEvent: (event: Requests[M]["event"]) => void, signal?: AbortSignal}} Context
 */

/** @type {Promise<Storage> | null} */
let openStorage = null;
const storage = () => (openStorage ??= Storage.open());

/** The methods are listed in `METHODS`. @implements {EngineLike} */
export class Engine {
  /** @type {Promise<Runtime> | null} */
  #runtime = null;
  owner = THREAD;

  /**
   * @template {Method} M
   * @param {M} method
   * @param {Requests[M]["params"]} [params]
   * @param {import("./requests.js").CallOptions<M>} [options]
   * @returns {Promise<Requests[M]["result"]>}
   */
  async call(method, params = {}, { onEvent = () => {}, signal } = {}) {
    if (!Object.hasOwn(METHODS, method)) throw new InputError(`unknown request ${method}`);
    signal?.throwIfAborted();
    /** @type {{error: unknown} | null} */
    let thrown = null; // by the caller's function; Python starts all the same, others on this thread may wait for it
    if (method === "start") {
      const options = /** @type {import("./boot.js").DeviceOptions & {baseURL?: string}} */ (params);
      const onProgress = (/** @type {any} */ event) => {
        try {
          if (!thrown) onEvent(event);
        } catch (error) {
          thrown = { error };
        }
      };
      this.#runtime ??= boot({ ...options, onProgress });
      this.#runtime.catch(() => (this.#runtime = null));
    }
    const runtime = await (this.#runtime ??= boot());
    if (thrown) throw /** @type {{error: unknown}} */ (thrown).error;
    signal?.throwIfAborted();
    return METHODS[method](runtime, params, { onEvent, signal });
  }

  /** Python stays: the thread has one, and others may use it. */
  dispose() {}
}

/** @type {{[M in Method]: (runtime: Runtime, params: Requests[M]["params"], context: Context<M>) => Requests[M]["result"] | Promise<Requests[M]["result"]>}} */
const METHODS = {
  start(runtime, { device, threads, digits }) {
    const simd = devices(runtime).find((d) => d.device === "simd");
    if (threads !== undefined && simd?.available && threadCount(threads) !== threadCount(runtime.threads)) {
      const remedy = "Start this session in a worker, or the first one with these threads.";
      throw new InputError(`${threads} were requested, but Python on this thread was started with ${simd.threads}`, {
        where: "threads",
        remedy,
      });
    }
    if (digits !== undefined && simd?.available && digits !== simd.digits) {
      throw new InputError(`${digits} were requested, but Python on this thread was started with ${simd.digits}`, {
        where: "digits",
        remedy: "Start this session in a worker, or the first one with these digits.",
      });
    }
    if (device) inPython(runtime, (b) => b.use_device(device)); // Python may have been started with another device
    return { version: runtime.version, capabilities: capabilities(), devices: devices(runtime) };
  },
  devices: (runtime) => devices(runtime),
  async useDevice(runtime, { device }) {
    await runtime.reopen();
    inPython(runtime, (b) => b.use_device(device));
    return devices(runtime);
  },
  detect: (runtime) => JSON.parse(inPython(runtime, (b) => b.detect_all_json())),
  verifyDevice(runtime, { device }, { onEvent, signal }) {
    const task = inPython(runtime, (b) => b.verify_start(device));
    const onEvents = (/** @type {any[]} */ events) =>
      events.forEach((event) => onEvent({ status: "verify", ...event }));
    return runTask(runtime, task, { signal, onEvents });
  },

  createNetwork: (runtime, { config, seed }) => inPython(runtime, (b) => b.create_network(config, seed)),
  loadNetwork: (runtime, { text, id }) => inPython(runtime, (b) => b.load_network(text, id)),
  classes: (runtime) => JSON.parse(inPython(runtime, (b) => b.classes())),
  methods: (runtime, { kind }) => JSON.parse(inPython(runtime, (b) => b.methods(kind))),
  members: (runtime, { kind }) => JSON.parse(inPython(runtime, (b) => b.members(kind))),
  create: (runtime, { kind, args, arrays }) => JSON.parse(inPython(runtime, (b) => b.create(kind, args, arrays))),
  plain(runtime, { handle, method, args, arrays }) {
    const result = inPython(runtime, (b) => b.call_plain(handle, method, args, arrays));
    return typeof result === "string" ? JSON.parse(result) : result;
  },
  run(runtime, { handle, method, args, arrays }, { onEvent, signal }) {
    const task = inPython(runtime, (b) => b.task_start(handle, method, args, arrays));
    return runTask(runtime, task, { signal, onEvents: onEvent });
  },
  async watch(runtime, { handle, interval }, { onEvent, signal }) {
    const watch = inPython(runtime, (b) => b.watch_start(handle));
    let last = -Infinity;
    /** @type {unknown} */
    let failed = null;
    const look = () => {
      if (failed || signal?.aborted || performance.now() - last < interval) return;
      try {
        const activity = inPython(runtime, (b) => b.watch_next(watch));
        if (!activity) return;
        last = performance.now();
        onEvent(activity);
      } catch (error) {
        failed = error; // not thrown here: this may run within other work
      }
    };
    afterSlices.add(look);
    try {
      while (!signal?.aborted) {
        look();
        if (failed) throw failed;
        await new Promise((resolve) => setTimeout(resolve, interval));
      }
    } finally {
      afterSlices.delete(look);
      inPython(runtime, (b) => b.watch_end(watch));
    }
  },
  call(runtime, { handle, method, args, arrays }, { signal }) {
    const task = inPython(runtime, (b) => b.call_start(handle, method, args, arrays));
    if (task) return runTask(runtime, task, { signal });
    return JSON.parse(inPython(runtime, (b) => b.call_values(handle, method, args, arrays)));
  },
  forward: (runtime, { handle, input }) => inPython(runtime, (b) => b.forward(handle, input)),
  evaluate: (runtime, { handle, inputs, expected }) =>
    JSON.parse(inPython(runtime, (b) => b.evaluate(handle, inputs, expected))),

  train(runtime, { handle, batches, config }, { onEvent, signal }) {
    const task = inPython(runtime, (b) => b.train_start(handle, batches, config));
    const onEvents = (/** @type {{epoch: number, epochs: number, loss: number, losses?: number[]}[]} */ events) => {
      const last = events.at(-1);
      const losses = events.flatMap((event) => event.losses ?? event.loss);
      if (last) onEvent({ status: "train", ...last, losses });
    };
    return runTask(runtime, task, { signal, onEvents });
  },

  async loadModel(runtime, source, context) {
    /** @type {import("../storage/storage.js").RemoteFile[]} */
    const kept = [];
    try {
      return await loadOnce(runtime, source, context, kept);
    } catch (error) {
      // A file without a published hash may have been cut or replaced on its way into storage: fetch it once more.
      const unproven = kept.filter(({ sha256, gitHash }) => !sha256 && !gitHash);
      if (!(error instanceof FormatError) || !unproven.length) throw error;
      for (const file of unproven) {
        await (await storage()).forget(fileKey(file.url));
        const message = `the kept file cannot be read (${error.problem}); it is fetched again`;
        context.onEvent({ status: "restart", file: file.name, message });
      }
      return loadOnce(runtime, source, context, []);
    }
  },

  inspectModel: async (runtime, source, { onEvent, signal }) =>
    inspectModelFiles(source, await storage(), { onProgress: onEvent, signal, rules: rules(runtime) }),
  chat: (runtime, { handle, messages, options }, context) =>
    generate(runtime, context, (b) => b.chat_start(handle, pieces(messages), options)),
  complete: (runtime, { handle, prompt, options }, context) =>
    generate(runtime, context, (b) => b.complete_start(handle, pieces(prompt), options)),
  chosenExperts: (runtime, { handle, start }) => JSON.parse(inPython(runtime, (b) => b.chosen_experts(handle, start))),
  async embed(runtime, { handle, texts, prompt }, { onEvent, signal }) {
    const task = inPython(runtime, (b) => b.embed_start(handle, pieces(texts), prompt));
    const onEvents = (/** @type {{loaded: number, total: number}[]} */ events) =>
      onEvent({ status: "embed", .../** @type {{loaded: number, total: number}} */ (events.at(-1)) });
    const { vectors, dimension } = await runTask(runtime, task, { signal, onEvents });
    return { vectors: inPython(runtime, (b) => b.embedded(vectors)), dimension };
  },
  fillMask: (runtime, { handle, text, topK }, { signal }) =>
    runTask(
      runtime,
      inPython(runtime, (b) => b.fill_mask_start(handle, text, topK)),
      { signal },
    ),
  classify: (runtime, { handle, text, pair }, { signal }) =>
    runTask(
      runtime,
      inPython(runtime, (b) => b.classify_start(handle, text, pair)),
      { signal },
    ),
  profileModel(runtime, { handle, tokens, context, repeats }, { onEvent, signal }) {
    const task = inPython(runtime, (b) => b.profile_start(handle, tokens, context, repeats));
    const onEvents = (/** @type {{loaded: number, total: number}[]} */ events) =>
      onEvent({ status: "measure", .../** @type {{loaded: number, total: number}} */ (events.at(-1)) });
    return runTask(runtime, task, { signal, onEvents });
  },

  storageList: async () => (await storage()).list(),
  storageUsage: async () => (await storage()).usage(),
  storageRemove: async (_runtime, { name, source }) => (await storage()).remove(name, source),
  storageClear: async () => (await storage()).clear(),
  storageReadText: async (_runtime, { name }) => (await storage()).readText(name),
  storageKeepText: async (_runtime, { name, text }) => (await storage()).keepText(name, text),

  release: (runtime, { handle }) => inPython(runtime, (b) => b.release(handle)),
  live: (runtime) => inPython(runtime, (b) => b.live()),
};

/**
 * @param {Runtime} runtime
 * @param {import("./requests.js").Params<"loadModel">} source
 * @param {Context<"loadModel">} context
 * @param {import("../storage/storage.js").RemoteFile[]} kept gets the files that are used as they were kept
 */
async function loadOnce(runtime, source, { onEvent, signal }, kept) {
  const onKept = (/** @type {import("../storage/storage.js").RemoteFile} */ file) => kept.push(file);
  const readers = await openModelFiles(source, await storage(), {
    onProgress: onEvent,
    signal,
    onKept,
    rules: rules(runtime),
  });
  try {
    const task = inPython(runtime, (b) => b.load_start(readers, source.activations));
    const onEvents = (/** @type {{file: string, loaded: number, total: number}[]} */ events) =>
      onEvent({ status: "load", ...events.at(-1) });
    const model = await runTask(runtime, task, { signal, onEvents });
    for (const message of model.notices) onEvent({ status: "notice", file: model.name, message });
    return model;
  } finally {
    for (const reader of readers) reader.release();
  }
}

/** @param {Runtime} runtime @returns {import("../devices/open.js").DeviceFacts[]} */
const devices = (runtime) => JSON.parse(inPython(runtime, (b) => b.describe_devices()));

/**
 * What Python knows of models before they are fetched.
 * @param {Runtime} runtime
 * @returns {import("../storage/inspect.js").Context["rules"]}
 */
const rules = (runtime) => ({
  address: (text) => JSON.parse(inPython(runtime, (b) => b.hub_address(text))),
  choose: (request) => JSON.parse(inPython(runtime, (b) => b.choose_model_files(JSON.stringify(request)))),
  examine: (files, heads) => JSON.parse(inPython(runtime, (b) => b.examine_model(files, heads))),
  inspect: (files, heads, name) =>
    JSON.parse(inPython(runtime, (b) => b.inspect_model(files, heads, name, machineMemory()))),
});

/** Characters of a text that cross into Python in one step: a few milliseconds. */
const PIECE = 1 << 18;

/**
 * A text in pieces that end in whole characters.
 * @param {string} text
 */
function pieces(text) {
  const parts = [];
  for (let at = 0; at < text.length;) {
    let end = Math.min(at + PIECE, text.length);
    if (end < text.length && (text.charCodeAt(end) & 0xfc00) === 0xdc00) end--; // the second half of a pair
    parts.push(text.slice(at, end));
    at = end;
  }
  return parts;
}

/** @typedef {{loaded: number, total: number}} Prefill tokens of the prompt */
/** @typedef {{id: number, text: string, finishReason: string | null}} Token */

/**
 * Run a generation task: the prompt's progress is reported as `{status: "prefill", loaded, total}` in tokens, every new
 * token as `{status: "token", id, text}`; the result says how it ended.
 * @param {Runtime} runtime
 * @param {{onEvent: (event: import("./requests.js").GenerationEvent) => void, signal?: AbortSignal}} context
 * @param {(bridge: import("./bridge.js").Bridge) => number} start
 */
async function generate(runtime, { onEvent, signal }, start) {
  const task = inPython(runtime, start);
  let finishReason = "length";
  const onEvents = (/** @type {(Prefill | Token)[]} */ events) => {
    for (const event of events) {
      if (!("id" in event)) {
        onEvent({ status: "prefill", ...event });
        continue;
      }
      const { finishReason: reason, ...token } = event;
      if (reason) finishReason = reason;
      onEvent({ status: "token", ...token });
    }
  };
  // One step per slice, so that each token is shown at once.
  const { seed } = await runTask(runtime, task, { signal, onEvents, sliceMs: 0 });
  return { finishReason, seed };
}
