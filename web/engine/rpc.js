/**
 * The engine in a worker, seen from the page. Messages are plain objects with ids:
 *
 *     page → worker   {id, type: "request", method, params}      {id, type: "cancel"}
 *     worker → page   {id, type: "event", event}                 progress, tokens
 *                     {id, type: "result", value}                {id, type: "error", error}
 *
 * Nothing tells a page that a worker has ended. So the worker holds a lock under a name of its own for as long as it lives,
 * and says `{id: 0, type: "life", lock}` first; whoever gets that lock knows that the worker is gone.
 */

import { InputError, RuntimeFailure, explain, fromPlain } from "../errors.js";
import { startWorker } from "../workers.js";

/** @typedef {import("./requests.js").Method} Method */
/** @typedef {import("./requests.js").EngineLike} EngineLike */
/**
 * @template {Method} M
 * @typedef {import("./requests.js").CallOptions<M>} CallOptions
 */
/** @typedef {{resolve: (value: any) => void, reject: (error: unknown) => void, onEvent: (event: any) => void, signal?: AbortSignal, failure?: {error: unknown}}} Pending `failure`: what `onEvent` threw */
/** @typedef {{id: number, type: string, event?: any, value?: any, error?: import("../errors.js").PlainError, lock?: string}} Report of the worker */

const RESTART = "Start another session with loom.start(); models that are kept need no new download.";

/** @implements {EngineLike} */
export class WorkerEngine {
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #counter = 0;
  owner = this;
  /** @type {Error | null} */
  #dead = null;
  /** Aborted with the engine's end. */
  #life = new AbortController();
  /** @type {Promise<Worker>} */
  #opening;
  /** @type {Worker | null} */
  #worker = null;

  /**
   * @param {URL | string} url of `worker.js`
   * @param {(reason: string) => void} [onUnpoliced] called when the worker could not be put under the page's policy
   */
  constructor(url, onUnpoliced) {
    this.#opening = startWorker(url, { name: "loom", signal: this.#life.signal, onUnpoliced });
    this.#opening.then(
      (worker) => this.#open(worker),
      (error) => this.#die(error),
    );
  }

  /**
   * @template {Method} M
   * @param {M} method
   * @param {import("./requests.js").Params<M>} [params]
   * @param {CallOptions<M>} [options]
   * @returns {Promise<import("./requests.js").Result<M>>}
   */
  async call(method, params, { onEvent = () => {}, signal } = {}) {
    const worker = this.#worker ?? (await this.#opening);
    if (this.#dead) throw this.#dead;
    signal?.throwIfAborted();
    const id = ++this.#counter;
    const cancel = () => worker.postMessage({ id, type: "cancel" });
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { resolve, reject, onEvent, signal });
        send(worker, { id, type: "request", method, params });
      });
    } finally {
      this.#pending.delete(id);
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** @param {Worker} worker */
  #open(worker) {
    if (this.#dead) return worker.terminate();
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onmessageerror = () => this.#end("it sent something that cannot be read here");
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end(event.message || "no reason was given");
    };
  }

  /** @param {Report} message */
  #receive({ id, type, event, value, error, lock }) {
    if (type === "life" && lock) return this.#watch(lock);
    const pending = this.#pending.get(id);
    if (!pending) return;
    if (type === "event") this.#hand(id, pending, event);
    else if (pending.failure) pending.reject(pending.failure.error);
    else if (type === "result") pending.resolve(value);
    else if (type === "error" && error) {
      // The page keeps its own reason for an abort: the worker knows only that there was one.
      pending.reject(error.name === "AbortError" && pending.signal?.aborted ? pending.signal.reason : fromPlain(error));
    }
  }

  /**
   * Hand an event on. What the caller's function throws ends the work, as it does where Python runs on the page's thread.
   * @param {number} id
   * @param {Pending} pending
   * @param {unknown} event
   */
  #hand(id, pending, event) {
    if (pending.failure) return;
    try {
      pending.onEvent(event);
    } catch (error) {
      pending.failure = { error };
      this.#worker?.postMessage({ id, type: "cancel" });
    }
  }

  /** @param {string} lock that the worker holds */
  #watch(lock) {
    const ended = () => this.#end("it was terminated, or the browser ran out of memory");
    void navigator.locks.request(lock, { signal: this.#life.signal }, ended).catch(() => {});
  }

  /** @param {string} reason */
  #end(reason) {
    this.#die(new RuntimeFailure(`the worker that runs Python has ended (${reason})`, { remedy: RESTART }));
  }

  /** @param {Error} error */
  #die(error) {
    if (this.#dead) return;
    this.#dead = error;
    this.#life.abort(error);
    this.#worker?.terminate();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  /** End the worker; pending calls are rejected. */
  dispose() {
    this.#die(new RuntimeFailure("the session was disposed", { remedy: "Start another with loom.start()." }));
  }
}

/** @param {Worker} worker @param {{id: number, type: string, method: string, params: unknown}} message */
function send(worker, message) {
  try {
    worker.postMessage(message);
  } catch (error) {
    throw new InputError(`cannot be sent to the worker (${explain(error)})`, {
      where: message.method,
      remedy: "Give plain values: numbers, text, lists, objects, typed arrays and files.",
      cause: error,
    });
  }
}
