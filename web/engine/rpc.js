/**
 * The engine in a worker, seen from the page. Messages are plain objects with ids:
 *
 *     page → worker   {id, type: "request", method, params}      {id, type: "cancel"}
 *     worker → page   {id, type: "event", event}                 progress, tokens
 *                     {id, type: "result", value}                {id, type: "error", error}
 */

import { RuntimeFailure, fromPlain } from "../errors.js";

/** @typedef {import("./requests.js").Method} Method */
/** @typedef {import("./requests.js").EngineLike} EngineLike */
/**
 * @template {Method} M
 * @typedef {import("./requests.js").CallOptions<M>} CallOptions
 */
/** @typedef {{resolve: (value: any) => void, reject: (error: unknown) => void, onEvent: (event: any) => void, signal?: AbortSignal}} Pending */

/** @implements {EngineLike} */
export class WorkerEngine {
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #counter = 0;
  owner = this;
  /** @type {Error | null} */
  #dead = null;

  /** @param {URL | string} url of `worker.js` */
  constructor(url) {
    this.worker = new Worker(url, { type: "module", name: "loom" });
    this.worker.onmessage = ({ data }) => this.#receive(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message || "its script could not be loaded";
      this.#die(new RuntimeFailure(`the worker stopped (${reason})`, { remedy: "Reload the page." }));
    };
  }

  /**
   * @template {Method} M
   * @param {M} method
   * @param {import("./requests.js").Params<M>} [params]
   * @param {CallOptions<M>} [options]
   * @returns {Promise<import("./requests.js").Result<M>>}
   */
  call(method, params, { onEvent = () => {}, signal } = {}) {
    if (this.#dead) return Promise.reject(this.#dead);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++this.#counter;
    const cancel = () => this.worker.postMessage({ id, type: "cancel" });
    signal?.addEventListener("abort", cancel, { once: true });
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onEvent, signal });
      this.worker.postMessage({ id, type: "request", method, params });
    }).finally(() => {
      this.#pending.delete(id);
      signal?.removeEventListener("abort", cancel);
    });
  }

  /** @param {{id: number, type: string, event?: any, value?: any, error?: import("../errors.js").PlainError}} message */
  #receive({ id, type, event, value, error }) {
    const pending = this.#pending.get(id);
    if (!pending) return;
    if (type === "event") pending.onEvent(event);
    else if (type === "result") pending.resolve(value);
    else if (type === "error" && error) {
      // The page keeps its own reason for an abort: the worker knows only that there was one.
      pending.reject(error.name === "AbortError" && pending.signal?.aborted ? pending.signal.reason : fromPlain(error));
    }
  }

  /** @param {Error} error */
  #die(error) {
    this.#dead = error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  /** End the worker; pending calls are rejected. */
  dispose() {
    this.worker.terminate();
    this.#die(new RuntimeFailure("the session was disposed", { remedy: "Start another with loom.start()." }));
  }
}
