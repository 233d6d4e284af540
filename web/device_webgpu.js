/**
 * A GPU in a page: adapter and device, buffers, plans (`loom_py/runtime/webgpu/encode.py`) and readings, all named by
 * integers. Python's `runtime/webgpu/js_host.py` is the other side; nothing here knows a kernel.
 *
 * Pipelines are compiled in the background. What is asked for meanwhile waits in line, so that Python need not.
 */

import { DeviceError, DeviceLost, explain } from "./errors.js";

/** @typedef {any} GPUDevice */
/** @typedef {any} GPUBuffer */
/** @typedef {{shader: string, entry: string, constants: Record<string, number>, layout: [number, string][]}} PipelineSpec */
/** @typedef {{pipeline: number, groups: [number, number, number], uniform: number, buffers: [number, number, number, number][]}} DispatchSpec */
/** @typedef {{from: number, to: number, nbytes: number, rows: number}} CopySpec */
/**
 * @typedef {object} PlanSpec
 * @property {string} label
 * @property {Record<string, string>} sources
 * @property {PipelineSpec[]} pipelines
 * @property {DispatchSpec[]} dispatches
 * @property {{buffer: number, nbytes: number, used: boolean}} row
 * @property {CopySpec[]} tables
 * @property {CopySpec[]} keeps
 */
/** @typedef {{layout: any, pipeline: any, ready: Promise<void>}} Pipeline */
/**
 * @typedef {object} Plan
 * @property {PlanSpec} spec
 * @property {{pipeline: Pipeline, group: any, groups: [number, number, number]}[]} calls
 * @property {Uint8Array} words of the uniforms
 * @property {GPUBuffer | null} uniforms
 * @property {GPUBuffer | null} table dynamic rows of many steps
 * @property {Promise<unknown> | null} ready null once everything is compiled
 */
/** @typedef {{powerPreference?: "high-performance" | "low-power", onProgress?: (progress: {status: string, loaded: number, total: number}) => void}} WebGPUOptions */

/** Bits of GPUBufferUsage and GPUMapMode, which workers of some browsers lack as globals. */
const STORAGE = 0x80 | 0x08 | 0x04; // STORAGE | COPY_DST | COPY_SRC
const UNIFORM = 0x40 | 0x08;
const READBACK = 0x01 | 0x08; // MAP_READ | COPY_DST
const COMPUTE = 4;
/** Dispatches in one submit: more would keep others, and the browser's watchdog, waiting. */
const MAX_DISPATCHES = 4096;
/** Staging buffers are kept up to this size, so many of each. */
const KEPT_BYTES = 1 << 22;
const KEPT_COUNT = 4;
const FEATURES = ["shader-f16", "subgroups", "timestamp-query"];
/** @type {Record<string, string>} */
const ACCESS = { uniform: "uniform", write: "storage", read: "read-only-storage", row: "read-only-storage" };

/** Bytes on their way back. `promise` always resolves; then `bytes` or `error` is there. */
class Reading {
  /** @type {Uint8Array | null} */
  bytes = null;
  error = "";
  /** @type {Promise<void>} */
  promise = Promise.resolve();
}

/** See `Host` in `runtime/webgpu/host.py`. */
export class WebGPUHost {
  /** Why the device is gone; empty while it is there. */
  lost = "";
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
  /** @type {Map<string, any>} */
  #modules = new Map();
  /** @type {Map<string, Pipeline>} */
  #pipelines = new Map();
  /** @type {Map<number, GPUBuffer[]>} */
  #staging = new Map();
  /** What waits for pipelines, in order; null when nothing does.
   * @type {{ready: Promise<unknown> | null, work: () => void}[] | null} */
  #line = null;
  /** The first thing that went wrong since Python last asked. */
  #failure = "";
  #closed = false;
  #bytes = 0;

