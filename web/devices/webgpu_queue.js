/** Runs a GPU's work in order, although some of it waits for pipelines that are being compiled. */

import { explain } from "../errors.js";

/**
 * `abandon` is called instead of `run` when the device is lost first.
 * @typedef {{ready: Promise<unknown> | null, run: () => void, abandon: () => void}} Work
 */

/** The order of one device's work. */
export class WorkQueue {
  /** In order; null when nothing waits. @type {Work[] | null} */
  #line = null;
  #closed = false;

  /**
   * @param {() => boolean} isLost whether the device is lost
   * @param {(message: string) => void} fail called for work that throws after it has waited
   */
  constructor(isLost, fail) {
    this.isLost = isLost;
    this.fail = fail;
  }

  /**
   * Now, or after what waits.
   * @param {() => void} run
   * @param {Promise<unknown> | null} [ready] what it waits for
   * @param {() => void} [abandon]
   */
  add(run, ready = null, abandon = () => {}) {
    if (this.#line) this.#line.push({ ready, run, abandon });
    else if (!ready) run();
    else {
      this.#line = [{ ready, run, abandon }];
      void this.#drain(this.#line);
    }
  }

  /** Abandon waiting work: its buffers and pipelines belong to this device, not to its successor. */
  close() {
    this.#closed = true;
  }

  /** @param {Work[]} line */
  async #drain(line) {
    for (let next = line.shift(); next; next = line.shift()) {
      await next.ready;
      try {
        if (this.#closed || this.isLost()) next.abandon();
        else next.run();
      } catch (error) {
        this.fail(explain(error));
        next.abandon();
      }
    }
    this.#line = null;
  }
}
