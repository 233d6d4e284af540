/** Calls into Python, on the thread that runs it. */

import { LoomError, RuntimeFailure, fromPlain } from "../errors.js";

/** @typedef {import("./boot.js").Runtime} Runtime */
/** @typedef {import("./bridge.js").Bridge} Bridge */

/** Stands for the Python of this thread, which everything on it shares. */
export const THREAD = {};

/**
 * Call into Python and give its exceptions their own classes.
 * @template T
 * @param {Runtime} runtime
 * @param {(bridge: Bridge) => T} work
 * @returns {T}
 */
export function inPython(runtime, work) {
  try {
    return work(runtime.bridge);
  } catch (error) {
    if (error instanceof LoomError) throw error; // of a check on the way
    if (error instanceof runtime.pyodide.ffi.PythonError) throw fromPlain(JSON.parse(runtime.bridge.last_error()));
    throw new RuntimeFailure(`Python stopped working (${error instanceof Error ? error.message : String(error)})`, {
      remedy: "Reload the page; saved models and downloads are kept.",
      cause: error,
    });
  }
}
