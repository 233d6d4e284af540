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

import { inPython } from "../engine/python.js";
import { LoomObject, createObject, members } from "./loom_object.js";
import { floats, list } from "./values.js";

/** @typedef {import("../engine/boot.js").Runtime} Runtime */

/**
 * Has a property for every reflected method, and the same on plain values by its name in small letters; the members below
 * are short forms.
 */
export class LoomNetwork extends LoomObject {
  /** @type {Runtime} */
  #runtime;
  #handle;

  /**
   * @param {Runtime} runtime
   * @param {number} handle
   * @param {string} kind
   */
  constructor(runtime, handle, kind = "Network") {
    super(runtime, handle, kind);
    this.#runtime = runtime;
    this.#handle = handle;
    const methods = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (this));
    for (const name of names(runtime)) methods[name] = (/** @type {unknown} */ args) => this.invoke(name, args);
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
   * @returns {import("./network.js").TrainResult}
   */
  train(batches, config = {}) {
    return this.#values("Train", [list(batches, "batches"), config]);
  }

  /**
   * @param {Iterable<ArrayLike<number>>} inputs
   * @param {ArrayLike<number>} expected
   * @returns {import("./network.js").Metrics}
   */
  evaluate(inputs, expected) {
    return this.#values("EvaluateNetwork", [list(inputs, "inputs"), expected]);
  }

  /** @param {string} id name of the model in the bundle @returns {string} bundle text for `loadLoomNetwork` */
  saveModel(id) {
    return this.#values("SaveModelToString", [id]);
  }

  /**
   * All layers at once, tick by tick.
   * @param {number} [inputSize] values per sample; most networks know it
   * @param {{batch?: number, recurrent?: "layer" | "carry" | "reset"}} [options]
   * @returns {any}
   */
  createStepState(inputSize, { batch, recurrent } = {}) {
    return createObject(this.#runtime, "StepState", [this, inputSize, batch ?? 1, recurrent ?? "layer"]);
  }

  /**
   * Neural tweening of this network.
   * @param {boolean} [useChainRule] or the legacy rule, as in the original
   */
  createTweenState(useChainRule = false) {
    return createObject(this.#runtime, "NetworkTween", [this, useChainRule]);
  }

  /** @override */
  dispose() {
    super.dispose();
    this.#handle = 0;
  }

  /** @param {string} method @param {unknown[]} args */
  #values(method, args) {
    return this.call(method, ...args);
  }
}

/** @type {WeakMap<Runtime, string[]>} */
const methodNames = new WeakMap();

/** Names of a network's reflected methods. @param {Runtime} runtime @returns {string[]} */
function names(runtime) {
  const names = methodNames.get(runtime) ?? members(runtime, "Network").map(([name]) => name);
  methodNames.set(runtime, names);
  return names;
}
