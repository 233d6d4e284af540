/** llama.cpp in WebAssembly, by token ids, with its own clock (which leaves out the messages between worker and page). */

import { LoggerWithoutDebug, Wllama } from "/rivals/@wllama/wllama/esm/index.js";
import { promptOf } from "./work.js";

const CONTEXT = 2048;
/** @type {import("./work.js").Prompt} */
const WARM = { text: "0 1 2 3 4 5 6 7", ids: Array(15) };

/** @param {{url: string, threads: number}} options */
export async function open({ url, threads }) {
  const quiet = { ...LoggerWithoutDebug, log() {}, warn() {} };
  const paths = { default: "/rivals/@wllama/wllama/esm/wasm/wllama.wasm" };
  const engine = new Wllama(paths, { suppressNativeLog: true, logger: quiet });
  const file = await (await fetch(url)).blob();
  await engine.loadModel([file], { n_ctx: CONTEXT, n_threads: threads, n_gpu_layers: 0, n_parallel: 1 });
  if (engine.getNumThreads() !== threads) throw new Error(`${engine.getNumThreads()} threads instead of ${threads}`);

  // It takes only text. Its clock starts after its tokenizer; the number of ids shows that they are the same.
  /** @param {import("./work.js").Prompt} prompt @param {number} tokens @param {boolean} reuse */
  const complete = async ({ text: prompt, ids }, tokens, reuse) => {
    const result = await engine.createCompletion({
      prompt,
      max_tokens: tokens,
      temperature: 0,
      top_k: 1,
      ignore_eos: true,
      cache_prompt: reuse,
    });
    const { timings, usage, choices } = result;
    if (usage.prompt_tokens !== ids.length) throw new Error(`${usage.prompt_tokens} tokens instead of ${ids.length}`);
    if (timings.predicted_n !== tokens) throw new Error(`made ${timings.predicted_n} tokens of ${tokens}`);
    return { read: timings.prompt_n, prompt: timings.prompt_ms, decode: timings.predicted_ms, text: choices[0].text };
  };

  return {
    /** @param {import("./work.js").Language} work */
    async prepare(work) {
      await complete(work.context ?? WARM, 2, Boolean(work.context));
      return {};
    },
    /** @param {import("./work.js").Language} work @param {number} round */
    async run(work, round) {
      const prompt = promptOf(work, round);
      const { read, prompt: ms, decode, text } = await complete(prompt, work.decode + 1, Boolean(work.context));
      if (!work.context && read !== prompt.ids.length)
        throw new Error(`only ${read} of ${prompt.ids.length} tokens were computed`);
      const { prefill, decode: decoding } = work.names;
      return {
        ...(prefill && { [prefill]: { ms: ms / prompt.ids.length } }),
        ...(decoding && { [decoding]: { ms: decode / work.decode, text } }), // its clock starts with the first token
      };
    },
  };
}
