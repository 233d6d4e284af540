/** A network that lives in Python: run, trained, evaluated, stepped, watched. */

import { RemoteObject, createRemote, setBase } from "./remote_object.js";

/** @typedef {ArrayLike<number>} Numbers */
/** @typedef {{input: Numbers, target: Numbers}} Batch */
/** @typedef {{epochs?: number, learningRate?: number, gradientClip?: number, lossType?: string, verbose?: boolean}} TrainOptions */
/** @typedef {{status: "train", epoch: number, epochs: number, loss: number, losses: number[]}} TrainProgress */
/** @typedef {{FinalLoss: number, BestLoss: number, TotalTime: number, AvgThroughput: number, LossHistory: number[]}} TrainResult */
/** @typedef {{score: number, avg_deviation: number, total_samples: number, failures: number, buckets: Record<string, {count: number, samples: number[]}>, results: object[]}} Metrics */

/** A network in Python; its other reflected methods are added by name. */
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
   * @param {number} [inputSize] values per sample; most networks know it
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
   * Watch the layers work, whatever runs them, until the signal aborts: one typed array per picture, with the root mean
   * square of each layer's last output, and after them those of the gradients. Pictures are sent while long work
   * runs, at most one every `interval` milliseconds, and only when something ran.
   * @param {(activity: Float32Array) => void} onActivity
   * @param {{signal?: AbortSignal, interval?: number}} [options]
   * @returns {Promise<void>}
   */
  watch(onActivity, { signal, interval = 16 } = {}) {
    return this.engine.call("watch", { handle: this.handle, interval }, { onEvent: onActivity, signal });
  }
}

setBase("Network", Network);
