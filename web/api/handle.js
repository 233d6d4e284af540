/** An object in Python, named by an integer. */

import { disposable, track, untrack } from "./lifetime.js";

/** @typedef {import("../engine/requests.js").EngineLike} EngineLike */

/** An object in Python under a handle. */
export class Handle {
  /**
   * @param {EngineLike} engine
   * @param {number} handle
   */
  constructor(engine, handle) {
    /** @protected */
    this.engine = engine;
    /** @protected */
    this.handle = handle;
    track(this, releaser(engine, handle));
  }

  /** Free the memory now; otherwise it is freed when this object is garbage-collected. Any later use is an `InputError`. */
  async dispose() {
    const handle = this.handle;
    this.handle = 0;
    untrack(this);
    if (handle) await this.engine.call("release", { handle });
  }
}

disposable(Handle);

/** @param {EngineLike} engine @param {number} handle */
const releaser = (engine, handle) => () => void engine.call("release", { handle }).catch(() => {});
