/**
 * A network in the original's calling form: synchronous, on this thread, JSON in and JSON out.
 *
 * A method takes its parameters as one JSON array string. It returns an array with the JSON text of each result (a
 * string result as it is), and that array prints as a JSON array itself, so both styles work:
 *
 *     const [output] = network.ForwardCPU(JSON.stringify([input]));        JSON.parse(output)
 *     const output = JSON.parse(network.ForwardCPU(JSON.stringify([input])))[0];
 *
 * A list of records is returned as that many results. A method of one string also takes the bare string, and then returns
 * its bare result: `if (network.HasMethod("Train"))`.
 *
 * A wrong call returns a plain string that says why. A method with one result that fails returns `[null, message]`.
 */

import { inPython } from "../engine/python.js";
import {
  batchList,
  expectBoolean,
  expectText,
  flat,
  list,
  numberList,
  record,
  rows,
  stepArguments,
} from "./arguments.js";
import { json } from "./json.js";
import { LoomObject, createObject, members } from "./loom_object.js";

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
   * @param {import("./arguments.js").Numbers} values
   * @returns {Float32Array}
   */
  forward(values) {
    const input = rows(values, "input");
    return inPython(this.#runtime, (b) => b.forward(this.#handle, input));
  }

  /**
   * @param {Iterable<import("./network.js").Batch>} batches
   * @param {object | null} [config] as for `Train`: `{Epochs, LearningRate, GradientClip, LossType, …}`
   * @returns {import("./network.js").TrainResult}
   */
  train(batches, config) {
    const options = record(config, "config", { nulls: true });
    json(options, "config"); // for an error that names the option
    return this.call("Train", batchList(batches), options);
  }

  /**
   * @param {Iterable<ArrayLike<number>>} inputs
   * @param {ArrayLike<number>} expected
   * @returns {import("./network.js").Metrics}
   */
  evaluate(inputs, expected) {
    const samples = Array.from(list(inputs, "inputs"), (input, i) => flat(input, `inputs[${i}]`));
    return this.call("EvaluateNetwork", samples, numberList(expected, "expected"));
  }

  /** @param {string} id name of the model in the bundle @returns {string} bundle text for `loadLoomNetwork` */
  saveModel(id) {
    expectText(id, "id");
    return this.call("SaveModelToString", id);
  }

  /**
   * All layers at once, tick by tick.
   * @param {number} [inputSize] values per sample; most networks know it
   * @param {{batch?: number, recurrent?: "layer" | "carry" | "reset"}} [options]
   * @returns {any}
   */
  createStepState(inputSize, options) {
    return createObject(this.#runtime, "StepState", [this, ...stepArguments(inputSize, options)]);
  }

  /**
   * Neural tweening of this network.
   * @param {boolean} [useChainRule] or the legacy rule, as in the original
   */
  createTweenState(useChainRule = false) {
    expectBoolean(useChainRule, "useChainRule");
    return createObject(this.#runtime, "NetworkTween", [this, useChainRule]);
  }

  /** @override */
  dispose() {
    super.dispose();
    this.#handle = 0;
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
