/** The measuring side of `loom.js`: LOOM's own engine, without the messages between worker and page. */

import { boot } from "/loom.js";
import { Engine } from "/engine/engine.js";
import { fetchData, matrices, timed, weigh } from "./contestant.js";
import { promptOf, timeEmbedding } from "./work.js";

/** @typedef {import("/engine/requests.js").Params<"start">} StartParams */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {import("./work.js").Training} Training */
/** @typedef {{start: StartParams, model?: string, embedder?: string}} Options */

const engine = new Engine();
/** @type {any} */
let python;
/** Handle of the language model. */
let model = 0;
/** @type {Options} */
let options;
/** @type {import("./contestant.js").Data["batches"]} */
let batches;
/** Address of the data that `network` trains on. */
let dataURL = "";
/** Handle of the network that trains. */
let network = 0;

/** @param {Options} chosen */
async function open(chosen) {
  options = chosen;
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
  if (options.embedder) {
    const { models } = await (await fetch("/models/index.json")).json();
    const { name, files } = models.find((/** @type {{name: string}} */ { name }) => name === options.embedder);
    const paths = files.map((/** @type {{name: string}} */ file) => file.name);
    const blobs = await Promise.all(
      paths.map(async (/** @type {string} */ path) => {
        const blob = await (await fetch(`/models/${name}/${path}`)).blob();
        return new File([blob], path);
      }),
    );
    model = (await engine.call("loadModel", { files: blobs, paths })).handle;
  }
  return facts;
}

/** The device that did the work, as LOOM reports it. @param {number} handle */
async function deviceOf(handle) {
  const answer = await engine.call("call", { handle, method: "GetDevice", args: "[]" });
  const reported = typeof answer === "object" && answer && "device" in answer;
  return reported ? answer : { device: "unknown", reason: JSON.stringify(answer) };
}

/** @param {Training} work @param {number} epochs */
async function train({ loss, learningRate, clip, seed }, epochs) {
  await engine.call("call", { handle: network, method: "InitializeWeights", args: `[${seed}]` });
  const config = JSON.stringify({ epochs, learningRate, lossType: loss, ...(clip && { gradientClip: clip }) });
  const samples = batches.map(([x, t]) => ({ input: x.data, target: t.data }));
  let check = NaN;
  const ms = await timed(async () => {
    ({ FinalLoss: check } = await engine.call("train", { handle: network, batches: samples, config }));
  });
  return { ms, check };
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
  const completion = [];
  const onEvent = (/** @type {import("/engine/requests.js").GenerationEvent} */ event) => {
    if (event.status !== "token") return;
    times.push(performance.now());
    completion.push(event.id);
  };
  const greedy = JSON.stringify({ maxTokens: tokens, temperature: 0 });
  const start = performance.now();
  await engine.call("complete", { handle: model, prompt: JSON.stringify(ids), options: greedy }, { onEvent });
  if (times.length !== tokens) throw new Error(`made ${times.length} tokens of ${tokens}`);
  const [first = NaN, last = NaN] = [times[0], times.at(-1)];
  return { prompt: first - start, decode: last - first, ids: completion };
}

/** All vectors, one behind another. @param {string[]} texts */
async function embed(texts) {
  const { vectors } = await engine.call("embed", { handle: model, texts: JSON.stringify(texts) });
  return vectors;
}

const METHODS = {
  open,

  /** @param {Work} work */
  async prepare(work) {
    if (work.kind === "embedding") {
      await embed(work.texts.slice(0, 100));
      return JSON.parse(python.pyimport("loom_measure").device_of_model(model));
    }
    if (work.kind === "language") {
      await complete(work.context?.ids ?? promptOf(work, 0).ids.slice(0, 16), 2);
      return JSON.parse(python.pyimport("loom_measure").device_of_model(model));
    }
    if (work.kind === "train") {
      if (dataURL !== work.data) {
        ({ batches } = await fetchData(work.data));
        dataURL = work.data;
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

  /** @param {Work} work @param {number} round @returns {Promise<Record<string, import("./contestant.js").Result>>} */
  async run(work, round) {
    if (work.kind === "embedding") return { [work.name]: await timeEmbedding(work, embed) };
    if (work.kind === "language") {
      const prompt = promptOf(work, round).ids;
      const { prompt: ms, decode, ids } = await complete(prompt, work.decode + 1);
      const { prefill, decode: decoding } = work.names;
      return {
        ...(prefill && { [prefill]: { ms: ms / prompt.length } }),
        ...(decoding && { [decoding]: { ms: decode / work.decode, ids } }),
      };
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

/** @param {MessageEvent<{method: keyof typeof METHODS, args: [any, any]}>} message */
globalThis.onmessage = async ({ data: { method, args } }) => {
  try {
    postMessage({ value: await METHODS[method](...args) });
  } catch (error) {
    postMessage({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
  }
};
