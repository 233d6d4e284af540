/**
 * A GPU in a page: adapter and device, buffers, plans (`loom_py/runtime/webgpu/plan.py`) and readings, all named by
 * integers. Python's `runtime/webgpu/js_host.py` is the other side; nothing here knows a kernel.
 *
 * Pipelines are compiled in the background. Work that needs them waits in a queue, so that Python need not wait.
 */

import { DeviceError, DeviceLost, explain } from "../errors.js";
import { requestDevice } from "./webgpu_device.js";
import { Pipelines, STORAGE, encodePlan, makePlan } from "./webgpu_plan.js";
import { WorkQueue } from "./webgpu_queue.js";
import { Reading, Staging } from "./webgpu_readback.js";

/** @typedef {import("./webgpu_plan.js").PlanSpec} PlanSpec */
/** @typedef {import("./webgpu_plan.js").Plan} Plan */
/** @typedef {import("./webgpu_plan.js").OnCompiled} OnCompiled */
/** @typedef {{powerPreference?: GPUPowerPreference, onProgress?: OnCompiled}} WebGPUOptions */
/** A device and what belongs to it alone. @typedef {{device: GPUDevice, pipelines: Pipelines, staging: Staging, queue: WorkQueue}} Current */

/** Milliseconds to wait for the browser to report a loss, which may come after the failure of the current work. */
const LOSS_MS = 200;

/** See `Host` in `runtime/webgpu/host.py`. */
export class WebGPUHost {
  /** Why the device is lost; empty while it works. */
  lost = "";
  /** How many devices have been opened; results on an earlier one are lost. */
  generation = 0;
  /** @type {Current | null} */
  #current = null;
  #nextName = 1;
  /** @type {Map<number, GPUBuffer>} */
  #buffers = new Map();
  /** Contents to write again after a loss: the only copy of weights besides the GPU's. @type {Map<number, Uint8Array<ArrayBuffer>>} */
  #contents = new Map();
  /** @type {Map<number, Plan>} */
  #plans = new Map();
  /** Resolves when a new device is open; null when none is being opened. @type {Promise<void> | null} */
  #opening = null;
  /** The first failure since Python last asked for one. */
  #failure = "";
  #closed = false;
  #bytes = 0;

  /** @param {WebGPUOptions} options */
  constructor(options) {
    this.options = options;
    /** JSON of the adapter's description, its features and limits. */
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
   * Replace a lost device by a new one. Buffers and plans keep their names; those written with `keep` have their
   * contents again, the others are zeros. Concurrent calls share one reopening.
   * @returns {Promise<void>}
   */
  reopen() {
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #open() {
    const { powerPreference = "high-performance", onProgress } = this.options;
    const { device, facts } = await requestDevice(powerPreference);
    if (this.#closed) {
      device.destroy();
      throw new DeviceError("the device was closed", { where: "webgpu" });
    }
    this.#forgetDevice();
    const fail = (/** @type {string} */ message) => this.#fail(message);
    this.#failure = "";
    this.#current = {
      device,
      pipelines: new Pipelines(device, fail, onProgress),
      staging: new Staging(device),
      queue: new WorkQueue(() => this.lost !== "", fail),
    };
    this.facts = facts;
    this.lost = "";
    this.generation++;
    device.onuncapturederror = ({ error }) => fail(error.message);
    void device.lost.then(({ reason, message }) => {
      if (this.#current?.device !== device || this.#closed) return;
      this.lost ||= `the GPU was lost (${reason || "unknown"}): ${message || "no reason was given"}`;
    });
    for (const [name, { size }] of this.#buffers) {
      const contents = this.#contents.get(name);
      const buffer = this.#watched("a buffer", () => device.createBuffer({ size, usage: STORAGE }));
      if (contents) device.queue.writeBuffer(buffer, 0, contents);
      this.#buffers.set(name, buffer);
    }
    for (const [name, { spec, words }] of this.#plans) this.#plans.set(name, this.#make(spec, words));
  }

  /** @returns {Current} */
  #opened() {
    if (!this.#current) throw new DeviceError("the device is not open", { where: "webgpu" });
    return this.#current;
  }

  #forgetDevice() {
    this.#current?.queue.close();
    this.#current?.staging.close();
    this.#current = null;
  }

  /** @param {string} message */
  #fail(message) {
    this.#failure ||= message;
  }

  /** The failure since the last call, as text; empty if there was none. */
  failure() {
    const text = this.#failure;
    this.#failure = "";
    return text;
  }

