/** transformers.js (ONNX Runtime in WebAssembly) with float32 weights, in batches of the size that suits it best. */

import { env, pipeline } from "/rivals/@huggingface/transformers/dist/transformers.min.js";
import { timed } from "./contestant.js";
import { timeEmbedding } from "./work.js";

const BATCHES = [1, 8, 32];
/** Texts that each size of batch is tried on. */
const TRIED = 32;

/** @param {{model: string, threads: number}} options */
export async function open({ model, threads }) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = "/bench/models/";
  env.useBrowserCache = false;
  const { wasm } = env.backends.onnx;
  wasm.wasmPaths = new URL("/rivals/onnxruntime-web/dist/", location.href).href;
  wasm.numThreads = threads;
  const extract = await pipeline("feature-extraction", model, { dtype: "fp32", device: "wasm" });
  let batch = 1;

  /** @param {string[]} texts @returns {Promise<Float32Array>} one vector behind another */
  async function embed(texts) {
    /** @type {Float32Array[]} */
    const parts = [];
    for (let i = 0; i < texts.length; i += batch) {
      const part = await extract(texts.slice(i, i + batch), { pooling: "mean", normalize: true });
      parts.push(Float32Array.from(part.data));
      part.dispose();
    }
    const vectors = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      vectors.set(part, at);
      at += part.length;
    }
    return vectors;
  }

  return {
    /** Choose the size of batches, and be warm. @param {import("./work.js").Embedding} work */
    async prepare({ texts }) {
      const some = texts.slice(0, TRIED);
      let best = Infinity;
      let chosen = 1;
      await embed(some.slice(0, 8));
      for (batch of BATCHES) {
        const ms = await timed(() => embed(some));
        if (ms < best) [best, chosen] = [ms, batch];
      }
      batch = chosen;
      return { batch };
    },
    /** @param {import("./work.js").Embedding} work */
    run: async (work) => ({ [work.name]: await timeEmbedding(work, embed) }),
  };
}
