/**
 * Workers under the page's own content security policy.
 *
 * A worker whose script has an address gets the policy in the headers of that script, which plain static hosting does not
 * send; one whose script is a blob inherits the policy of whoever made it. So the script is a blob of one line here, which
 * imports the module: by a call, for which `script-src` decides, while browsers hold declarations against `worker-src`.
 * Firefox does so for the module's own declarations as well; there all modules are blobs.
 */

import { LoomError, RuntimeFailure, explain } from "./errors.js";
import { moduleBlobs, revoke } from "./module_blobs.js";
import { policed, problemOf } from "./runtime_files.js";

/** Milliseconds for a worker's scripts to arrive and run. */
const START_MS = 20_000;
/** What a module of a worker posts first, when everything that it imports is there. */
export const ALIVE = "alive";

/** @typedef {{name: string, signal?: AbortSignal, onUnpoliced?: (reason: string) => void}} WorkerOptions `onUnpoliced`: called when the worker could not be put under the page's policy */

/**
 * A worker that runs a module of this package.
 *
 * Where the page's policy forbids blobs as workers, the module is started by its address, as far as the policy allows that.
 * Rejects with a `RuntimeFailure` that says why when there is no worker after some seconds.
 * @param {string | URL} url of the module; it posts `ALIVE` first
 * @param {WorkerOptions} options
 * @returns {Promise<Worker>}
 */
export async function startWorker(url, { name, signal, onUnpoliced = () => {} }) {
  if (typeof Worker !== "function") {
    throw new RuntimeFailure("there are no web workers here", {
      where: name,
      remedy: "Start on this thread, with loom.start({ worker: false }).",
    });
  }
  const script = `import(${JSON.stringify(String(url))}).catch((error) => postMessage(String(error)));`;
  // A frame without an origin, as a sandbox makes it, cannot start modules that are blobs.
  const opaque = globalThis.origin === "null";
  const inline = opaque
    ? `data:text/javascript,${encodeURIComponent(script)}`
    : URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    return await policed(opaque ? "data" : "blob", () => alive(inline, name, signal));
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof ImportFailure && !opaque) return await ofBlobs(url, name, error, signal);
    if (!(error instanceof LoomError)) throw await failure(url, name, error);
    onUnpoliced(error.message);
  } finally {
    URL.revokeObjectURL(inline);
  }
  try {
    return await policed(new URL(url).origin, () => alive(String(url), name, signal));
  } catch (error) {
    if (signal?.aborted || error instanceof LoomError) throw error;
    throw await failure(url, name, error);
  }
}

/** The worker runs, and could not import its module. */
class ImportFailure extends Error {}

/**
 * A worker whose modules are all blobs, where one of one line could not import them.
 * @param {string | URL} url
 * @param {string} name
 * @param {ImportFailure} cause
 * @param {AbortSignal} [signal]
 * @returns {Promise<Worker>}
 */
async function ofBlobs(url, name, cause, signal) {
  const blobs = await moduleBlobs(url, signal).catch(() => null); // what is missing, `failure` says
  if (signal?.aborted) throw signal.reason;
  if (!blobs) throw await failure(url, name, cause);
  try {
    return await alive(/** @type {string} */ (blobs[0]), name, signal);
  } catch {
    if (signal?.aborted) throw signal.reason;
    throw await failure(url, name, cause);
  } finally {
    revoke(blobs);
  }
}

/**
 * A worker that has posted `ALIVE`.
 * @param {string} url
 * @param {string} name
 * @param {AbortSignal} [signal]
 * @returns {Promise<Worker>}
 */
function alive(url, name, signal) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(url, { type: "module", name });
    const end = (/** @type {unknown} */ reason) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      worker.onmessage = worker.onerror = null;
      if (reason === undefined) return resolve(worker);
      worker.terminate();
      return reject(reason);
    };
    const abort = () => end(signal?.reason);
    const late = () => end(new Error(`its scripts had not arrived after ${START_MS / 1000} seconds`));
    const timer = setTimeout(late, START_MS);
    signal?.addEventListener("abort", abort);
    worker.onmessage = ({ data }) => end(data === ALIVE ? undefined : new ImportFailure(data));
    worker.onerror = (event) => {
      event.preventDefault();
      end(new Error(event.message || "its scripts could not be loaded"));
    };
  });
}

/**
 * Why a worker did not start: the browser says little, so its script is looked at.
 * @param {string | URL} url
 * @param {string} name
 * @param {unknown} cause
 */
async function failure(url, name, cause) {
  const remedy = `Check that ${url} and the folders beside it are there, as JavaScript; loom.start({ baseURL }) names another place.`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(3000) });
    const problem = problemOf(response, String(url));
    if (problem) return new RuntimeFailure(problem.problem, { where: problem.where, remedy, cause });
  } catch (error) {
    return new RuntimeFailure(`could not be fetched (${explain(error)})`, { where: String(url), remedy, cause });
  }
  return new RuntimeFailure(`the worker could not be started (${explain(cause)})`, { where: name, remedy, cause });
}