  /**
   * WebGPU reports errors of creation later; they are kept for `failure`.
   * @template T
   * @param {string} what
   * @param {() => T} make
   * @returns {T}
   */
  #watched(what, make) {
    if (this.lost) throw new DeviceLost(this.lost, { where: "webgpu" });
    const { device } = this.#opened();
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    try {
      return make();
    } finally {
      for (const kind of ["is invalid", "does not fit the GPU's memory"]) {
        device.popErrorScope().then(
          (error) => error && this.#fail(`${what} ${kind}: ${error.message}`),
          () => {},
        );
      }
    }
  }

  // --- memory -------------------------------------------------------------------------------------------------
  /** @param {number} size */
  create(size) {
    const buffer = this.#watched(`a buffer of ${size} bytes`, () =>
      this.#opened().device.createBuffer({ size, usage: STORAGE }),
    );
    this.#buffers.set(this.#nextName, buffer);
    this.#bytes += size;
    return this.#nextName++;
  }

  /** @param {number} name */
  destroy(name) {
    const buffer = this.#buffers.get(name);
    if (!buffer) return;
    this.#buffers.delete(name);
    this.#contents.delete(name);
    this.#bytes -= buffer.size;
    this.#opened().queue.add(() => buffer.destroy());
  }

  /** [bytes, buffers] that Python has created and not destroyed. */
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
   * @param {Uint8Array<ArrayBuffer>} data whole words, not to be changed afterwards
   * @param {boolean} keep write it again after a loss; `offset` is 0 then
   */
  write(name, offset, data, keep) {
    if (keep || this.#contents.has(name)) this.#contents.set(name, data);
    const buffer = this.#buffer(name);
    const { device, queue } = this.#opened();
    queue.add(() => device.queue.writeBuffer(buffer, offset, data));
  }

  /** @param {number} source @param {number} target @param {number} nbytes */
  copy(source, target, nbytes) {
    const [from, to] = [this.#buffer(source), this.#buffer(target)];
    const { device, queue } = this.#opened();
    queue.add(() => {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, to, 0, nbytes);
      device.queue.submit([encoder.finish()]);
    });
  }

  /**
   * @param {number[]} pieces buffer, offset, bytes, and again
   * @returns {Reading}
   */
  read(pieces) {
    const reading = new Reading();
    /** @type {import("./webgpu_readback.js").Part[]} */
    const parts = [];
    for (let i = 0; i < pieces.length; i += 3) {
      const [name, offset, nbytes] = /** @type {[number, number, number]} */ (pieces.slice(i, i + 3));
      parts.push({ buffer: this.#buffer(name), offset, nbytes });
    }
    const { device, staging, queue } = this.#opened();
    reading.promise = new Promise((resolve) => {
      const giveUp = (/** @type {string} */ reason) => {
        reading.lost = this.lost !== "" || this.#current?.device !== device;
        reading.error = this.lost || reason;
        resolve();
      };
      const run = () => {
        staging.read(parts).then(
          (bytes) => {
            reading.bytes = bytes;
            resolve();
          },
          async (error) => {
            await Promise.race([device.lost, new Promise((next) => setTimeout(next, LOSS_MS))]);
            giveUp(explain(error));
          },
        );
      };
      queue.add(run, null, () => giveUp("the GPU was gone before its turn came"));
    });
    return reading;
  }

  // --- plans --------------------------------------------------------------------------------------------------
  /**
   * @param {string} text JSON of a `PlanSpec`
   * @param {Uint8Array<ArrayBuffer>} uniforms
   */
  plan(text, uniforms) {
    /** @type {PlanSpec} */
    const spec = JSON.parse(text);
    const plan = this.#make(spec, uniforms);
    this.#plans.set(this.#nextName, plan);
    return this.#nextName++;
  }

  /** @param {PlanSpec} spec @param {Uint8Array<ArrayBuffer>} words */
  #make(spec, words) {
    const { pipelines } = this.#opened();
    return this.#watched(`the program ${spec.label}`, () =>
      makePlan(pipelines, spec, words, (name) => this.#buffer(name)),
    );
  }

  /**
   * @param {number} name
   * @param {Uint8Array<ArrayBuffer>} rows words of each step's dynamic numbers, not to be changed afterwards
   * @param {number} steps
   * @param {number[]} indices
   * @param {boolean} keep
   */
  replay(name, rows, steps, indices, keep) {
    if (this.lost) throw new DeviceLost(this.lost, { where: "webgpu" });
    const plan = this.#plans.get(name);
    if (!plan) throw new DeviceError(`${name} is not a plan of this device`, { where: "webgpu" });
    const { device, queue } = this.#opened();
    const encode = () => {
      if (this.#plans.get(name) !== plan) return; // dropped meanwhile, and its buffers with it
      encodePlan(device, plan, { rows, steps, indices, keep }, (buffer) => this.#buffer(buffer));
    };
    queue.add(encode, plan.ready);
  }

  /** @param {number} name */
  drop(name) {
    const plan = this.#plans.get(name);
    this.#plans.delete(name);
    this.#opened().queue.add(() => {
      plan?.uniforms?.destroy();
      plan?.table?.destroy();
    });
  }

  /**
   * Lose the device as a driver's crash would, for tests and demonstrations.
   * @param {string} [reason]
   */
  lose(reason = "unknown") {
    this.lost = `the GPU was lost (${reason}): on purpose`;
    this.#opened().device.destroy();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.lost = "the device was closed";
    this.#current?.device.destroy();
    this.#current?.staging.close();
    for (const map of [this.#buffers, this.#contents, this.#plans]) map.clear();
    this.#bytes = 0;
  }
}
