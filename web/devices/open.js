/** The devices of this page besides NumPy, opened while Python starts and registered once it runs. */

import { WebGPUHost } from "./webgpu_host.js";
import { DeviceError, InputError, IntegrityError, explain } from "../errors.js";
import { SimdHost } from "./simd_host.js";

/**
 * @typedef {object} DeviceOptions
 * @property {"auto" | "numpy" | "simd" | "webgpu"} [device] what to compute with; `auto` chooses by size and availability
 * @property {number} [threads] most threads of the compiled kernels; by default one per core. More than one needs a page that is cross-origin isolated
 * @property {"bytes" | "words"} [digits] in which form the compiled kernels give activations to quantised weights; by default the one that is faster on this CPU
 */
/**
 * @typedef {object} DeviceFacts
 * @property {string} device
 * @property {boolean} available
 * @property {string} [reason] why it is not available
 * @property {number} [threads]
 * @property {boolean} [relaxed] relaxed SIMD is in use
 * @property {"bytes" | "words"} [digits] the form of activations that quantised weights are multiplied with
 * @property {boolean} [hardware] a real GPU, not one emulated by the CPU
 * @property {string} [vendor]
 * @property {string} [architecture]
 * @property {string} [description]
 * @property {string[]} [features]
 * @property {Record<string, number>} [limits]
 * @property {number} [buffers]
 * @property {number} [memory] bytes
 * @property {number} [used] bytes
 */
/**
 * `register` adds the devices in Python; `reopen` replaces a lost GPU, if possible.
 * @typedef {{register: (bridge: import("../engine/bridge.js").Bridge) => void, reopen: () => Promise<void>, close: () => void}} Opened
 */

/** Milliseconds for a GPU to open; a driver that never answers must not keep Python from starting. */
const OPEN_MS = 15_000;
const NAMES = ["auto", "numpy", "simd", "webgpu"];

/**
 * Never fails because a device is missing; an unknown name is an `InputError`, damaged kernels are an `IntegrityError`.
 * @param {DeviceOptions & {files: import("../runtime_files.js").RuntimeFiles}} options
 * @returns {Promise<Opened>}
 */
export async function openDevices({ device = "auto", threads, digits, files }) {
  if (!NAMES.includes(device)) {
    throw new InputError(`there is no device «${device}»`, {
      where: "device",
      remedy: `Choose one of ${NAMES.join(", ")}.`,
    });
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new InputError(`must be a whole number from 1, got ${threads}`, { where: "threads" });
  }
  /** @type {[SimdHost | string, WebGPUHost | string]} */
  const [simd, webgpu] = await Promise.all([
    SimdHost.open({ threads, files }).catch((error) => {
      if (error instanceof IntegrityError) throw error;
      return explain(error);
    }),
    inTime("webgpu", WebGPUHost.open()).catch(explain),
  ]);
  return {
    register(bridge) {
      if (typeof simd === "string") bridge.missing_device("simd", simd);
      else bridge.add_simd(simd, digits);
      if (typeof webgpu === "string") bridge.missing_device("webgpu", webgpu);
      else bridge.add_webgpu(webgpu);
      bridge.use_device(device);
    },
    async reopen() {
      if (typeof webgpu !== "string" && webgpu.lost) await webgpu.reopen().catch(() => {}); // its facts then say that it is lost
    },
    close() {
      if (typeof simd !== "string") simd.close();
      if (typeof webgpu !== "string") webgpu.close();
    },
  };
}

/**
 * A device, unless it takes too long to open; one that opens later is closed.
 * @template {{close: () => void}} T
 * @param {string} where
 * @param {Promise<T>} opening
 * @returns {Promise<T>}
 */
async function inTime(where, opening) {
  let late = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const limit = new Promise((_resolve, reject) => {
    timer = setTimeout(() => {
      late = true;
      reject(new DeviceError(`did not open within ${OPEN_MS / 1000} seconds`, { where }));
    }, OPEN_MS);
  });
  opening.then(
    (device) => late && device.close(),
    () => {},
  );
  try {
    return await Promise.race([opening, /** @type {Promise<never>} */ (limit)]);
  } finally {
    clearTimeout(timer);
  }
}
