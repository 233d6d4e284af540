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

/** Browsers that say how much memory a machine has say no more than this, in GiB. */
const MOST_SAID = 8;

/** Bytes of memory that this machine has, where the browser says it and it may be too little; else 0. */
export function machineMemory() {
  const { deviceMemory = MOST_SAID } = /** @type {{deviceMemory?: number}} */ (globalThis.navigator ?? {});
  return deviceMemory < MOST_SAID ? deviceMemory * 2 ** 30 : 0;
}

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