  /** @param {WebGPUOptions} options */
  constructor(options) {
    this.options = options;
    this.compiled = 0;
    this.compiling = 0;
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
   * contents again, the others are zeros.
   */
  async reopen() {
    const gpu = /** @type {any} */ (globalThis.navigator)?.gpu;
    if (!gpu) throw new DeviceError("this browser has no WebGPU", { where: "webgpu" });
    const { powerPreference = "high-performance" } = this.options;
    const adapter = await gpu.requestAdapter({ powerPreference });
    if (!adapter) throw new DeviceError("the browser offers no GPU", { where: "webgpu", remedy: "Enable hardware acceleration in its settings." });
    const features = FEATURES.filter((name) => adapter.features.has(name));
    /** @type {Record<string, number>} */
    const limits = {};
    for (const name in adapter.limits) {
      if (/storage|compute|buffersize|bindgroup/i.test(name) && !/stage$|texture/i.test(name)) limits[name] = adapter.limits[name];
    }
    limits.maxStorageBuffersPerShaderStage = adapter.limits.maxStorageBuffersPerShaderStage;
    const device = await adapter.requestDevice({ requiredFeatures: features, requiredLimits: limits });
    for (const map of [this.#modules, this.#pipelines, this.#staging]) map.clear();
    this.#line = null;
    this.#failure = "";
    this.compiled = this.compiling = 0;
    this.#device = device;
    this.lost = "";
    this.#closed = false;
    device.onuncapturederror = (/** @type {any} */ event) => this.#fail(event.error?.message ?? "unknown error");
    void device.lost.then((/** @type {{reason: string, message: string}} */ info) => {
      if (this.#device !== device || this.#closed) return;
      this.lost ||= `the GPU was lost (${info.reason || "unknown"}): ${info.message || "no reason was given"}`;
    });
    const { vendor, architecture, device: name, description, isFallbackAdapter } = adapter.info;
    const said = { vendor, architecture, name, description, type: isFallbackAdapter ? "CPU (fallback)" : "GPU", backend: "WebGPU" };
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
    const buffer = this.#watched(`a buffer of ${size} bytes`, () => this.#device.createBuffer({ size, usage: STORAGE }));
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
    reading.promise = new Promise((resolve) => {
      this.#inOrder(() => {
        const device = this.#device;
        const staging = this.#takeStaging(total);
        const encoder = device.createCommandEncoder();
        for (const { buffer, offset, nbytes, at } of parts) encoder.copyBufferToBuffer(buffer, offset, staging, at, nbytes);
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
            void Promise.race([device.lost, patience]).then(() => {
              reading.error = this.lost || explain(error);
              resolve();
            });
          },
        );
      });
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
   */
  #inOrder(work, ready = null) {
    if (this.#line) this.#line.push({ ready, work });
    else if (!ready) work();
    else {
      this.#line = [{ ready, work }];
      void this.#drain(this.#line);
    }
  }

  /** @param {{ready: Promise<unknown> | null, work: () => void}[]} line */
  async #drain(line) {
    for (let next = line.shift(); next; next = line.shift()) {
      await next.ready;
      try {
        next.work();
      } catch (error) {
        this.#fail(explain(error));
      }
    }
    if (this.#line === line) this.#line = null;
  }

  // --- plans --------------------------------------------------------------------------------------------------
  /**
   * @param {PipelineSpec} spec
   * @param {Record<string, string>} sources
   * @returns {Pipeline}
   */
  #pipeline(spec, sources) {
    const key = JSON.stringify(spec);
    const known = this.#pipelines.get(key);
    if (known) return known;
    const device = this.#device;
    const label = `${spec.shader}.${spec.entry}`;
    let module = this.#modules.get(spec.shader);
    if (!module) {
      module = device.createShaderModule({ label: spec.shader, code: sources[spec.shader] });
      this.#modules.set(spec.shader, module);
    }
    const entries = spec.layout.map(([binding, kind]) => ({ binding, visibility: COMPUTE, buffer: { type: ACCESS[kind] } }));
    const layout = device.createBindGroupLayout({ label, entries });
    /** @type {Pipeline} */
    const made = { layout, pipeline: null, ready: Promise.resolve() };
    this.compiling++;
    const told = () => this.options.onProgress?.({ status: "compile", loaded: ++this.compiled, total: this.compiling });
    made.ready = device
      .createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: spec.entry, constants: spec.constants },
      })
      .then(
        (/** @type {any} */ pipeline) => void (made.pipeline = pipeline),
        (/** @type {unknown} */ error) => this.#fail(`the shader ${label} could not be compiled: ${explain(error)}`),
      )
      .then(told);
    this.#pipelines.set(key, made);
    return made;
  }

  /**
   * @param {string} text JSON of a `PlanSpec`
   * @param {Uint8Array} uniforms
   */
  plan(text, uniforms) {
    /** @type {PlanSpec} */
    const spec = JSON.parse(text);
    const plan = this.#watched(`the program ${spec.label}`, () => this.#make(spec, uniforms));
    this.#plans.set(this.#next, plan);
    return this.#next++;
  }

  /**
   * @param {PlanSpec} spec
   * @param {Uint8Array} words
   * @returns {Plan}
   */
  #make(spec, words) {
    const device = this.#device;
    const uniforms = words.length ? device.createBuffer({ size: words.length, usage: UNIFORM }) : null;
    if (uniforms) device.queue.writeBuffer(uniforms, 0, words);
    const pipelines = spec.pipelines.map((p) => this.#pipeline(p, spec.sources));
    const calls = spec.dispatches.map(({ pipeline: index, groups, uniform, buffers }) => {
      const pipeline = /** @type {Pipeline} */ (pipelines[index]);
      const entries = buffers.map(([binding, name, offset, size]) => ({ binding, resource: { buffer: this.#buffer(name), offset, size } }));
      for (const [binding, kind] of spec.pipelines[index]?.layout ?? []) {
        if (kind === "row") entries.push({ binding, resource: { buffer: this.#buffer(spec.row.buffer), offset: 0, size: spec.row.nbytes } });
        if (kind === "uniform") entries.push({ binding, resource: { buffer: uniforms, offset: uniform, size: 256 } });
      }
      return { pipeline, group: device.createBindGroup({ layout: pipeline.layout, entries }), groups };
    });
    /** @type {Plan} */
    const plan = { spec, words, calls, uniforms, table: null, ready: null };
    if (pipelines.some((p) => !p.pipeline)) {
      plan.ready = Promise.all(pipelines.map((p) => p.ready)).then(() => void (plan.ready = null));
    }
    return plan;
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
    this.#inOrder(() => this.#encode(plan, rows, steps, indices, keep), plan.ready);
  }

  /** @param {Plan} plan @param {Uint8Array} rows @param {number} steps @param {number[]} indices @param {boolean} keep */
  #encode(plan, rows, steps, indices, keep) {
    const { spec, calls } = plan;
    const device = this.#device;
    if (calls.some((call) => !call.pipeline.pipeline)) return; // said when it failed to compile
    const row = this.#buffer(spec.row.buffer);
    const { nbytes, used } = spec.row;
    if (used && steps === 1) device.queue.writeBuffer(row, 0, rows);
    else if (used) {
      if (!plan.table || plan.table.size < rows.length) {
        plan.table?.destroy();
        plan.table = device.createBuffer({ size: rows.length, usage: STORAGE });
      }
      device.queue.writeBuffer(plan.table, 0, rows);
    }
    const copies = (/** @type {CopySpec} */ { from, to, ...rest }) => ({ from: this.#buffer(from), to: this.#buffer(to), ...rest });
    const tables = indices.length ? spec.tables.map(copies) : [];
    const keeps = keep ? spec.keeps.map(copies) : [];
    const chunk = Math.max(1, Math.floor(MAX_DISPATCHES / Math.max(calls.length, 1)));
    for (let start = 0; start < steps; start += chunk) {
      const encoder = device.createCommandEncoder();
      for (let step = start; step < Math.min(steps, start + chunk); step++) {
        if (used && steps > 1) encoder.copyBufferToBuffer(plan.table, step * nbytes, row, 0, nbytes);
        for (const t of tables) {
          encoder.copyBufferToBuffer(t.from, ((indices[step] ?? 0) % t.rows) * t.nbytes, t.to, 0, t.nbytes);
        }
        const pass = encoder.beginComputePass();
        for (const { pipeline, group, groups } of calls) {
          pass.setPipeline(pipeline.pipeline);
          pass.setBindGroup(0, group);
          pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
        }
        pass.end();
        for (const k of keeps) encoder.copyBufferToBuffer(k.from, 0, k.to, step * k.nbytes, k.nbytes);
      }
      device.queue.submit([encoder.finish()]);
    }
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
    for (const map of [this.#buffers, this.#kept, this.#plans, this.#modules, this.#pipelines, this.#staging]) map.clear();
    this.#bytes = 0;
  }
}
