/**
 * Long Python work in slices of a few milliseconds, with the event loop in between: this lets a stop get through
 * without shared memory, and keeps a page responsive when Python runs on its thread.
 */

import { inPython } from "./python.js";

/** Milliseconds of Python before the event loop gets its turn. */
export const SLICE_MS = 25;

/** Called after every slice, so that watchers get a turn however busy the thread is. @type {Set<() => void>} */
export const afterSlices = new Set();

/** Resolves after the events that wait now; not subject to the 4 ms minimum of nested timers. */
export function yieldToEvents() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}

/**
 * Wait for a device or an abort; Python itself finds out whether the device's work succeeded.
 * @param {Promise<unknown>} promise
 * @param {AbortSignal} [signal] left as it was, since it outlives many of these waits
 * @returns {Promise<void>}
 */
function settled(promise, signal) {
  return new Promise((resolve) => {
    const done = () => {
      signal?.removeEventListener("abort", done);
      resolve();
    };
    signal?.addEventListener("abort", done);
    promise.then(done, done);
  });
}

/**
 * Drive a Python task to its end.
 *
 * An abort takes effect after the step that is running: the task is closed, and `signal.reason` is thrown.
 * @param {import("./boot.js").Runtime} runtime
 * @param {number} task handle from one of the bridge's `…_start` functions
 * @param {{signal?: AbortSignal, onEvents?: (events: any[]) => void, sliceMs?: number}} options
 * @returns {Promise<any>} the task's result
 */
export async function runTask(runtime, task, { signal, onEvents = () => {}, sliceMs = SLICE_MS }) {
  try {
    for (;;) {
      signal?.throwIfAborted();
      const text = inPython(runtime, (bridge) => bridge.task_advance(task, sliceMs));
      const { done, waiting, events, result } = JSON.parse(text);
      if (events.length) onEvents(events);
      for (const look of afterSlices) look();
      if (done) return result;
      if (waiting)
        await settled(
          inPython(runtime, (bridge) => bridge.task_promise(task)),
          signal,
        );
      else await yieldToEvents();
    }
  } finally {
    inPython(runtime, (bridge) => bridge.task_close(task));
  }
}
