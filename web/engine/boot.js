/**
 * Starts Python (Pyodide) with `loom_py` inside: on the main thread, in a module worker, or in Node.
 * Nothing here needs cross-origin isolation, threads or JSPI.
 */

import { openDevices } from "../devices/open.js";
import { LoomError, MemoryError, RuntimeFailure, explain } from "../errors.js";
import { RuntimeFiles } from "../runtime_files.js";
import { SITE } from "../site.js";

/** @typedef {import("pyodide").PyodideInterface} Pyodide */
/** @typedef {import("./progress.js").OnProgress} OnProgress */
/** @typedef {{pyodide: Pyodide, bridge: any, version: string, threads: number | undefined, reopen: () => Promise<void>, close: () => void}} Runtime */
/** @typedef {import("../devices/open.js").DeviceOptions} DeviceOptions */
/** A module without anything in it: valid wherever WebAssembly is allowed. */
const EMPTY_MODULE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
/** Milliseconds for a script that has been fetched before to be imported. */
const IMPORT_MS = 20_000;

/** @type {Promise<Runtime> | null} */
let running = null;

/**
 * Start Python once in this thread; later calls share it. A failed start can be tried again.
 *
 * Progress counts files (`unit: "files"`), as they arrive from the network or the cache.
 * @param {{baseURL?: string | URL, onProgress?: OnProgress} & DeviceOptions} [options] `baseURL`: the folder with `worker.js`, `pyodide/` and `simd/`, by default that of `loom.js`
 * @returns {Promise<Runtime>}
 */
export function boot(options = {}) {
  running ??= start(options).catch((error) => {
    running = null;
    throw error instanceof LoomError ? error : failure(error);
  });
  return running;
}

/** @param {{baseURL?: string | URL, onProgress?: OnProgress} & DeviceOptions} options */
async function start({ baseURL = SITE, onProgress = () => {}, device, threads, digits }) {
  checkWebAssembly();
  const files = await RuntimeFiles.open(baseURL);
  /** @type {(error: unknown) => void} */
  let fail = () => {};
  /** Rejects with the first failure, which Pyodide itself would only log. @type {Promise<never>} */
  const failed = new Promise((_resolve, reject) => (fail = reject));
  /** @template T @param {Promise<T>} promise */
  const needed = (promise) => {
    promise.catch(fail);
    return promise;
  };
  const devices = needed(openDevices({ device, threads, digits, files })); // in parallel with the rest
  try {
    const pyodide = await Promise.race([startPython(files, needed, onProgress), failed]);
    onProgress({ status: "starting", file: "loom_py" });
    const bridge = pyodide.pyimport("loom_py.bridge.api");
    const opened = await devices;
    opened.register(bridge);
    const runtime = {
      pyodide,
      bridge,
      version: String(bridge.version()),
      threads,
      reopen: opened.reopen,
      close: opened.close,
    };
    onProgress({ status: "ready", file: "loom_py" });
    return runtime;
  } catch (error) {
    void devices.then(
      (opened) => opened.close(),
      () => {},
    );
    throw error;
  }
}

/**
 * Pyodide with `loom_py` loaded, out of files that are checked before they are used.
 * @param {RuntimeFiles} files
 * @param {<T>(promise: Promise<T>) => Promise<T>} needed reports a failure that ends the start
 * @param {OnProgress} onProgress
 * @returns {Promise<Pyodide>}
 */
