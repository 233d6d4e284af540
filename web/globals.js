/**
 * The original's global functions and network objects: synchronous, on this thread, JSON in and JSON out.
 *
 * A method takes its parameters as one JSON array string. It returns an array with the JSON text of each result (a
 * string result as it is), and that array prints as a JSON array itself, so both styles work:
 *
 *     const [output] = network.ForwardCPU(JSON.stringify([input]));        JSON.parse(output)
 *     const output = JSON.parse(network.ForwardCPU(JSON.stringify([input])))[0];
 *
 * A wrong call returns a plain string that says why. A method with one result that fails returns `[null, message]`.
 */

import { boot, inPython } from "./boot.js";
import { InputError, explain } from "./errors.js";
import { BufferReader } from "./files.js";

/** @typedef {import("./boot.js").Runtime} Runtime */
/** @typedef {Record<string, (args?: string) => Results | string>} LoomNetwork */

/** Results of one call. */
export class Results extends Array {
  /** @type {boolean[]} */
  #strings;

  /** Derived arrays (`map`, `slice`) are plain ones. */
  static get [Symbol.species]() {
    return Array;
  }

  /**
   * @param {(string | null)[]} values
   * @param {boolean[]} [strings] which of them are string results, not JSON text
   */
  constructor(values, strings = values.map(() => true)) {
    super();
    this.push(...values);
    this.#strings = strings;
  }

  /** All results as one JSON array. @override */
  toString() {
    const parts = Array.from(this, (value, i) => (this.#strings[i] ? JSON.stringify(value) : value));
    return `[${parts.join(",")}]`;
  }
}

/**
 * Start Python on this thread and install the globals.
 * @param {{baseURL?: string | URL, onProgress?: import("./boot.js").OnProgress, target?: object}} [options] `target`: where they go, by default `globalThis`
 * @returns {Promise<ReturnType<typeof makeGlobals>>}
 */
export async function initLoom({ target = globalThis, ...options } = {}) {
  const runtime = await boot(options);
  const globals = makeGlobals(runtime);
  return Object.assign(target, globals) && globals;
}

/** @param {Runtime} runtime */
function makeGlobals(runtime) {
  /** @type {{method_name: string}[]} */
  const described = JSON.parse(inPython(runtime, (b) => b.methods()));
  const names = described.map((method) => method.method_name);
  // Networks have no `dispose` in the original: Python's side goes when the object does.
  const collected = new FinalizationRegistry((/** @type {number} */ handle) => runtime.bridge.release(handle));

  /** @param {(bridge: any) => number} make @returns {LoomNetwork | string} the message if it fails */
  const network = (make) => {
    try {
      const handle = inPython(runtime, make);
      /** @type {LoomNetwork} */
      const object = {};
      for (const name of names) object[name] = (args) => invoke(runtime, handle, name, args);
      collected.register(object, handle);
      return object;
    } catch (error) {
      return explain(error);
    }
  };

  const create = (/** @type {unknown} */ config) =>
    typeof config === "string" ? network((b) => b.create_network(config)) : expected("a string", config);
  const load = (/** @type {unknown} */ text, /** @type {unknown} */ id) => {
    if (typeof text !== "string") return expected("a string", text);
    return typeof id === "string" ? network((b) => b.load_network(text, id)) : expected("a model id", id);
  };

  /**
   * @param {(bridge: any, ...readers: BufferReader[]) => string} work
   * @param {[string, Uint8Array][]} files
   */
  const reply = (work, ...files) => {
    try {
      const readers = files.map(([name, bytes]) => reader(name, bytes));
      return inPython(runtime, (b) => work(b, ...readers));
    } catch (error) {
      return JSON.stringify({ success: false, error: explain(error) });
    }
  };

  return {
    createNetworkFromJSON: create,
    createLoomNetwork: create,
    loadLoomNetwork: load,
    LoadModelFromString: load,

    /** @param {Uint8Array} tokenizer bytes of tokenizer.json */
    LoadTokenizerFromBytes: (tokenizer) => reply((b, file) => b.load_tokenizer(file), ["tokenizer.json", tokenizer]),
    /** @param {Uint8Array} config bytes of config.json @param {Uint8Array} weights bytes of model.safetensors */
    LoadTransformerFromBytes: (config, weights) =>
      reply((b, ...files) => b.load_transformer(...files), ["config.json", config], ["model.safetensors", weights]),
    /** @param {string} text @param {boolean} [addSpecialTokens] @returns {Uint32Array | string} the error, as JSON */
    EncodeText: (text, addSpecialTokens = true) => {
      const result = reply((b) => b.encode_text(String(text), addSpecialTokens));
      return result.startsWith("[") ? Uint32Array.from(JSON.parse(result)) : result;
    },
    /** @param {ArrayLike<number>} ids @param {boolean} [skipSpecialTokens] */
    DecodeTokens: (ids, skipSpecialTokens = true) =>
      reply((b) => b.decode_tokens(JSON.stringify(Array.from(ids)), skipSpecialTokens)),
    /** @param {string} prompt @param {number} [maxTokens] @param {number} [temperature] */
    GenerateText: (prompt, maxTokens = 50, temperature = 0.7) =>
      reply((b) => b.generate_text(String(prompt), maxTokens, temperature)),
    /** @param {ArrayLike<number>} ids the whole sequence so far @param {number} [temperature] @returns {number | string} */
    GenerateNextToken: (ids, temperature = 0.7) => {
      const result = reply((b) => b.generate_next_token(JSON.stringify(Array.from(ids)), temperature));
      return result.startsWith("{") ? result : Number(result);
    },
  };
}

/**
 * @param {Runtime} runtime
 * @param {number} handle
 * @param {string} name
 * @param {unknown} args
 * @returns {Results | string}
 */
function invoke(runtime, handle, name, args = "[]") {
  if (typeof args !== "string") return `Invalid JSON input: expected a JSON array string, got ${typeof args}`;
  try {
    const { error, values, strings } = JSON.parse(inPython(runtime, (b) => b.call(handle, name, args)));
    return error ?? new Results(values, strings);
  } catch (error) {
    return explain(error);
  }
}

/**
 * @param {string} name
 * @param {Uint8Array} bytes
 */
function reader(name, bytes) {
  if (!(bytes instanceof Uint8Array)) throw new InputError(expected("a Uint8Array", bytes), { where: name });
  return new BufferReader(name, bytes);
}

/**
 * @param {string} what
 * @param {unknown} value
 */
function expected(what, value) {
  return `expected ${what}, got ${value === null ? "null" : typeof value}`;
}
