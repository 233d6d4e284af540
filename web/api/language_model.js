/** A language model that lives in Python: answers and continuations, token by token. */

import { Handle } from "./handle.js";

/** @typedef {import("../engine/progress.js").WorkOptions} WorkOptions */
/** @typedef {{onEvent: (event: import("../engine/requests.js").GenerationEvent) => void, signal: AbortSignal}} Control */
/** @typedef {{role: string, content: string}} Message */
/**
 * How to generate; what is left out keeps the model's default.
 * @typedef {object} GenerationOptions
 * @property {number} [maxTokens]
 * @property {number} [temperature] 0 takes the likeliest token each time
 * @property {number} [topK]
 * @property {number} [topP]
 * @property {number} [minP]
 * @property {number} [repetitionPenalty]
 * @property {number} [seed]
 * @property {string[]} [stop]
 * @property {boolean} [parseSpecial] whether special tokens written out in the texts are those tokens; by default only in `complete`
 */
/** @typedef {{tokens: number, timeToFirstToken: number, tokensPerSecond: number}} Stats milliseconds; the rate counts from the first token on */
/** @typedef {{id: number, text: string, stats: Stats, done?: undefined} | {id?: undefined, text: "", stats: Stats, done: true, finishReason: string}} Piece */

/** A language model in Python. */
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
  chat(messages, options = {}) {
    const list = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
    const request = { handle: this.handle, messages: JSON.stringify(list) };
    return this.#stream((text, control) => this.engine.call("chat", { ...request, options: text }, control), options);
  }

  /**
   * Continue a text, token by token.
   * @param {string} prompt
   * @param {GenerationOptions & WorkOptions} [options]
   */
  complete(prompt, options = {}) {
    const request = { handle: this.handle, prompt };
    return this.#stream(
      (text, control) => this.engine.call("complete", { ...request, options: text }, control),
      options,
    );
  }

  /**
   * The last piece has `done: true`. Leaving the loop early stops the work.
   * @param {(options: string, control: Control) => Promise<{finishReason: string}>} start
   * @param {GenerationOptions & WorkOptions} options
   * @returns {AsyncGenerator<Piece, void, void>}
   */
  async *#stream(start, { signal, onProgress, ...options }) {
    const leave = new AbortController();
    const anySignal = signal ? AbortSignal.any([signal, leave.signal]) : leave.signal;
    /** @type {{id: number, text: string}[]} */
    const tokens = [];
    const started = performance.now();
    let wake = () => {};
    let firstAt = 0;
    let lastAt = 0;
    let count = 0;
    let settled = false;
    const onEvent = (/** @type {import("../engine/requests.js").GenerationEvent} */ event) => {
      if (event.status !== "token") return onProgress?.(event);
      lastAt = performance.now();
      firstAt ||= lastAt;
      count++;
      tokens.push(event);
      return wake();
    };
    const stats = () => ({
      tokens: count,
      timeToFirstToken: count ? firstAt - started : 0,
      tokensPerSecond: count > 1 ? ((count - 1) * 1000) / (lastAt - firstAt) : 0,
    });
    const result = start(JSON.stringify(options), { onEvent, signal: anySignal });
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
      yield { text: "", stats: stats(), done: true, finishReason: (await result).finishReason };
    } finally {
      leave.abort();
      await result.catch(() => {}); // the model is free for the next question when the loop is left
    }
  }
}
