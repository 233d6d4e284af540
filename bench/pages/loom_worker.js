/** The measuring side of `loom.js`: LOOM's own engine, the product's path but for the way between worker and page. */

import { boot } from "/loom.js";
import { Engine } from "/engine/engine.js";
import { arrays, json, matrices, timed, weigh } from "./contestant.js";

const engine = new Engine();
/** @type {any} */
let python;
/** Handle of the language model. */
let model = 0;
/** @type {{start: any, model?: string}} */
let options;
/** @type {any} */
let data;
let file = "";
/** Handle of the network that trains. */
let network = 0;

/** @param {{start: any, model?: string}} given */
async function open(given) {
  options = given;
  const baseURL = new URL("/", location.href).href;
  const facts = await engine.call("start", { baseURL, ...options.start });
  const { pyodide } = await boot();
  python = pyodide;
  python.FS.writeFile("loom_measure.py", await (await fetch(new URL("loom_measure.py", import.meta.url))).text());
  if (options.model) {
    const blob = await (await fetch(options.model)).blob();
    const name = /** @type {string} */ (options.model.split("/").pop());
    const loaded = await engine.call("loadModel", { files: [new File([blob], name)] });
    model = loaded.handle;
    python.pyimport("loom_measure").by_ids(model);
  }
  return facts;
}

/** The device that did the work, by LOOM's own word. @param {number} handle */
async function deviceOf(handle) {
  const found = await engine.call("call", { handle, method: "GetDevice", args: "[]" });
  return found?.device ? found : { device: "unknown", reason: JSON.stringify(found) };
}

/** @param {any} work @param {number} epochs */
async function train({ loss, learningRate, clip, seed }, epochs) {
  await engine.call("call", { handle: network, method: "InitializeWeights", args: `[${seed}]` });
  const config = JSON.stringify({ epochs, learningRate, lossType: loss, ...(clip && { gradientClip: clip }) });
  const batches = data.batches.map(([x, t]) => ({ input: x.data, target: t.data }));
  /** @type {any} */
  let result;
  const ms = await timed(async () => {
    result = await engine.call("train", { handle: network, batches, config });
  });
  return { ms, check: result.FinalLoss };
}

/**
 * @param {number[]} ids
 * @param {number} tokens
 * @returns {Promise<{prompt: number, decode: number, ids: number[]}>} milliseconds to the first token and from there to the last
 */
async function complete(ids, tokens) {
  /** @type {number[]} */
  const times = [];
  /** @type {number[]} */
  const made = [];
  const onEvent = (/** @type {any} */ event) => {
    if (event.status !== "token") return;
    times.push(performance.now());
    made.push(event.id);
  };
  const wishes = JSON.stringify({ maxTokens: tokens, temperature: 0 });
  const start = performance.now();
  await engine.call("complete", { handle: model, prompt: JSON.stringify(ids), options: wishes }, { onEvent });
  if (times.length !== tokens) throw new Error(`made ${times.length} tokens of ${tokens}`);
  return { prompt: times[0] - start, decode: /** @type {number} */ (times.at(-1)) - times[0], ids: made };
}

/** @type {Record<string, (...args: any[]) => Promise<any>>} */
const METHODS = {
  open,

  async prepare(work) {
    if (work.kind === "language") {
      await complete(work.context?.ids ?? work.prompts[0].ids.slice(0, 16), 2);
      return JSON.parse(python.pyimport("loom_measure").device_of_model(model));
    }
    if (work.kind === "train") {
      if (file !== work.data) {
        const raw = await json(work.data);
        data = { batches: raw.batches.map(arrays) };
        file = work.data;
        network = await engine.call("createNetwork", { config: JSON.stringify(work.network), seed: work.seed });
      }
      await train(work, Math.min(work.epochs, 10));
      return deviceOf(network);
    }
    const [a, b] = matrices(work.size);
    return JSON.parse(
      python.pyimport("loom_measure").prepare_product(a, b, work.size, work.units, options.start.device),
    );
  },

  async run(work, round) {
    if (work.kind === "language") {
      const prompt = (work.context ?? work.prompts[round % work.prompts.length]).ids;
      const { prompt: ms, decode, ids } = await complete(prompt, work.decode + 1);
      /** @type {Record<string, any>} */
      const found = {};
      if (work.names.prefill) found[work.names.prefill] = { ms: ms / prompt.length };
      if (work.names.decode) found[work.names.decode] = { ms: decode / work.decode, ids };
      return found;
    }
    if (work.kind === "train") {
      const { ms, check } = await train(work, work.epochs);
      return { [work.name]: { ms: ms / work.units, check } };
    }
    const measure = python.pyimport("loom_measure");
    const ms = await timed(async () => {
      const promise = measure.multiply(work.units);
      if (promise) await promise;
    });
    const { data: values, release } = view(measure.product());
    const check = weigh(values);
    release();
    return { [work.name]: { ms: ms / work.units, check } };
  },
};

/** A Python buffer as a Float32Array, until it is released. @param {any} proxy */
function view(proxy) {
  const buffer = proxy.getBuffer("f32");
  const release = () => {
    buffer.release();
    proxy.destroy();
  };
  return { data: buffer.data, release };
}

globalThis.onmessage = async ({ data: { method, args } }) => {
  try {
    postMessage({ value: await METHODS[method](...args) });
  } catch (error) {
    postMessage({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
  }
};
