/** The engine behind `postMessage`; the protocol is described in `rpc.js`. */

import { Engine } from "./engine/engine.js";
import { toPlain } from "./errors.js";

const engine = new Engine();
/** @type {Map<number, AbortController>} */
const running = new Map();

/** @param {MessageEvent<{id: number, type: string, method: import("./engine/requests.js").Method, params: any}>} message */
globalThis.onmessage = async ({ data: { id, type, method, params } }) => {
  if (type === "cancel") {
    running.get(id)?.abort();
    return;
  }
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const onEvent = (/** @type {any} */ event) => postMessage({ id, type: "event", event });
    const value = await engine.call(method, params, { onEvent, signal: controller.signal });
    const transfer = value instanceof Float32Array ? [value.buffer] : [];
    globalThis.postMessage({ id, type: "result", value }, { transfer });
  } catch (error) {
    globalThis.postMessage({ id, type: "error", error: toPlain(error) });
  } finally {
    running.delete(id);
  }
};
