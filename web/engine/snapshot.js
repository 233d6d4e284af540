/**
 * Python out of the memory of one that had started and imported what pages use: `pyodide/snapshot.bin`, which the build made
 * (`tools/snapshot.mjs`).
 *
 * Besides the memory it takes NumPy's libraries of machine code, which the memory refers to by places in the table of
 * functions. They are loaded again here in the same order to the same places, and then the memory is put over everything.
 */

import { entries } from "./packed.js";

/** @typedef {import("./packed.js").Packed} Packed */
/** @typedef {{handle: number, name: string, global: boolean, nodelete: boolean, memory: number, table: number}} Library */
/** `floor`: where the first library's functions begin; `table` and `heap`: sizes at the end. @typedef {{floor: number, table: number, heap: number, libraries: Library[]}} Layout */
/** What is used of Pyodide's Emscripten module. @typedef {Record<string, any>} Module */

export class Snapshot {
  /** The memory as Pyodide wrote it. @type {Uint8Array<ArrayBuffer>} */
  memory;
  /** @type {Layout} */
  #layout;
  /** @type {WebAssembly.Module[]} */
  #libraries;
  /** Sets what belongs to this JavaScript engine. @type {() => void} */
  #own = () => {};

  /**
   * @param {Packed} packed
   * @param {WebAssembly.Module[]} libraries
   */
  constructor({ head, body }, libraries) {
    this.memory = body;
    this.#layout = head;
    this.#libraries = libraries;
  }

  /**
   * @param {Packed} snapshot
   * @param {Packed} packages hold the libraries
   */
  static async open(snapshot, packages) {
    const contents = entries(packages);
    const libraries = /** @type {Layout} */ (snapshot.head).libraries.map(async ({ name }) => {
      const bytes = contents.get(name.replace(/^.*\/site-packages\//, ""));
      if (!bytes) throw new Error(`${name} is not in the packages`);
      return WebAssembly.compile(bytes);
    });
    return new Snapshot(snapshot, await Promise.all(libraries));
  }

  /**
   * Make a module of Pyodide ready for the memory.
   * @param {Module} module
   */
  prepare(module) {
    const { floor, table, heap, libraries } = this.#layout;
    const size = () => module.wasmTable.length;
    const grow = (/** @type {number} */ place) => {
      if (size() > place) throw new Error(`the table of functions has ${size()} entries instead of ${place}`);
      module.wasmTable.grow(place - size());
    };
    if (!module.growMemory(heap)) throw new RangeError("there is no memory for a started Python");
    grow(floor);
    libraries.forEach(({ handle, name, global, nodelete, memory, table }, index) => {
      grow(table);
      module.placeLibrary = () => memory;
      const dso = module.newDSO(name, handle, "loading");
      Object.assign(dso, { global, refcount: nodelete ? Infinity : 1 });
      dso.exports = module.loadWebAssemblyModule(this.#libraries[index], { global, nodelete }, name, {}, handle);
    });
    delete module.placeLibrary;
    if (size() !== table) throw new Error(`the table of functions has ${size()} entries instead of ${table}`);

    const offset = module.HEAP32[module.__PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET >>> 2];
    const place = (module.__PyRuntime + offset) >>> 2;
    const trampoline = module.HEAP32[place];
    this.#own = () => (module.HEAP32[place] = trampoline);
    return module;
  }

  /** Give a Python that goes on from the memory what differs from page to page. @param {import("pyodide").PyodideInterface} pyodide */
  finish(pyodide) {
    this.#own();
    pyodide.runPython("import random; random.seed()");
  }
}
