/** A pool thread of `simd_host.js`: an instance over the shared memory that serves until the pool is closed. */

import { ALIVE } from "../workers.js";

/** @param {MessageEvent<{module: WebAssembly.Module, memory: WebAssembly.Memory, index: number, stack: number}>} message */
globalThis.onmessage = ({ data: { module, memory, index, stack } }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernels = /** @type {import("./kernel_exports.js").KernelExports} */ (/** @type {unknown} */ (exports));
  kernels.__stack_pointer.value = stack;
  postMessage("ready");
  kernels.serve(index, stack); // its scratch begins where its stack does
  globalThis.close();
};

postMessage(ALIVE);
