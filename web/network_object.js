/**
 * A network in the original's calling form: synchronous, on this thread, JSON in and JSON out.
 *
 * A method takes its parameters as one JSON array string. It returns an array with the JSON text of each result (a
 * string result as it is), and that array prints as a JSON array itself, so both styles work:
 *
 *     const [output] = network.ForwardCPU(JSON.stringify([input]));        JSON.parse(output)
 *     const output = JSON.parse(network.ForwardCPU(JSON.stringify([input])))[0];
 *
 * A list of records is given as that many results. A method of one string also takes the bare string, and then gives
 * its bare result: `if (network.HasMethod("Train"))`.
 *
 * A wrong call returns a plain string that says why. A method with one result that fails returns `[null, message]`.
 */

import { inPython } from "./boot.js";
import { InputError, explain } from "./errors.js";

/** @typedef {import("./boot.js").Runtime} Runtime */

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

/** Has a property for every reflected method; the members below are short forms that take and give plain values. */
export class LoomNetwork {
  /** @type {Runtime} */
  #runtime;
  #handle;

  /**
   * @param {Runtime} runtime
   * @param {number} handle
   * @param {string[]} names of the reflected methods
   */
  constructor(runtime, handle, names) {
    this.#runtime = runtime;
    this.#handle = handle;
    const methods = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (this));
    for (const name of names) methods[name] = (/** @type {unknown} */ args) => invoke(runtime, this.#handle, name, args);
  }

  /**
   * Run all layers. Throws an `InputError` for anything but a multiple of the input size of numbers.
   * @param {ArrayLike<number>} values
   * @returns {Float32Array}
   */
  forward(values) {
    const input = floats(values, "input");
    return inPython(this.#runtime, (b) => b.forward(this.#handle, input));
  }

  /**
   * @param {Iterable<{Input: ArrayLike<number>, Target: ArrayLike<number>}>} batches
   * @param {object} [config] as for `Train`: `{Epochs, LearningRate, GradientClip, LossType, …}`
   * @returns {import("./session.js").TrainResult}
   */
  train(batches, config = {}) {
    return this.#values("Train", [list(batches, "batches"), config]);
  }

  /**
   * @param {Iterable<ArrayLike<number>>} inputs
   * @param {ArrayLike<number>} expected
   * @returns {import("./session.js").Metrics}
   */
  evaluate(inputs, expected) {
    return this.#values("EvaluateNetwork", [list(inputs, "inputs"), expected]);
  }

  /** @param {string} id name of the model in the bundle @returns {string} bundle text for `loadLoomNetwork` */
  saveModel(id) {
    return this.#values("SaveModelToString", [id]);
  }

  /** Give the memory back now; otherwise it goes when this object does. Any later use is an error. */
  dispose() {
    const handle = this.#handle;
    this.#handle = 0;
    if (handle) inPython(this.#runtime, (b) => b.release(handle));
  }

  /** @param {string} method @param {unknown[]} args */
  #values(method, args) {
    const text = json(args);
    return JSON.parse(inPython(this.#runtime, (b) => b.call_values(this.#handle, method, text)));
  }
}

if (Symbol.dispose) {
  Object.defineProperty(LoomNetwork.prototype, Symbol.dispose, { value: LoomNetwork.prototype.dispose });
}

/**
 * @param {Runtime} runtime
 * @param {number} handle
 * @param {string} name
 * @param {unknown} args
 * @returns {Results | string | boolean | number | null}
 */
function invoke(runtime, handle, name, args = "[]") {
  if (typeof args !== "string") return `Invalid JSON input: expected a JSON array string, got ${kind(args)}`;
  try {
    const { error, values, strings, bare } = JSON.parse(inPython(runtime, (b) => b.call(handle, name, args)));
    if (error !== undefined) return error;
    return bare ? (strings[0] ? values[0] : JSON.parse(values[0])) : new Results(values, strings);
  } catch (error) {
    return explain(error);
  }
}

/**
 * JSON text of plain values and typed arrays. Throws an `InputError` for what JSON cannot hold.
 * @param {unknown} value
 */
export function json(value) {
  try {
    return JSON.stringify(value, (_, item) => (ArrayBuffer.isView(item) ? Array.from(/** @type {any} */ (item)) : item));
  } catch (cause) {
    throw new InputError("expected plain values: numbers, strings, arrays, objects", { cause });
  }
}

/**
 * Numbers as a `Float32Array`, without a copy if they are one.
 * @param {unknown} values
 * @param {string} where
 * @returns {Float32Array}
 */
export function floats(values, where) {
  if (values instanceof Float32Array) return values;
  const items = Array.isArray(values) ? values.flat(8) : values;
  const typed = ArrayBuffer.isView(items) && !(items instanceof DataView) && !/^Big/.test(items.constructor.name);
  if (typed) return Float32Array.from(/** @type {any} */ (items));
  if (!Array.isArray(items)) throw new InputError(mismatch("an array of numbers", values), { where });
  const odd = items.findIndex((item) => typeof item !== "number");
  if (odd >= 0) throw new InputError(mismatch("a number", items[odd]), { where: `${where}[${odd}]` });
  return Float32Array.from(items);
}

/**
 * @param {any} values
 * @param {string} where
 * @returns {unknown[]}
 */
function list(values, where) {
  if (Array.isArray(values)) return values;
  if (typeof values !== "object" || !values?.[Symbol.iterator]) throw new InputError(mismatch("an array", values), { where });
  return [...values];
}

/**
 * @param {string} what
 * @param {unknown} value
 */
export function mismatch(what, value) {
  return `expected ${what}, got ${kind(value)}`;
}

/** @param {unknown} value */
function kind(value) {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}
