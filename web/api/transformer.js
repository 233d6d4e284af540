/** The original's transformer object: one current tokenizer and model on this thread, text streamed. */

import { boot } from "../engine/boot.js";
import { inPython } from "../engine/python.js";
import { runTask, yieldToEvents } from "../engine/slices.js";
import { DownloadError, InputError } from "../errors.js";
import { BufferReader } from "../storage/readers.js";
import { control, expectNumber, expectText } from "./arguments.js";

/** @typedef {import("../engine/boot.js").Runtime} Runtime */
/** @typedef {Uint8Array | ArrayBuffer | Blob | URL | string} Data bytes, a file, or the address of one */
/** @typedef {{signal?: AbortSignal, onProgress?: (progress: {status: string, file?: string, loaded: number, total: number}) => void}} Control */

/** @returns {Promise<TransformerAPI>} */
export async function createTransformerAPI() {
  return new TransformerAPI(await boot());
}

/** Its tokenizer and model are those of `LoadTokenizerFromBytes` and the other globals. */
export class TransformerAPI {
  /** @type {Runtime} */
  #runtime;

  /** @param {Runtime} runtime */
  constructor(runtime) {
    this.#runtime = runtime;
  }

  /**
   * @param {Data} tokenizer tokenizer.json
   * @returns {Promise<{success: true, vocab_size: number, message: string}>}
   */
  async loadTokenizer(tokenizer) {
    const file = await reader("tokenizer.json", tokenizer);
    return JSON.parse(inPython(this.#runtime, (b) => b.load_tokenizer(file)));
  }

  /**
   * Load tensor by tensor, with the page responsive in between.
   * @param {Data} config config.json
   * @param {Data} weights model.safetensors
   * @param {Control} [options]
   * @returns {Promise<{success: true, vocab_size: number, hidden_size: number, num_layers: number, embeddings_size: number, message: string}>}
   */
  async loadModel(config, weights, options) {
    const { signal, onProgress } = control(options, "options");
    /** @type {[BufferReader, BufferReader]} */
    const files = [await reader("config.json", config), await reader("model.safetensors", weights)];
    try {
      const task = inPython(this.#runtime, (b) => b.load_transformer_start(...files));
      const onEvents = (/** @type {{file: string, loaded: number, total: number}[]} */ events) => {
        const last = events.at(-1);
        if (last) onProgress?.({ status: "load", ...last });
      };
      return await runTask(this.#runtime, task, { signal, onEvents });
    } finally {
      for (const file of files) file.release();
    }
  }

  /**
   * Continue a text; leaving the loop stops the work.
   * @param {string} prompt
   * @param {number} [maxTokens]
   * @param {number} [temperature] 0 takes the likeliest token each time
   * @param {Control} [options]
   * @returns {AsyncGenerator<string, void, void>}
   */
  async *generateStream(prompt, maxTokens = 50, temperature = 0.7, options) {
    const { signal, onProgress } = control(options, "options");
    expectText(prompt, "prompt");
    expectNumber(maxTokens, "maxTokens");
    expectNumber(temperature, "temperature");
    signal?.throwIfAborted();
    const task = inPython(this.#runtime, (b) => b.generate_start(prompt, maxTokens, temperature));
    try {
      for (;;) {
        const { done, events } = JSON.parse(inPython(this.#runtime, (b) => b.task_advance(task, 0)));
        for (const { text, ...progress } of events) {
          if (text === undefined) onProgress?.({ status: "prefill", ...progress });
          else if (text) yield text;
        }
        if (done) return;
        await yieldToEvents();
        signal?.throwIfAborted();
      }
    } finally {
      inPython(this.#runtime, (b) => b.task_close(task));
    }
  }

  /**
   * The continuation in one piece.
   * @param {string} prompt
   * @param {number} [maxTokens]
   * @param {number} [temperature]
   * @param {Control} [options]
   */
  async generate(prompt, maxTokens, temperature, options) {
    let text = "";
    for await (const piece of this.generateStream(prompt, maxTokens, temperature, options)) text += piece;
    return text;
  }
}

/**
 * @param {string} name
 * @param {Data} data
 */
async function reader(name, data) {
  if (data instanceof Uint8Array || data instanceof ArrayBuffer) return new BufferReader(name, data);
  if (data instanceof Blob) return new BufferReader(name, await data.arrayBuffer());
  if (typeof data !== "string" && !(data instanceof URL))
    throw new InputError("expected bytes, a file or a URL", { where: name });
  const response = await fetch(data);
  if (!response.ok)
    throw new DownloadError(`the file could not be fetched (status ${response.status})`, {
      where: String(data),
      remedy: "Check the address.",
    });
  return new BufferReader(name, await response.arrayBuffer());
}
