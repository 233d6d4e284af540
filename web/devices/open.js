/** The devices of this page besides NumPy, opened while Python starts and registered once it runs. */

import { WebGPUHost } from "./webgpu_host.js";
import { InputError, explain } from "../errors.js";
import { SimdHost } from "./simd_host.js";

/**
 * @typedef {object} DeviceOptions
 * @property {"auto" | "numpy" | "simd" | "webgpu"} [device] what to compute with; `auto` chooses by size and availability
 * @property {number} [threads] most threads of the compiled kernels; by default one per core. More than one needs a page that is cross-origin isolated
 */
/**
 * @typedef {object} DeviceFacts
 * @property {string} device
 * @property {boolean} available
 * @property {string} [reason] why it is not available
 * @property {number} [threads]
 * @property {boolean} [relaxed] relaxed SIMD is in use
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

const NAMES = ["auto", "numpy", "simd", "webgpu"];

/**
 * Never fails because a device is missing; an unknown name is an `InputError`.
 * @param {DeviceOptions & {baseURL: string | URL}} options
 * @returns {Promise<Opened>}
 */
export async function openDevices({ device = "auto", threads, baseURL }) {
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
    SimdHost.open({ threads, baseURL }).catch(explain),
    WebGPUHost.open().catch(explain),
  ]);
  return {
    register(bridge) {
      if (typeof simd === "string") bridge.missing_device("simd", simd);
      else bridge.add_simd(simd);
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
