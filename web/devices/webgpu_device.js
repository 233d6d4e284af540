/** Asking the browser for a GPU: the adapter, the features and limits to request, and its description. */

import { DeviceError } from "../errors.js";

/** Features to use where the adapter has them. */
const FEATURES = /** @type {const} */ (["shader-f16", "subgroups", "timestamp-query"]);

/**
 * A device with all that its adapter offers of the features and limits that programs use, and JSON of both. Rejects with
 * a `DeviceError` when there is no adapter.
 * @param {GPUPowerPreference} powerPreference
 * @returns {Promise<{device: GPUDevice, facts: string}>}
 */
export async function requestDevice(powerPreference) {
  const gpu = globalThis.navigator?.gpu;
  if (!gpu) throw new DeviceError("this browser has no WebGPU", { where: "webgpu" });
  const adapter = await gpu.requestAdapter({ powerPreference });
  if (!adapter) {
    throw new DeviceError("the browser offers no GPU", {
      where: "webgpu",
      remedy: "Enable hardware acceleration in its settings.",
    });
  }
  const features = FEATURES.filter((name) => adapter.features.has(name));
  const requiredLimits = usedLimits(adapter.limits);
  const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits });
  const { vendor, architecture, device: name, description, isFallbackAdapter } = adapter.info;
  const type = isFallbackAdapter ? "CPU (fallback)" : "GPU";
  const facts = {
    adapter: { vendor, architecture, name, description, type, backend: "WebGPU" },
    features,
    limits: { ...requiredLimits, ...allLimits(device.limits) },
  };
  return { device, facts: JSON.stringify(facts) };
}

/** Limits that matter to compute programs. @param {GPUSupportedLimits} supported */
function usedLimits(supported) {
  const names = /storage|compute|buffersize|bindgroup/i;
  const others = /stage$|texture/i;
  const limits = Object.entries(allLimits(supported)).filter(([name]) => names.test(name) && !others.test(name));
  const { maxStorageBuffersPerShaderStage } = supported;
  return Object.fromEntries([...limits, ["maxStorageBuffersPerShaderStage", maxStorageBuffersPerShaderStage]]);
}

/**
 * All limits by name: they are getters of the prototype, which `Object.entries` does not see.
 * @param {GPUSupportedLimits} supported
 * @returns {Record<string, number>}
 */
function allLimits(supported) {
  /** @type {Record<string, number>} */
  const limits = {};
  for (const name in supported) {
    const value = Reflect.get(supported, name);
    if (typeof value === "number") limits[name] = value;
  }
  return limits;
}
