/** What the machine and the page offer; nothing in this package needs more than WebAssembly. */

/**
 * What the machine and the page offer.
 * @typedef {object} Capabilities
 * @property {boolean} crossOriginIsolated shared memory is allowed
 * @property {boolean} threads workers can share WebAssembly memory
 * @property {boolean} jspi WebAssembly can wait for promises
 * @property {boolean} webgpu
 * @property {number} cores
 */

/** @returns {Capabilities} */
export function capabilities() {
  const isolated = globalThis.crossOriginIsolated === true;
  return {
    crossOriginIsolated: isolated,
    threads: isolated && typeof SharedArrayBuffer === "function",
    jspi: "Suspending" in WebAssembly,
    webgpu: typeof navigator === "object" && "gpu" in navigator,
    cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  };
}
