/**
 * A GPU in a page: adapter and device, buffers, plans (`loom_py/runtime/webgpu/encode.py`) and readings, all named by
 * integers. Python's `runtime/webgpu/js_host.py` is the other side; nothing here knows a kernel.
 *
 * Pipelines are compiled in the background. What is asked for meanwhile waits in line, so that Python need not.
 */

import { DeviceError, DeviceLost, explain } from "../errors.js";
import { Pipelines, STORAGE, encodePlan, makePlan } from "./webgpu_plan.js";

/** @typedef {import("./webgpu_plan.js").GPUDevice} GPUDevice */
/** @typedef {import("./webgpu_plan.js").GPUBuffer} GPUBuffer */
/** @typedef {import("./webgpu_plan.js").PlanSpec} PlanSpec */
/** @typedef {import("./webgpu_plan.js").Plan} Plan */
/** @typedef {{powerPreference?: "high-performance" | "low-power", onProgress?: (progress: {status: string, loaded: number, total: number}) => void}} WebGPUOptions */

const READBACK = 0x01 | 0x08; // MAP_READ | COPY_DST
/** Staging buffers are kept up to this size, so many of each. */
const KEPT_BYTES = 1 << 22;
const KEPT_COUNT = 4;
const FEATURES = ["shader-f16", "subgroups", "timestamp-query"];

/**
 * `abandon` is called instead of `work` when the device is gone before its turn comes.
 * @typedef {{ready: Promise<unknown> | null, work: () => void, abandon: () => void}} Waiting
 */

/** Bytes on their way back. `promise` always resolves; then `bytes` or `error` is there. */
class Reading {
  /** @type {Uint8Array | null} */
  bytes = null;
  error = "";
  /** The device went before it could answer. */
  lost = false;
  /** @type {Promise<void>} */
  promise = Promise.resolve();
}

/** See `Host` in `runtime/webgpu/host.py`. */
export class WebGPUHost {
  /** Why the device is gone; empty while it is there. */
  lost = "";
  /** How many devices there were; what an earlier one computed is gone. */
  generation = 0;
  /** @type {GPUDevice} */
  #device = null;
  #next = 1;
  /** @type {Map<number, GPUBuffer>} */
  #buffers = new Map();
  /** What to write again after a loss: the only copy of weights besides the GPU's.
   * @type {Map<number, Uint8Array>} */
  #kept = new Map();
  /** @type {Map<number, Plan>} */
  #plans = new Map();
  /** @type {Pipelines | null} */
  #pipelines = null;
  /** @type {Map<number, GPUBuffer[]>} */
  #staging = new Map();
  /** What waits for pipelines, in order; null when nothing does.
   * @type {Waiting[] | null} */
  #line = null;
  /** The way to a new device, while it is under way.
   * @type {Promise<void> | null} */
  #opening = null;
  /** The first thing that went wrong since Python last asked. */
  #failure = "";
  #closed = false;
  #bytes = 0;

  /** @param {WebGPUOptions} options */
  constructor(options) {
    this.options = options;
    /** JSON of what the adapter says of itself, its features and limits. */
    this.facts = "{}";
  }

  /**
   * Rejects with a `DeviceError` when there is no adapter.
   * @param {WebGPUOptions} [options]
   */
  static async open(options = {}) {
    const host = new WebGPUHost(options);
    await host.reopen();
    return host;
  }

