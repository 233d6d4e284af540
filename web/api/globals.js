/**
 * The original's global functions. Those that create a network return it, or a string with the reason of a failure; those
 * that answer in JSON report failures as `{"success": false, "error"}`; the short forms throw typed errors.
 */

import { boot } from "../engine/boot.js";
import { inPython } from "../engine/python.js";
import { InputError, explain } from "../errors.js";
import { BufferReader } from "../storage/readers.js";
import { expectNumber, expectText, mismatch } from "./arguments.js";
import { LoomNetwork } from "./loom_network.js";
import { classOf, createObject } from "./loom_object.js";
import { json } from "./json.js";
import { EvaluationMetrics } from "./metrics.js";

export { LoomNetwork } from "./loom_network.js";
export { LoomObject } from "./loom_object.js";
export { Results } from "./results.js";

/** @typedef {import("../engine/boot.js").Runtime} Runtime */

/**
 * Start Python on this thread and install the globals.
 * @param {{baseURL?: string | URL, onProgress?: import("../engine/progress.js").OnProgress, target?: object}} [options] `target`: where they go, by default `globalThis`
 * @returns {Promise<ReturnType<typeof makeGlobals>>}
 */
export async function initLoom({ target = globalThis, ...options } = {}) {
  const runtime = await boot(options);
  const globals = makeGlobals(runtime);
  Object.assign(target, globals, layerInitFunctions(runtime));
  return globals;
}

/** @param {Runtime} runtime */
function makeGlobals(runtime) {
  const Network = /** @type {typeof LoomNetwork} */ (classOf(runtime, "Network", LoomNetwork));
  /** @type {LoomNetwork | null} */
  let current = null;

  /** @param {(bridge: import("../engine/bridge.js").Bridge) => number} make @returns {LoomNetwork | string} the message if it fails */
  const network = (make) => {
    try {
      current = new Network(runtime, inPython(runtime, make));
      return current;
    } catch (error) {
      return explain(error);
    }
  };
  const latest = () => {
    if (!current) throw new InputError("there is no network yet", { remedy: "Create one with createNetworkFromJSON." });
    return current;
  };
  const create = (/** @type {unknown} */ config) =>
    typeof config === "string" ? network((b) => b.create_network(config)) : mismatch("a string", config);
  const load = (/** @type {unknown} */ text, /** @type {unknown} */ id) => {
    if (typeof text !== "string") return mismatch("a string", text);
    return typeof id === "string" ? network((b) => b.load_network(text, id)) : mismatch("a model id", id);
  };

  /** @param {Record<string, LoomNetwork>} [models] @returns {import("../loom.js").LoomModelBundle} */
  const bundle = (models = {}) => createObject(runtime, "ModelBundle", [models]);
  const loaded = (/** @type {(bundle: import("../loom.js").LoomModelBundle) => void} */ load) => {
    const filled = bundle();
    load(filled);
    return filled;
  };
  /** @template T @param {() => T} work @returns {T | string} the message if it fails */
  const attempt = (work) => {
    try {
      return work();
    } catch (error) {
      return explain(error);
    }
  };

  /** @param {() => string} work @returns {string} */
  const reply = (work) => {
    try {
      return work();
    } catch (error) {
      return JSON.stringify({ success: false, error: explain(error) });
    }
  };

  return {
    createNetworkFromJSON: create,
    createLoomNetwork: create,
    loadLoomNetwork: load,
    LoadModelFromString: load,
    /**
     * Write several networks into one file of Python's file system, which lasts as long as the page.
     * @param {string} filename
     * @param {Record<string, LoomNetwork>} models by the id that each shall have
     * @returns {string | undefined} what went wrong
     */
    SaveBundle: (filename, models) => attempt(() => void bundle(models).saveToFile(filename)),
    /** @param {string} filename @returns {import("../loom.js").LoomModelBundle | string} the message if it fails */
    LoadBundle: (filename) => attempt(() => loaded((b) => b.loadFromFile(filename))),
    /** @param {string} text @returns {import("../loom.js").LoomModelBundle | string} the message if it fails */
    LoadBundleFromString: (text) => attempt(() => loaded((b) => b.loadFromString(text))),
    /**
     * A network for `SetLayer`; until then each of its layers only applies an activation.
     * @param {number} inputSize
     * @param {number} [rows]
     * @param {number} [cols]
     * @param {number} [layersPerCell]
     */
    NewNetwork: (inputSize, rows = 1, cols = 1, layersPerCell = 1) => {
      return network((b) => {
        const sizes = { inputSize, rows, cols, layersPerCell };
        for (const [name, size] of Object.entries(sizes)) expectNumber(size, name);
        return b.new_network(json(Object.values(sizes), "sizes"));
      });
    },

    /**
     * A layer by the name of its function, for `SetLayer`.
     * @param {string} name such as `"InitDenseLayer"`
     * @param {string} params JSON array of its parameters
     * @returns {string} JSON of the layer, or a sentence that says what was wrong
     */
    CallLayerInit: (name, params = "[]") => layerInit(runtime, name, params),
    /** @returns {string} JSON of `[{Name, NumArgs, ArgTypes, ArgNames, Doc}]` */
    ListLayerInitFunctions: () => inPython(runtime, (b) => b.layer_init_functions()),

    /**
     * Counts right and wrong outputs in windows of time while tasks change.
     * @param {number} windowMs
     * @param {number} totalMs
     * @returns {import("../loom.js").LoomAdaptationTracker}
     */
    createAdaptationTracker: (windowMs, totalMs) => {
      expectNumber(windowMs, "windowMs");
      expectNumber(totalMs, "totalMs");
      return createObject(runtime, "AdaptationTracker", [windowMs, totalMs]);
    },
    /** Clustering, correlation, grafting and the other tools around a network. @returns {import("../loom.js").LoomToolbox} */
    createToolbox: () => createObject(runtime, "Toolbox", []),
    /**
     * An object of any shared class; throws typed errors.
     * @param {string} kind such as `"AdaptationComparison"`
     * @param {...unknown} args of its constructor
     */
    createLoomObject: (kind, ...args) => createObject(runtime, kind, args),

    /** The network created or loaded last, run on plain numbers. @param {import("./arguments.js").Numbers} values */
    forward: (values) => latest().forward(values),
    /** @param {Parameters<LoomNetwork["train"]>} args */
    train: (...args) => latest().train(...args),
    /** @param {Parameters<LoomNetwork["evaluate"]>} args */
    evaluate: (...args) => latest().evaluate(...args),
    /** @param {string} text what `SaveMetrics` gave, here or in Python @returns {EvaluationMetrics} */
    LoadMetrics: (text) => EvaluationMetrics.load(text),
    /** @param {string} id */
    saveModel: (id) => latest().saveModel(id),

    /** @param {Uint8Array} tokenizer bytes of tokenizer.json */
    LoadTokenizerFromBytes: (tokenizer) =>
      reply(() => {
        const file = reader("tokenizer.json", tokenizer);
        return inPython(runtime, (b) => b.load_tokenizer(file));
      }),
    /** @param {Uint8Array} config bytes of config.json @param {Uint8Array} weights bytes of model.safetensors */
    LoadTransformerFromBytes: (config, weights) =>
      reply(() => {
        /** @type {[BufferReader, BufferReader]} */
        const files = [reader("config.json", config), reader("model.safetensors", weights)];
        return inPython(runtime, (b) => b.load_transformer(...files));
      }),
    /** @param {string} text @param {boolean} [addSpecialTokens] @returns {Uint32Array | string} the error, as JSON */
    EncodeText: (text, addSpecialTokens = true) => {
      const result = reply(() => {
        expectText(text, "text");
        return inPython(runtime, (b) => b.encode_text(text, Boolean(addSpecialTokens)));
      });
      return result.startsWith("[") ? Uint32Array.from(JSON.parse(result)) : result;
    },
    /** @param {ArrayLike<number>} ids @param {boolean} [skipSpecialTokens] */
    DecodeTokens: (ids, skipSpecialTokens = true) =>
      reply(() => {
        const sequence = tokens(ids);
        return inPython(runtime, (b) => b.decode_tokens(sequence, Boolean(skipSpecialTokens)));
      }),
    /** @param {string} prompt @param {number} [maxTokens] @param {number} [temperature] */
    GenerateText: (prompt, maxTokens = 50, temperature = 0.7) =>
      reply(() => {
        expectText(prompt, "prompt");
        expectNumber(maxTokens, "maxTokens");
        expectNumber(temperature, "temperature");
        return inPython(runtime, (b) => b.generate_text(prompt, maxTokens, temperature));
      }),
    /** @param {ArrayLike<number>} ids the whole sequence so far @param {number} [temperature] @returns {number | string} */
    GenerateNextToken: (ids, temperature = 0.7) => {
      const result = reply(() => {
        const sequence = tokens(ids);
        expectNumber(temperature, "temperature");
        return inPython(runtime, (b) => b.generate_next_token(sequence, temperature));
      });
      return result.startsWith("{") ? result : Number(result);
    },
  };
}

