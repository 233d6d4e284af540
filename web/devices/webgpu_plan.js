/** Plans on a GPU's device: pipelines compiled in the background, bind groups made once, replays encoded. */

import { DeviceError, explain } from "../errors.js";

/** @typedef {{shader: string, entry: string, constants: Record<string, number>, layout: [binding: number, kind: string][]}} PipelineSpec */
/** @typedef {{pipeline: number, groups: [number, number, number], uniform: number, buffers: [binding: number, name: number, offset: number, size: number][]}} DispatchSpec */
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
/** @typedef {(progress: {status: "compile", loaded: number, total: number}) => void} OnCompiled */
/** A compute pipeline; `pipeline` is null until it is compiled, and stays so when it cannot be. @typedef {{layout: GPUBindGroupLayout, pipeline: GPUComputePipeline | null, ready: Promise<void>}} Pipeline */
/**
 * @typedef {object} Plan
 * @property {PlanSpec} spec
 * @property {{pipeline: Pipeline, group: GPUBindGroup, groups: [number, number, number]}[]} calls
 * @property {Uint8Array<ArrayBuffer>} words of the uniforms
 * @property {GPUBuffer | null} uniforms
 * @property {GPUBuffer | null} table dynamic rows of many steps
 * @property {Promise<unknown> | null} ready null once everything is compiled
 */

/** Bits of GPUBufferUsage, which workers of some browsers lack as a global: STORAGE | COPY_DST | COPY_SRC. */
export const STORAGE = 0x80 | 0x08 | 0x04;
const UNIFORM = 0x40 | 0x08; // UNIFORM | COPY_DST
const COMPUTE = 4;
/** Dispatches in one submit: more would block other work and alarm the browser's watchdog. */
const MAX_DISPATCHES = 4096;
/** @type {Record<string, GPUBufferBindingType>} */
const ACCESS = { uniform: "uniform", write: "storage", read: "read-only-storage", row: "read-only-storage" };

/** The pipelines of a device; each is compiled once, all concurrently. */
export class Pipelines {
  /** @type {Map<string, GPUShaderModule>} */
  #modules = new Map();
  /** @type {Map<string, Pipeline>} */
  #pipelines = new Map();
  #done = 0;

  /**
   * @param {GPUDevice} device
   * @param {(message: string) => void} fail called for shaders that cannot be compiled
   * @param {OnCompiled} [onProgress]
   */
  constructor(device, fail, onProgress = () => {}) {
    this.device = device;
    this.fail = fail;
    this.onProgress = onProgress;
  }

  /**
   * @param {PipelineSpec} spec
   * @param {Record<string, string>} sources
   * @returns {Pipeline}
   */
  get(spec, sources) {
    const key = JSON.stringify(spec);
    const existing = this.#pipelines.get(key);
    if (existing) return existing;
    const { device } = this;
    const label = `${spec.shader}.${spec.entry}`;
    const entries = spec.layout.map(([binding, kind]) => ({
      binding,
      visibility: COMPUTE,
      buffer: { type: ACCESS[kind] },
    }));
    const layout = device.createBindGroupLayout({ label, entries });
    /** @type {Pipeline} */
    const entry = { layout, pipeline: null, ready: Promise.resolve() };
    this.#pipelines.set(key, entry);
    entry.ready = device
      .createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: this.#module(spec.shader, sources), entryPoint: spec.entry, constants: spec.constants },
      })
      .then(
        (pipeline) => void (entry.pipeline = pipeline),
        (/** @type {unknown} */ error) => this.fail(`the shader ${label} could not be compiled: ${explain(error)}`),
      )
      .then(() => this.onProgress({ status: "compile", loaded: ++this.#done, total: this.#pipelines.size }));
    return entry;
  }

  /** @param {string} name @param {Record<string, string>} sources */
  #module(name, sources) {
    const existing = this.#modules.get(name);
    if (existing) return existing;
    const code = sources[name];
    if (code === undefined) throw new DeviceError(`the plan has no source for the shader ${name}`, { where: "webgpu" });
    const module = this.device.createShaderModule({ label: name, code });
    this.#modules.set(name, module);
    return module;
  }
}

