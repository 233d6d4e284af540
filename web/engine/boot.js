/**
 * Starts Python (Pyodide) with `loom_py` inside: on the main thread, in a module worker, or in Node.
 * Nothing here needs cross-origin isolation, threads or JSPI.
 */

import { openDevices } from "../devices/open.js";
import { LoomError, MemoryError, RuntimeFailure, explain } from "../errors.js";
import { RuntimeFiles } from "../runtime_files.js";
import { SITE } from "../site.js";
import { putInto, unpacked } from "./packed.js";
import { Snapshot } from "./snapshot.js";

/** @typedef {import("pyodide").PyodideInterface} Pyodide */
/** @typedef {import("./progress.js").OnProgress} OnProgress */
/** `restored`: Python goes on from the memory of one that the build had started. @typedef {{pyodide: Pyodide, bridge: any, version: string, restored: boolean, threads: number | undefined, reopen: () => Promise<void>, close: () => void}} Runtime */
/** @typedef {import("../devices/open.js").DeviceOptions} DeviceOptions */
/** A module without anything in it: valid wherever WebAssembly is allowed. */
const EMPTY_MODULE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
/** Milliseconds for a script that has been fetched before to be imported. */
const IMPORT_MS = 20_000;
/** Milliseconds to wait for the snapshot when everything else is there: as long as a start without it may take. */
const SNAPSHOT_MS = 3000;

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
    const { pyodide, restored } = await Promise.race([startPython(files, needed, onProgress), failed]);
    onProgress({ status: "starting", file: "loom_py" });
    const bridge = pyodide.pyimport("loom_py.bridge.api");
    mark("loom_py imported");
    const opened = await devices;
    opened.register(bridge);
    const runtime = {
      pyodide,
      bridge,
      version: String(bridge.version()),
      restored,
      threads,
      reopen: opened.reopen,
      close: opened.close,
    };
    onProgress({ status: "ready", file: "loom_py" });
    mark("worker ready");
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
 * Pyodide with `loom_py` in place, out of files that are checked before they are used. It goes on from the snapshot where
 * that can be had and used here, and starts from nothing elsewhere.
 * @param {RuntimeFiles} files
 * @param {<T>(promise: Promise<T>) => Promise<T>} needed reports a failure that ends the start
 * @param {OnProgress} onProgress
 * @returns {Promise<{pyodide: Pyodide, restored: boolean}>}
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
  const packages = needed(content("packages.bin").then(unpacked));
  const fetched = Promise.all([...scripts, core, ...contents.values()]);
  const snapshot = Promise.all([files.bytes("pyodide/snapshot.bin", "low").then(unpacked), packages])
    .then((both) => Snapshot.open(...both))
    .catch(() => null); // it only saves time

  const lock = JSON.parse(new TextDecoder().decode(await content("pyodide-lock.json")));
  const [pyodideModule, coreModule] = await Promise.all(scripts.map(async (url) => importInTime(await url)));
  const folder = local(files.url("pyodide/"));
  const options = {
    indexURL: folder,
    packageBaseUrl: folder,
    lockFileContents: lock,
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
  };
  const fromNothing = () => pyodideModule.loadPyodide({ ...options, createPyodideModule: coreModule.default });
  const late = fetched.then(() => new Promise((resolve) => setTimeout(resolve, SNAPSHOT_MS, null)));
  const memory = await Promise.race([snapshot, late]); // on a slow connection it is for the next visit
  mark("runtime fetched");
  const restoring = memory && fromSnapshot(pyodideModule.loadPyodide, coreModule.default, options, memory);
  const restored = await restoring?.catch(() => null); // another engine than those that were tried
  const pyodide = restored ?? (await fromNothing());
  mark("Python started");
  const { head, body } = await packages;
  putInto(pyodide.FS, pyodide._api.sitePackages, { head, body });
  for (const name of head.packages) pyodide.loadedPackages[name] = "default channel";
  pyodide._api.importlib.invalidate_caches();
  mark("packages in place");
  contents.clear(); // installed; what is asked for later is fetched
  return { pyodide, restored: Boolean(restored) };
}

/**
 * @param {(options: object) => Promise<any>} loadPyodide
 * @param {(settings: object) => Promise<any>} createModule
 * @param {object} options
 * @param {Snapshot} snapshot
 */
async function fromSnapshot(loadPyodide, createModule, options, snapshot) {
  const pyodide = await loadPyodide({
    ...options,
    _loadSnapshot: snapshot.memory,
    createPyodideModule: async (/** @type {object} */ settings) => snapshot.prepare(await createModule(settings)),
  });
  snapshot.finish(pyodide);
  return pyodide;
}

/** Note for `bench/start.py` how far the start is. @param {string} phase */
function mark(phase) {
  performance.mark(`loom: ${phase}`);
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
