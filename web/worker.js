/** The engine behind `postMessage`; the protocol is described in `rpc.js`. */

import { Engine } from "./engine/engine.js";
import { toPlain } from "./errors.js";
import { ALIVE } from "./workers.js";

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

/** Hold a lock until this worker ends, which shows the page that it lives; not on plain HTTP, nor in a sandboxed frame. */
async function live() {
  const lock = `loom-worker-${Date.now()}-${Math.random()}`;
  const held = () => {
    globalThis.postMessage({ id: 0, type: "life", lock });
    return new Promise(() => {});
  };
  await navigator.locks?.request(lock, held);
}

postMessage(ALIVE);
live().catch(() => {}); // refused: the browser's own report of an error has to do
