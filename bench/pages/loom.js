/** LOOM in a worker, as in a page; the clock runs in that worker, as the rivals' clocks run beside their kernels. */

/** @param {{start: object, model?: string, embedder?: string}} options */
export async function open(options) {
  const worker = new Worker(new URL("loom_worker.js", import.meta.url), { type: "module" });
  const failed = new Promise((_, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
  });
  const call = (/** @type {string} */ method, /** @type {any[]} */ ...args) =>
    Promise.race([
      failed,
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => ("error" in data ? reject(new Error(data.error)) : resolve(data.value));
        worker.postMessage({ method, args });
      }),
    ]);
  const facts = await call("open", options);
  return {
    facts,
    prepare: (/** @type {any} */ work) => call("prepare", work),
    run: (/** @type {any} */ work, /** @type {number} */ round) => call("run", work, round),
  };
}
