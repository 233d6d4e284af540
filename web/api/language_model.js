/** A model that lives in Python: answers and continuations token by token, vectors of texts, words for gaps, labels. */

import { control, expectNumber, expectText, kind, mismatch } from "./arguments.js";
import { Handle } from "./handle.js";
import { json } from "./json.js";
import { InputError } from "../errors.js";

/** @typedef {import("../engine/progress.js").WorkOptions} WorkOptions */
/** @typedef {{onEvent: (event: import("../engine/requests.js").GenerationEvent) => void, signal: AbortSignal}} Observers */
/** @typedef {{role: string, content: string}} Message */
/**
 * How to generate; what is left out is the model's own default (`generation_config.json`), else greedy.
 * @typedef {object} GenerationOptions
 * @property {number} [maxTokens]
 * @property {number} [temperature] 0 takes the likeliest token each time
 * @property {number} [topK]
 * @property {number} [topP]
 * @property {number} [minP]
 * @property {number} [repetitionPenalty]
 * @property {number} [seed] drawn anew for each text if left out; the last piece reports it
 * @property {string[]} [stop]
 * @property {string} [template] the name of one of the model's chat templates (`facts.templates`)
 * @property {boolean} [parseSpecial] whether special tokens written out in the texts are those tokens; by default only in `complete`
 */
/** @typedef {{promptTokens: number, tokens: number, timeToFirstToken: number, tokensPerSecond: number}} Stats milliseconds; the rate counts from the first token on */
/** @typedef {{id: number, text: string, stats: Stats, done?: undefined} | {id?: undefined, text: "", stats: Stats, done: true, finishReason: string, seed: number}} Piece `seed` gives the same text again */

/**
 * The calls of one kernel on the same shapes.
 * @typedef {object} ProfileRow
 * @property {string} kernel
 * @property {string} shapes of operands and results
 * @property {number} calls
 * @property {number} ms milliseconds of all of them
 * @property {number} share of the sum of all rows, 0 … 1
 * @property {number} bytes read and written
 * @property {number} operations twice the multiply-adds of products of matrices
 * @property {number} gb_per_second
 * @property {number} gflops
 */
/** @typedef {{program: string, device: string, replay_ms: number, kernels_ms: number, rows: ProfileRow[], text: string}} Profile the slowest row first; `text` is a table */

/** A word for a gap: the whole `text` with it, and its probability. @typedef {{token_id: number, token: string, score: number, text: string}} Filling */
/** A label and its probability. @typedef {{label: string, score: number}} Label */

/** Halves of surrogate pairs that stand alone: a text was cut within a character. */
const HALVES = /[\ud800-\udfff]/gu;

/**
 * JSON text with U+FFFD for what `HALVES` finds, which JSON has as escapes.
 * @param {string} text
 */
const wholeCharacters = (text) =>
  text.replace(/\\(?:u(d[89a-f][0-9a-f]{2})|.)/g, (escape, half) => (half ? "\\ufffd" : escape));

/**
 * A model in Python. What it can do depends on its kind, `facts.kind`: a `"decoder"` chats and completes, an `"encoder"`
 * fills gaps or classifies where its checkpoint has a head for that (`facts.head`: `"words"` or `"texts"`). Both embed.
 */
export class LanguageModel extends Handle {
  /**
   * @param {import("../engine/requests.js").EngineLike} engine
   * @param {{handle: number} & Record<string, unknown>} facts
   */
  constructor(engine, { handle, ...facts }) {
    super(engine, handle);
    this.facts = facts;
  }