/**
 * @param {Pipelines} pipelines
 * @param {PlanSpec} spec
 * @param {Uint8Array<ArrayBuffer>} words
 * @param {(name: number) => GPUBuffer} buffer
 * @returns {Plan}
 */
export function makePlan(pipelines, spec, words, buffer) {
  const { device } = pipelines;
  const uniforms = words.length ? device.createBuffer({ size: words.length, usage: UNIFORM }) : null;
  if (uniforms) device.queue.writeBuffer(uniforms, 0, words);
  const pipelinesOfPlan = spec.pipelines.map((p) => pipelines.get(p, spec.sources));
  const calls = spec.dispatches.map(({ pipeline: index, groups, uniform, buffers }) => {
    const pipeline = /** @type {Pipeline} */ (pipelinesOfPlan[index]);
    const entries = buffers.map(([binding, name, offset, size]) => ({
      binding,
      resource: { buffer: buffer(name), offset, size },
    }));
    for (const [binding, kind] of spec.pipelines[index]?.layout ?? []) {
      if (kind === "row")
        entries.push({ binding, resource: { buffer: buffer(spec.row.buffer), offset: 0, size: spec.row.nbytes } });
      if (kind === "uniform" && uniforms)
        entries.push({ binding, resource: { buffer: uniforms, offset: uniform, size: 256 } });
    }
    return { pipeline, group: device.createBindGroup({ layout: pipeline.layout, entries }), groups };
  });
  /** @type {Plan} */
  const plan = { spec, words, calls, uniforms, table: null, ready: null };
  if (pipelinesOfPlan.some((p) => !p.pipeline)) {
    plan.ready = Promise.all(pipelinesOfPlan.map((p) => p.ready)).then(() => void (plan.ready = null));
  }
  return plan;
}

/**
 * Submit a plan `steps` times. One that could not be compiled does nothing: `Pipelines` has reported it.
 * @param {GPUDevice} device
 * @param {Plan} plan
 * @param {{rows: Uint8Array<ArrayBuffer>, steps: number, indices: number[], keep: boolean}} work
 * @param {(name: number) => GPUBuffer} buffer
 */
export function encodePlan(device, plan, { rows, steps, indices, keep }, buffer) {
  const { spec, calls } = plan;
  const compiled = calls.flatMap(({ pipeline: { pipeline }, ...call }) => (pipeline ? [{ pipeline, ...call }] : []));
  if (compiled.length < calls.length) return;
  const row = buffer(spec.row.buffer);
  const { nbytes, used } = spec.row;
  if (used && steps === 1) device.queue.writeBuffer(row, 0, rows);
  else if (used) {
    if (!plan.table || plan.table.size < rows.length) {
      plan.table?.destroy();
      plan.table = device.createBuffer({ size: rows.length, usage: STORAGE });
    }
    device.queue.writeBuffer(plan.table, 0, rows);
  }
  const copies = (/** @type {CopySpec} */ { from, to, ...rest }) => ({ from: buffer(from), to: buffer(to), ...rest });
  const tables = indices.length ? spec.tables.map(copies) : [];
  const keeps = keep ? spec.keeps.map(copies) : [];
  const chunk = Math.max(1, Math.floor(MAX_DISPATCHES / Math.max(calls.length, 1)));
  for (let start = 0; start < steps; start += chunk) {
    const encoder = device.createCommandEncoder();
    for (let step = start; step < Math.min(steps, start + chunk); step++) {
      if (used && plan.table && steps > 1) encoder.copyBufferToBuffer(plan.table, step * nbytes, row, 0, nbytes);
      for (const t of tables) {
        encoder.copyBufferToBuffer(t.from, ((indices[step] ?? 0) % t.rows) * t.nbytes, t.to, 0, t.nbytes);
      }
      const pass = encoder.beginComputePass();
      for (const { pipeline, group, groups } of compiled) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
      }
      pass.end();
      for (const k of keeps) encoder.copyBufferToBuffer(k.from, 0, k.to, step * k.nbytes, k.nbytes);
    }
    device.queue.submit([encoder.finish()]);
  }
}