/**
 * `InitDenseLayer(784, 392, 0)` and its siblings: one function per layer, named as in Python.
 * @param {Runtime} runtime
 */
function layerInitFunctions(runtime) {
  /** @type {{Name: string}[]} */
  const described = JSON.parse(inPython(runtime, (b) => b.layer_init_functions()));
  const entries = described.map(({ Name }) => [
    Name,
    (/** @type {unknown[]} */ ...args) => layerInit(runtime, Name, args),
  ]);
  return Object.fromEntries(entries);
}

/**
 * @param {Runtime} runtime
 * @param {unknown} name
 * @param {unknown} params a JSON array, or the array itself
 * @returns {string}
 */
function layerInit(runtime, name, params) {
  try {
    const text = Array.isArray(params) ? json(params, "parameters") : params;
    expectText(text, "params");
    expectText(name, "name");
    return inPython(runtime, (b) => b.layer_init(name, text));
  } catch (error) {
    return explain(error);
  }
}

/**
 * @param {string} name
 * @param {unknown} bytes
 */
function reader(name, bytes) {
  if (!(bytes instanceof Uint8Array)) throw new InputError(mismatch("a Uint8Array", bytes), { where: name });
  return new BufferReader(name, bytes);
}

/** @param {unknown} ids */
function tokens(ids) {
  if (!Array.isArray(ids) && !ArrayBuffer.isView(ids))
    throw new InputError(mismatch("an array of token ids", ids), { where: "ids" });
  return json(ids, "ids");
}
