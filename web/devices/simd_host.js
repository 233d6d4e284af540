/**
 * The compiled kernels (`simd/*.c`) in a page: an instance of the binary that fits, its memory, and its threads. Python's
 * `runtime/simd/js_host.py` is the other side.
 *
 * Threads need shared memory, hence a page that is cross-origin isolated; elsewhere the same kernels run on one thread.
 */

import { IntegrityError, InternalError, LoomError, RuntimeFailure } from "../errors.js";
import { RuntimeFiles } from "../runtime_files.js";
import { startWorker } from "../workers.js";

const PAGE = 65536;
const STACK_BYTES = 65536;
const SCRATCH_BYTES = 256 * 1024; // as in simd/loom.h
const MAX_THREADS = 16;
/** Memory limits to try, in pages: some machines have no addresses for the largest. */
const LIMITS = [65535, 32768, 16384, 8192];

/** `i32x4.relaxed_dot_i8x16_i7x16_add_s` of three constants: valid where relaxed SIMD is. */
const RELAXED = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65,
  0, 253, 15, 253, 147, 2, 11,
]);
/** `i8x16.splat` of a constant: valid where SIMD is. */
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
]);

/** @typedef {{threads?: number, relaxed?: boolean, files?: RuntimeFiles}} SimdOptions */

/** Whether the JavaScript engine has relaxed SIMD. */
export const hasRelaxed = () => WebAssembly.validate(RELAXED);
/** Whether the JavaScript engine has SIMD. */
export const hasSimd = () => WebAssembly.validate(SIMD);
/** Whether workers can share WebAssembly memory here. */
export const hasThreads = () =>
  globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer === "function" && typeof Worker === "function";

/**
 * How many of the requested threads there can be; by default one per core.
 * @param {number} [threads]
 */
export const threadCount = (threads = navigator.hardwareConcurrency || 1) =>
  hasThreads() ? Math.max(1, Math.min(threads, MAX_THREADS)) : 1;

/** See `Host` in `runtime/simd/host.py`. */
export class SimdHost {
  /** @type {Worker[]} */
  #pool = [];
  #closed = false;
  #kernels;
  #functions;

  /**
   * @param {WebAssembly.Module} module
   * @param {{memory: WebAssembly.Memory, limit: number}} room
   * @param {boolean} relaxed
   */
  constructor(module, { memory, limit }, relaxed) {
    this.memory = memory;
    /** Bytes that the memory may have at most. */
    this.limit = limit;
    this.relaxed = relaxed;
    this.threads = 1;
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    this.#kernels = /** @type {import("./kernel_exports.js").KernelExports} */ (/** @type {unknown} */ (exports));
    this.#functions = /** @type {import("./kernel_exports.js").KernelFunctions} */ (exports);
    this.base = this.#kernels.__heap_base.value;
  }

  /**
   * Throws a `RuntimeFailure` with the reason when there is no SIMD or the binary cannot be fetched.
   * @param {SimdOptions} [options] `threads`: at most this many (default: one per core); `relaxed`: false never uses it
   * @returns {Promise<SimdHost>}
   */
  static async open({ threads, relaxed = true, files } = {}) {
    if (!hasSimd()) throw new RuntimeFailure("this browser's WebAssembly has no SIMD", { where: "simd" });
    const fast = relaxed && hasRelaxed();
    const count = threadCount(threads);
    files ??= await RuntimeFiles.open();
    try {
      return await SimdHost.#open(fast, count, files);
    } catch (error) {
      if (count === 1 || error instanceof IntegrityError) throw error;
      return SimdHost.#open(fast, 1, files); // one thread works where workers cannot start
    }
  }

  /**
   * @param {boolean} fast with relaxed SIMD
   * @param {number} count of threads
   * @param {RuntimeFiles} files
   */
  static async #open(fast, count, files) {
    const name = `loom${fast ? "-relaxed" : ""}${count > 1 ? "-threads" : ""}.wasm`;
    try {
      const module = await files.module(`simd/${name}`);
      const host = new SimdHost(module, makeMemory(module, count > 1), fast);
      await host.#start(files.url("devices/simd_worker.js"), module, count);
      return host;
    } catch (error) {
      if (error instanceof LoomError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new RuntimeFailure(`the compiled kernels could not be started (${reason})`, { where: name, cause: error });
    }
  }

  /**
   * Every pool thread has an instance of its own with its own stack, and waits inside it for work.
   * @param {string} script of a thread
   * @param {WebAssembly.Module} module
   * @param {number} count
   */
  async #start(script, module, count) {
    const ready = [];
    try {
      for (let index = 1; index < count; index++) {
        const stack = this.base + STACK_BYTES;
        this.base = stack + SCRATCH_BYTES;
        if (!this.grow(this.base)) break;
        ready.push(this.#thread(script, module, index, stack));
      }
      await Promise.all(ready);
      this.threads = this.#pool.length + 1;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * @param {string} script
   * @param {WebAssembly.Module} module
   * @param {number} index
   * @param {number} stack
   */
  async #thread(script, module, index, stack) {
    const worker = await startWorker(script, { name: `loom-simd-${index}` });
    if (this.#closed) return worker.terminate();
    this.#pool.push(worker);
    return new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = (event) => reject(new Error(event.message || "a thread could not be started"));
      worker.postMessage({ module, memory: this.memory, index, stack });
    });
  }

  /** Bytes of memory. */
  size() {
    return this.memory.buffer.byteLength;
  }

  /**
   * Make the memory at least `size` bytes.
   * @param {number} size
   * @returns {boolean} false when there is no more
   */
  grow(size) {
    const pages = Math.ceil((size - this.size()) / PAGE);
    if (pages <= 0) return true;
    try {
      this.memory.grow(pages);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * The bytes at an address; good until the memory grows.
   * @param {number} address
   * @param {number} size
   */
  view(address, size) {
    return new Uint8Array(this.memory.buffer, address, size);
  }

  /**
   * @param {string} name of an exported function
   * @param {...number} args
   * @returns {number}
   */
  call(name, ...args) {
    const kernel = this.#functions[name];
    if (!kernel) throw new InternalError(`the compiled kernels have no function ${name}`, { where: "simd" });
    return (kernel(...args) ?? 0) >>> 0;
  }

  /** Stop the threads and free the memory. */
  close() {
    this.#closed = true;
    if (this.#pool.length) this.#kernels.quit();
    for (const worker of this.#pool) worker.terminate();
    this.#pool = [];
  }
}

/**
 * @param {WebAssembly.Module} module
 * @param {boolean} shared
 */
function makeMemory(module, shared) {
  const initial = minimum(module);
  for (const maximum of LIMITS) {
    try {
      return { memory: new WebAssembly.Memory({ initial, maximum, shared }), limit: maximum * PAGE };
    } catch (error) {
      if (maximum === LIMITS.at(-1)) throw error;
    }
  }
  throw new Error("no memory");
}

/**
 * Pages that the binary's own data needs; the standard way to read them is not available everywhere yet.
 * @param {WebAssembly.Module} module
 * @returns {number}
 */
function minimum(module) {
  const memoryImport = WebAssembly.Module.imports(module).find((entry) => entry.name === "memory");
  const type = /** @type {{type?: {minimum?: number}} | undefined} */ (memoryImport)?.type;
  return type?.minimum ?? 64;
}
