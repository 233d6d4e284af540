/** A network that lives in Python: run, trained, evaluated, stepped, watched. */

import {
  batchList,
  control,
  expectBoolean,
  expectFunction,
  expectNumber,
  expectText,
  flat,
  list,
  numberList,
  record,
  rows,
  stepArguments,
} from "./arguments.js";
import { json } from "./json.js";
import { withMethods } from "./metrics.js";
import { unsaved } from "./unsaved_work.js";
import { RemoteObject, createRemote, setBase } from "./remote_object.js";

/** @typedef {import("./arguments.js").Numbers} Numbers */
/** One update's data: B·I numbers and B·O numbers, by either spelling. @typedef {{input: Numbers, target: Numbers} | {Input: Numbers, Target: Numbers}} Batch */
/** @typedef {{epochs?: number, learningRate?: number, gradientClip?: number, lossType?: string, verbose?: boolean}} TrainOptions */
/** @typedef {{status: "train", epoch: number, epochs: number, loss: number, losses: number[]}} TrainProgress */
/** @typedef {{FinalLoss: number, BestLoss: number, TotalTime: number, AvgThroughput: number, LossHistory: number[]}} TrainResult */
/** @typedef {import("./metrics.js").EvaluationMetrics} Metrics */

/** A network in Python; its other reflected methods are added by name. */
export class Network extends RemoteObject {
  /**
   * @param {Numbers} values B·I numbers, in a row or as a row for each sample
   * @returns {Promise<Float32Array>} B·O numbers
   */
  async forward(values) {
    return this.engine.call("forward", { handle: this.handle, input: rows(values, "input") });
  }

  /**
   * Train; an abort leaves the network as it was after the last whole update.
   * @param {Iterable<Batch>} batches
   * @param {TrainOptions | null} [options]
   * @param {{onProgress?: (progress: TrainProgress) => void, signal?: AbortSignal} | null} [observers]
   * @returns {Promise<TrainResult>}
   */
  async train(batches, options, observers) {
    const { onProgress, signal } = control(observers, "control");
    const config = json(record(options, "options", { nulls: true }), "options");
    const params = { handle: this.handle, batches: batchList(batches), config };
    return withMethods(await unsaved(this.engine.call("train", params, { onEvent: onProgress, signal })));
  }

  /**
   * @param {Iterable<Numbers>} inputs
   * @param {Numbers} expected per sample: the value, or the index of the largest output
   * @returns {Promise<Metrics>}
   */
  async evaluate(inputs, expected) {
    const samples = Array.from(list(inputs, "inputs"), (input, i) => flat(input, `inputs[${i}]`));
    const values = numberList(expected, "expected");
    return withMethods(await this.engine.call("evaluate", { handle: this.handle, inputs: samples, expected: values }));
  }

  /**
   * @param {string} id name of the model in the bundle
   * @returns {Promise<string>} bundle text for `loadNetwork`
   */
  async save(id) {
    expectText(id, "id");
    return this.call("SaveModelToString", id);
  }

  /**
   * All layers at once, tick by tick.
   * @param {number} [inputSize] values per sample; most networks know it
   * @param {{batch?: number, recurrent?: "layer" | "carry" | "reset"}} [options]
   */
  async createStepState(inputSize, options) {
    return createRemote(this.engine, "StepState", [this, ...stepArguments(inputSize, options)]);
  }

  /**
   * Neural tweening of this network.
   * @param {boolean} [useChainRule] or the legacy rule, as in the original
   */
  async createTweenState(useChainRule = false) {
    expectBoolean(useChainRule, "useChainRule");
    return createRemote(this.engine, "NetworkTween", [this, useChainRule]);
  }

  /**
   * Watch the layers, whatever runs them, until the signal aborts: one typed array per picture, with the root mean
   * square of each layer's last output, and after them those of the gradients. Pictures are sent while long work
   * runs, at most one every `interval` milliseconds, and only when something ran.
   * @param {(activity: Float32Array) => void} onActivity
   * @param {{signal?: AbortSignal, interval?: number}} [options]
   * @returns {Promise<void>}
   */
  async watch(onActivity, options) {
    expectFunction(onActivity, "onActivity");
    const { signal, interval = 16 } = control(options, "options", ["interval"]);
    expectNumber(interval, "options.interval", { minimum: 0 });
    return this.engine.call("watch", { handle: this.handle, interval }, { onEvent: onActivity, signal });
  }
}

setBase("Network", Network);