async function startPython(files, needed, onProgress) {
  const { start } = files.list;
  let loaded = 0;
  onProgress({ status: "runtime", loaded, total: start.length, unit: "files" });
  /** @template T @param {string} name @param {Promise<T>} arriving */
  const counted = (name, arriving) => {
    void arriving.then(
      () => onProgress({ status: "runtime", file: name, loaded: ++loaded, total: start.length, unit: "files" }),
      () => {}, // `needed` has it
    );
    return needed(arriving);
  };
  const scripts = ["pyodide.mjs", "pyodide.asm.mjs"].map((name) => counted(name, files.script(`pyodide/${name}`)));
  const core = counted("pyodide.asm.wasm", files.module("pyodide/pyodide.asm.wasm"));
  /** @type {Map<string, Promise<Uint8Array<ArrayBuffer>>>} */
  const contents = new Map();
  for (const path of start) {
    const name = path.slice("pyodide/".length);
    if (!/\.(mjs|wasm)$/.test(name)) contents.set(name, counted(name, files.bytes(path)));
  }
  const content = (/** @type {string} */ name) => contents.get(name) ?? needed(files.bytes(`pyodide/${name}`));

  const lock = JSON.parse(new TextDecoder().decode(await content("pyodide-lock.json")));
  const [pyodideModule, coreModule] = await Promise.all(scripts.map(async (url) => importInTime(await url)));
  const folder = local(files.url("pyodide/"));
  const pyodide = await pyodideModule.loadPyodide({
    indexURL: folder,
    packageBaseUrl: folder,
    lockFileContents: lock,
    packages: ["loom_py"],
    createPyodideModule: coreModule.default,
    // These three are for the site's Pyodide only: tools/pyodide_patches.py.
    stdLibURL: content("python_stdlib.zip"),
    packageFile: content,
    instantiateWasm: (/** @type {Promise<object>} */ errorImports) => {
      return (
        /** @type {{env: object}} */ imports,
        /** @type {(instance: WebAssembly.Instance, module: WebAssembly.Module) => void} */ done,
      ) => {
        void needed(instantiate(core, errorImports, imports, done));
        return {};
      };
    },
  });
  contents.clear(); // installed; what is asked for later is fetched
  return pyodide;
}

/**
 * @param {Promise<WebAssembly.Module>} core
 * @param {Promise<object>} errorImports Pyodide's own functions for errors
 * @param {{env: object}} imports
 * @param {(instance: WebAssembly.Instance, module: WebAssembly.Module) => void} done
 */
async function instantiate(core, errorImports, imports, done) {
  const module = await core;
  Object.assign(imports.env, await errorImports);
  done(await WebAssembly.instantiate(module, /** @type {WebAssembly.Imports} */ (imports)), module);
}

/** Fail in words where WebAssembly is missing or forbidden. */
function checkWebAssembly() {
  if (typeof WebAssembly !== "object") {
    throw new RuntimeFailure("this browser has no WebAssembly", {
      remedy: "Use a current browser, and leave its lockdown mode for this site.",
    });
  }
  try {
    new WebAssembly.Module(EMPTY_MODULE);
  } catch (error) {
    throw forbidden(error);
  }
}

/**
 * @param {string} url
 * @returns {Promise<any>}
 */
async function importInTime(url) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(
      () => reject(failure(`it did not arrive again within ${IMPORT_MS / 1000} seconds`, url)),
      IMPORT_MS,
    );
  });
  try {
    return await Promise.race([import(/* @vite-ignore */ /* webpackIgnore: true */ url), late]);
  } catch (error) {
    throw error instanceof LoomError ? error : failure(error, url);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Node's Pyodide wants paths, not file URLs.
 * @param {string} url
 */
function local(url) {
  return url.startsWith("file:") ? decodeURIComponent(new URL(url).pathname) : url;
}

/** @param {unknown} error */
function forbidden(error) {
  return new RuntimeFailure(`the page's content security policy forbids WebAssembly (${explain(error)})`, {
    where: "Content-Security-Policy: script-src",
    remedy: "Add 'wasm-unsafe-eval' to script-src; docs/javascript.md shows the policy that LOOM needs.",
    cause: error,
  });
}

/**
 * @param {unknown} error
 * @param {string} [where]
 */
function failure(error, where = "") {
  const reason = error instanceof Error ? error.message : String(error);
  if (/content security policy/i.test(reason)) return forbidden(error); // WebKit forbids instances only
  if (error instanceof RangeError && /memory|alloc/i.test(reason)) {
    return new MemoryError(`there is not enough memory to start Python (${reason})`, {
      remedy: "Close other tabs or programs, and reload the page.",
      cause: error,
    });
  }
  return new RuntimeFailure(`Python could not be started (${reason})`, {
    where,
    remedy: "Reload the page; if that does not help, check that the pyodide folder lies beside this site's scripts.",
    cause: error,
  });
}
