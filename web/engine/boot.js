/**
 * Starts Python (Pyodide) with `loom_py` inside: on the main thread, in a module worker, or in Node.
 * Nothing here needs cross-origin isolation, threads or JSPI.
 */

import { openDevices } from "../devices/open.js";
import { LoomError, RuntimeFailure } from "../errors.js";
import { SITE } from "../site.js";

/** @typedef {import("pyodide").PyodideInterface} Pyodide */
/** @typedef {import("./progress.js").OnProgress} OnProgress */
/** @typedef {{pyodide: Pyodide, bridge: any, version: string, threads: number | undefined, reopen: () => Promise<void>, close: () => void}} Runtime */
/** @typedef {import("../devices/open.js").DeviceOptions} DeviceOptions */
/** Files to fetch besides the packages. */
const CORE_FILES = ["pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"];

/** @type {Promise<Runtime> | null} */
let running = null;

/**
 * Start Python once in this thread; later calls share it. A failed start can be tried again.
 *
 * Progress counts files (`unit: "files"`), as they arrive from the network or the cache.
 * @param {{baseURL?: string | URL, onProgress?: OnProgress} & DeviceOptions} [options] `baseURL`: the folder with `pyodide/`, by default that of `loom.js`
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
async function start({ baseURL = SITE, onProgress = () => {}, device, threads }) {
  const folder = new URL("pyodide/", baseURL).href;
  onProgress({ status: "runtime", loaded: 0, total: CORE_FILES.length, unit: "files" });
  const devices = openDevices({ device, threads, baseURL }); // in parallel with the rest
  devices.catch(() => {}); // a failure is reported where it is awaited
  const stopWatching = await watchFiles(folder, onProgress);
  try {
    const { loadPyodide } = await import(`${folder}pyodide.mjs`);
    /** @type {Pyodide} */
    const pyodide = await loadPyodide({
      indexURL: local(folder),
      lockFileURL: local(`${folder}pyodide-lock.json`),
      packages: ["loom_py"],
    });
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
  } finally {
    stopWatching();
  }
}

/**
 * Node's Pyodide wants paths, not file URLs.
 * @param {string} url
 */
function local(url) {
  return url.startsWith("file:") ? decodeURIComponent(new URL(url).pathname) : url;
}

/**
 * Report each file of the runtime as it arrives. Uses resource timing, so that the engine's own cache of compiled
 * WebAssembly, which needs the untouched response, keeps working.
 * @param {string} folder
 * @param {OnProgress} onProgress
 */
async function watchFiles(folder, onProgress) {
  if (typeof PerformanceObserver !== "function" || !folder.startsWith("http")) return () => {};
  const expected = new Set([...CORE_FILES, ...(await packageFiles(folder))]);
  const seen = new Set();
  const observer = new PerformanceObserver((list) => {
    for (const { name } of list.getEntries()) {
      const file = name.startsWith(folder) ? decodeURIComponent(name.slice(folder.length)) : "";
      if (!expected.has(file) || seen.has(file)) continue;
      seen.add(file);
      onProgress({ status: "runtime", file, loaded: seen.size, total: expected.size, unit: "files" });
    }
  });
  observer.observe({ type: "resource", buffered: true });
  return () => observer.disconnect();
}

/**
 * File names of `loom_py` and everything it depends on, from the lock file.
 * @param {string} folder
 * @returns {Promise<string[]>}
 */
async function packageFiles(folder) {
  let response;
  try {
    response = await fetch(`${folder}pyodide-lock.json`);
  } catch (error) {
    throw failure(error, `${folder}pyodide-lock.json`);
  }
  if (!response.ok) throw failure(`status ${response.status}`, `${folder}pyodide-lock.json`);
  /** @type {{packages: Record<string, {file_name: string, depends?: string[]}>}} */
  const { packages } = await response.json();
  /** @type {Set<string>} */
  const names = new Set();
  const queue = ["loom_py", "loom-py"];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const entry = packages[name];
    if (!entry || names.has(entry.file_name)) continue;
    names.add(entry.file_name);
    queue.push(...(entry.depends ?? []));
  }
  return [...names];
}

/**
 * @param {unknown} error
 * @param {string} [where]
 */
function failure(error, where = "") {
  const reason = error instanceof Error ? error.message : String(error);
  return new RuntimeFailure(`Python could not be started (${reason})`, {
    where,
    remedy: "Reload the page; if that does not help, check that the pyodide folder lies beside this site's scripts.",
    cause: error,
  });
}