  /**
   * Answer a conversation, token by token. Progress reports how much of the prompt has been read.
   * @param {string | Message[]} messages a question, or the conversation so far
   * @param {GenerationOptions & WorkOptions} [options]
   */
  chat(messages, options) {
    return this.#stream((text, observers) => {
      const request = { handle: this.handle, messages: wholeCharacters(conversation(messages)), options: text };
      return this.engine.call("chat", request, observers);
    }, options);
  }

  /**
   * Continue a text, token by token.
   * @param {string} prompt
   * @param {GenerationOptions & WorkOptions} [options]
   */
  complete(prompt, options) {
    return this.#stream((text, observers) => {
      expectText(prompt, "prompt");
      return this.engine.call(
        "complete",
        { handle: this.handle, prompt: prompt.replace(HALVES, "\ufffd"), options: text },
        observers,
      );
    }, options);
  }

  /**
   * Of a mixture of experts: which ones each token of the last generation had, from the position `start` on, as
   * positions × layers × ids, the most likely first. The experts at one position chose the token at the next. Empty for
   * other models.
   * @param {number} [start]
   * @returns {Promise<number[][][]>}
   */
  async chosenExperts(start = 0) {
    expectNumber(start, "start", { whole: true, minimum: 0 });
    return this.engine.call("chosenExperts", { handle: this.handle, start });
  }

  /**
   * Vectors of texts, pooled and normalised as the model's files say; long texts are cut. What a text gets does not
   * depend on the texts beside it. Progress is `{status: "embed", loaded, total}` in texts.
   * @param {string[]} texts
   * @param {{prompt?: string} & WorkOptions} [options] `prompt`: the name of one of the model's prompts (`facts.prompts`) to put before each text
   * @returns {Promise<Float32Array[]>} one a text, of `facts.dimension` numbers
   */
  async embed(texts, options) {
    const { onProgress = () => {}, signal, prompt } = control(options, "options", ["prompt"]);
    if (!Array.isArray(texts)) throw new InputError(mismatch("an array of texts", texts), { where: "texts" });
    texts.forEach((text, i) => expectText(text, `texts[${i}]`));
    if (prompt !== undefined) expectText(prompt, "options.prompt");
    const request = { handle: this.handle, texts: wholeCharacters(json(texts, "texts")), prompt };
    const { vectors, dimension } = await this.engine.call("embed", request, { onEvent: onProgress, signal });
    return texts.map((_, i) => vectors.slice(i * dimension, (i + 1) * dimension));
  }

  /**
   * The likeliest words for each gap in a text (`[MASK]`, or what the model writes), the best first.
   * @param {string} text
   * @param {{topK?: number, signal?: AbortSignal}} [options] `topK`: words for each gap, 5 by default
   * @returns {Promise<Filling[][]>} one list a gap
   */
  async fillMask(text, options) {
    const { signal, topK = 5 } = control(options, "options", ["topK"]);
    expectText(text, "text");
    expectNumber(topK, "options.topK", { whole: true, minimum: 1 });
    return this.engine.call(
      "fillMask",
      { handle: this.handle, text: text.replace(HALVES, "\ufffd"), topK },
      { signal },
    );
  }

  /**
   * The model's labels for a text, or for two, the likeliest first.
   * @param {string} text
   * @param {{pair?: string, signal?: AbortSignal}} [options] `pair`: a second text
   * @returns {Promise<Label[]>}
   */
  async classify(text, options) {
    const { signal, pair } = control(options, "options", ["pair"]);
    expectText(text, "text");
    if (pair !== undefined) expectText(pair, "options.pair");
    const request = {
      handle: this.handle,
      text: text.replace(HALVES, "\ufffd"),
      pair: pair?.replace(HALVES, "\ufffd"),
    };
    return this.engine.call("classify", request, { signal });
  }

  /**
   * Where the time goes, kernel by kernel, in a step that feeds `tokens` tokens behind `context` others: one (the
   * default) is a step of an answer, up to 64 a chunk of a prompt; `context` is 128, or what there is room for. Progress
   * counts the rows.
   * @param {{tokens?: number, context?: number, repeats?: number} & WorkOptions} [options] `repeats`: runs whose best counts
   * @returns {Promise<Profile>}
   */
  async profile(options) {
    const { onProgress = () => {}, signal, ...numbers } = control(options, "options", ["tokens", "context", "repeats"]);
    for (const [name, value] of Object.entries(numbers))
      if (value !== undefined) expectNumber(value, `options.${name}`, { whole: true, minimum: 0 });
    const { tokens = 1, context, repeats = 3 } = numbers;
    return this.engine.call(
      "profileModel",
      { handle: this.handle, tokens, context, repeats },
      { onEvent: onProgress, signal },
    );
  }

  /**
   * The last piece has `done: true`. Leaving the loop early stops the work.
   * @param {(options: string, observers: Observers) => Promise<import("../engine/requests.js").Finish>} start
   * @param {(GenerationOptions & WorkOptions) | undefined} given
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  async *#stream(start, given) {
    const { signal, onProgress, ...options } = control(given, "options", null);
    const text = wholeCharacters(json(options, "options"));
    const leave = new AbortController();
    const anySignal = signal ? AbortSignal.any([signal, leave.signal]) : leave.signal;
    /** @type {{id: number, text: string}[]} */
    const tokens = [];
    const started = performance.now();
    let wake = () => {};
    let firstAt = 0;
    let lastAt = 0;
    let count = 0;
    let promptTokens = 0;
    let settled = false;
    const onEvent = (/** @type {import("../engine/requests.js").GenerationEvent} */ event) => {
      if (event.status !== "token") {
        promptTokens = event.total;
        return onProgress?.(event);
      }
      lastAt = performance.now();
      firstAt ||= lastAt;
      count++;
      tokens.push(event);
      return wake();
    };
    const stats = () => ({
      promptTokens,
      tokens: count,
      timeToFirstToken: count ? firstAt - started : 0,
      tokensPerSecond: count > 1 ? ((count - 1) * 1000) / (lastAt - firstAt) : 0,
    });
    const result = start(text, { onEvent, signal: anySignal });
    const finished = () => {
      settled = true;
      wake();
    };
    result.then(finished, finished);
    try {
      for (;;) {
        for (let token = tokens.shift(); token; token = tokens.shift()) {
          yield { id: token.id, text: token.text, stats: stats() };
        }
        if (settled) break;
        await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
      yield { text: "", stats: stats(), done: true, ...(await result) };
    } finally {
      leave.abort();
      await result.catch(() => {}); // the model is free for the next question when the loop is left
    }
  }
}

/**
 * JSON of a conversation; a text is the user's question.
 * @param {unknown} messages
 */
function conversation(messages) {
  if (typeof messages === "string") return json([{ role: "user", content: messages }], "messages");
  if (!Array.isArray(messages))
    throw new InputError(mismatch("a question or an array of messages", messages), { where: "messages" });
  for (const [i, message] of messages.entries()) {
    if (kind(message) !== "an object")
      throw new InputError(`expected {role, content}, got ${kind(message)}`, { where: `messages[${i}]` });
    expectText(message.role, `messages[${i}].role`);
  }
  return json(messages, "messages");
}