  /**
   * A new device in the place of a lost one. Buffers and plans keep their names; those written with `keep` have their
   * contents again, the others are zeros. Who asks while one is on its way gets the same.
   * @returns {Promise<void>}
   */
  reopen() {
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #open() {
    const gpu = /** @type {any} */ (globalThis.navigator)?.gpu;
    if (!gpu) throw new DeviceError("this browser has no WebGPU", { where: "webgpu" });
    const { powerPreference = "high-performance" } = this.options;
    const adapter = await gpu.requestAdapter({ powerPreference });
    if (!adapter)
      throw new DeviceError("the browser offers no GPU", {
        where: "webgpu",
        remedy: "Enable hardware acceleration in its settings.",
      });
    const features = FEATURES.filter((name) => adapter.features.has(name));
    /** @type {Record<string, number>} */
    const limits = {};
    for (const name in adapter.limits) {
      if (/storage|compute|buffersize|bindgroup/i.test(name) && !/stage$|texture/i.test(name))
        limits[name] = adapter.limits[name];
    }
    limits.maxStorageBuffersPerShaderStage = adapter.limits.maxStorageBuffersPerShaderStage;
    const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits: limits });
    if (this.#closed) {
      device.destroy();
      throw new DeviceError("the device was closed", { where: "webgpu" });
    }
    this.#staging.clear();
    this.#line = null;
    this.#failure = "";
    this.#device = device;
    this.#pipelines = new Pipelines(device, (message) => this.#fail(message), this.options.onProgress);
    this.lost = "";
    this.generation++;
    device.onuncapturederror = (/** @type {any} */ event) => this.#fail(event.error?.message ?? "unknown error");
    void device.lost.then((/** @type {{reason: string, message: string}} */ info) => {
      if (this.#device !== device || this.#closed) return;
      this.lost ||= `the GPU was lost (${info.reason || "unknown"}): ${info.message || "no reason was given"}`;
    });
    const { vendor, architecture, device: name, description, isFallbackAdapter } = adapter.info;
    const said = {
      vendor,
      architecture,
      name,
      description,
      type: isFallbackAdapter ? "CPU (fallback)" : "GPU",
      backend: "WebGPU",
    };
    for (const key in device.limits) limits[key] = device.limits[key];
    this.facts = JSON.stringify({ adapter: said, features, limits });
    for (const [name, old] of this.#buffers) {
      const kept = this.#kept.get(name);
      const buffer = this.#watched("a buffer", () => device.createBuffer({ size: old.size, usage: STORAGE }));
      if (kept) device.queue.writeBuffer(buffer, 0, kept);
      this.#buffers.set(name, buffer);
    }
    for (const [name, { spec, words }] of this.#plans) this.#plans.set(name, this.#make(spec, words));
  }

  /** @param {string} message */
  #fail(message) {
    this.#failure ||= message;
  }

  /** What went wrong since the last call, as text; empty for nothing. */
  failure() {
    const text = this.#failure;
    this.#failure = "";
    return text;
  }

  /**
   * Errors of making something are found later; they are kept for whoever asks next.
   * @template T
   * @param {string} what
   * @param {() => T} make
   * @returns {T}
   */
  #watched(what, make) {
    if (this.lost) throw new DeviceLost(this.lost, { where: "webgpu" });
    const device = this.#device;
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    try {
      return make();
    } finally {
      for (const kind of ["is invalid", "does not fit the GPU's memory"]) {
        device.popErrorScope().then(
          (/** @type {any} */ error) => error && this.#fail(`${what} ${kind}: ${error.message}`),
          () => {},
        );
      }
    }
  }

  // --- memory -------------------------------------------------------------------------------------------------
  /** @param {number} size */
  create(size) {
    const buffer = this.#watched(`a buffer of ${size} bytes`, () =>
      this.#device.createBuffer({ size, usage: STORAGE }),
    );
    this.#buffers.set(this.#next, buffer);
    this.#bytes += size;
    return this.#next++;
  }

  /** @param {number} name */
  destroy(name) {
    const buffer = this.#buffers.get(name);
    if (!buffer) return;
    this.#buffers.delete(name);
    this.#kept.delete(name);
    this.#bytes -= buffer.size;
    this.#inOrder(() => buffer.destroy());
  }

  /** [bytes, buffers] that Python made and did not destroy. */
  used() {
    return [this.#bytes, this.#buffers.size];
  }

  /** @param {number} name */
  #buffer(name) {
    const buffer = this.#buffers.get(name);
    if (!buffer) throw new DeviceError(`${name} is not a buffer of this device`, { where: "webgpu" });
    return buffer;
  }

  /**
   * @param {number} name
   * @param {number} offset
   * @param {Uint8Array} data whole words, not to be changed afterwards
   * @param {boolean} keep write it again after a loss; `offset` is 0 then
   */
  write(name, offset, data, keep) {
    if (keep || this.#kept.has(name)) this.#kept.set(name, data);
    const buffer = this.#buffer(name);
    const queue = this.#device.queue;
    this.#inOrder(() => queue.writeBuffer(buffer, offset, data));
  }

  /** @param {number} source @param {number} target @param {number} nbytes */
  copy(source, target, nbytes) {
    const [from, to] = [this.#buffer(source), this.#buffer(target)];
    this.#inOrder(() => {
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, to, 0, nbytes);
      this.#device.queue.submit([encoder.finish()]);
    });
  }

  /**
   * @param {number[]} pieces buffer, offset, bytes, and again
   * @returns {Reading}
   */
  read(pieces) {
    const reading = new Reading();
    /** @type {{buffer: GPUBuffer, offset: number, nbytes: number, at: number}[]} */
    const parts = [];
    let total = 0;
    for (let i = 0; i < pieces.length; i += 3) {
      const [name, offset, nbytes] = /** @type {[number, number, number]} */ (pieces.slice(i, i + 3));
      parts.push({ buffer: this.#buffer(name), offset, nbytes, at: total });
      total += nbytes;
    }
    const device = this.#device;
    reading.promise = new Promise((resolve) => {
      const giveUp = (/** @type {string} */ reason) => {
        reading.lost = this.lost !== "" || this.#device !== device;
        reading.error = this.lost || reason;
        resolve();
      };
      const work = () => {
        const staging = this.#takeStaging(total);
        const encoder = device.createCommandEncoder();
        for (const { buffer, offset, nbytes, at } of parts)
          encoder.copyBufferToBuffer(buffer, offset, staging, at, nbytes);
        device.queue.submit([encoder.finish()]);
        staging.mapAsync(1, 0, total).then(
          () => {
            reading.bytes = new Uint8Array(staging.getMappedRange(0, total)).slice();
            staging.unmap();
            this.#keepStaging(staging);
            resolve();
          },
          (/** @type {unknown} */ error) => {
            staging.destroy();
            // A loss may be told a moment after what it stopped.
            const patience = new Promise((next) => setTimeout(next, 200));
            void Promise.race([device.lost, patience]).then(() => giveUp(explain(error)));
          },
        );
      };
      this.#inOrder(work, null, () => giveUp("the GPU did not come to it"));
    });
    return reading;
  }

  /** @param {number} nbytes */
  #takeStaging(nbytes) {
    const size = Math.max(256, 2 ** Math.ceil(Math.log2(nbytes)));
    return this.#staging.get(size)?.pop() ?? this.#device.createBuffer({ size, usage: READBACK });
  }

  /** @param {GPUBuffer} buffer */
  #keepStaging(buffer) {
    const kept = this.#staging.get(buffer.size) ?? [];
    if (buffer.size > KEPT_BYTES || kept.length >= KEPT_COUNT || this.lost) buffer.destroy();
    else this.#staging.set(buffer.size, [...kept, buffer]);
  }

  // --- order --------------------------------------------------------------------------------------------------
  /**
   * Now, or after what waits.
   * @param {() => void} work
   * @param {Promise<unknown> | null} [ready]
   * @param {() => void} [abandon]
   */
  #inOrder(work, ready = null, abandon = () => {}) {
    if (this.#line) this.#line.push({ ready, work, abandon });
    else if (!ready) work();
    else {
      this.#line = [{ ready, work, abandon }];
      void this.#drain(this.#line);
    }
  }

  /** @param {Waiting[]} line */
  async #drain(line) {
    for (let next = line.shift(); next; next = line.shift()) {
      await next.ready;
      try {
        // Buffers and pipelines of a lost device are none of its successor's.
        if (this.lost || this.#line !== line) next.abandon();
        else next.work();
      } catch (error) {
        this.#fail(explain(error));
        next.abandon();
      }
    }
    if (this.#line === line) this.#line = null;
  }

  // --- plans --------------------------------------------------------------------------------------------------
  /**
   * @param {string} text JSON of a `PlanSpec`
   * @param {Uint8Array} uniforms
   */
  plan(text, uniforms) {
    /** @type {PlanSpec} */
    const spec = JSON.parse(text);
    const plan = this.#make(spec, uniforms);
    this.#plans.set(this.#next, plan);
    return this.#next++;
  }

  /** @param {PlanSpec} spec @param {Uint8Array} words */
  #make(spec, words) {
    const pipelines = /** @type {Pipelines} */ (this.#pipelines);
    return this.#watched(`the program ${spec.label}`, () =>
      makePlan(pipelines, spec, words, (name) => this.#buffer(name)),
    );
  }

  /**
   * @param {number} name
   * @param {Uint8Array} rows words of each step's dynamic numbers, not to be changed afterwards
   * @param {number} steps
   * @param {number[]} indices
   * @param {boolean} keep
   */
  replay(name, rows, steps, indices, keep) {
    if (this.lost) throw new DeviceLost(this.lost, { where: "webgpu" });
    const plan = this.#plans.get(name);
    if (!plan) throw new DeviceError(`${name} is not a plan of this device`, { where: "webgpu" });
    const encode = () => {
      if (this.#plans.get(name) !== plan) return; // whoever asked has gone, and its buffers with it
      encodePlan(this.#device, plan, { rows, steps, indices, keep }, (buffer) => this.#buffer(buffer));
    };
    this.#inOrder(encode, plan.ready);
  }

  /** @param {number} name */
  drop(name) {
    const plan = this.#plans.get(name);
    this.#plans.delete(name);
    this.#inOrder(() => {
      plan?.uniforms?.destroy();
      plan?.table?.destroy();
    });
  }

  /**
   * Lose the device as a driver's crash would: what tests and a button for the curious use.
   * @param {string} [reason]
   */
  lose(reason = "unknown") {
    this.lost = `the GPU was lost (${reason}): on purpose`;
    this.#device.destroy();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.lost = "the device was closed";
    this.#device.destroy();
    for (const map of [this.#buffers, this.#kept, this.#plans, this.#staging]) map.clear();
    this.#bytes = 0;
  }
}
