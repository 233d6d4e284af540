/** What the pages share: finding elements, numbers for people, and starting LOOM with its progress shown. */

import { explain, loom } from "../loom.js";

/**
 * The element with this id, of this kind.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function element(id, kind) {
  const node = document.getElementById(id);
  if (!(node instanceof kind)) throw new Error(`the page has no ${kind.name} called ${id}`);
  return node;
}

/**
 * A new element with text; text is always text, never markup.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} [text]
 * @param {string} [className]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {number} ms */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 1e4 ? 2 : 1)} s`;
}

/**
 * Show an error where it can be read aloud, or clear it.
 * @param {HTMLElement} place
 * @param {unknown} [error]
 */
export function showError(place, error) {
  place.textContent = error === undefined ? "" : explain(error);
  place.hidden = error === undefined;
}

/**
 * Show the progress of a start while it runs.
 * @template T
 * @param {HTMLElement} text
 * @param {HTMLProgressElement} bar
 * @param {(onProgress: import("../loom.js").OnProgress) => Promise<T>} start
 * @param {(result: T) => string} ready the text to show at the end
 * @returns {Promise<T>}
 */
export async function whileStarting(text, bar, start, ready) {
  bar.hidden = false;
  bar.removeAttribute("value");
  text.textContent = "Starting Python…";
  try {
    const result = await start(({ status, loaded = 0, total = 1 }) => {
      if (status !== "runtime") return;
      bar.max = total;
      bar.value = loaded;
      text.textContent = `Starting Python… ${loaded} of ${total} files`;
    });
    text.textContent = ready(result);
    return result;
  } catch (error) {
    text.textContent = explain(error);
    throw error;
  } finally {
    bar.hidden = true;
  }
}

/**
 * Start Python in a worker and show its progress. The page works meanwhile; code that needs Python awaits the session.
 * @param {{text: HTMLElement, bar: HTMLProgressElement, ready: (session: import("../loom.js").Session) => string}} view
 * @returns {Promise<import("../loom.js").Session>}
 */
export function startSession({ text, bar, ready }) {
  return whileStarting(text, bar, (onProgress) => loom.start({ ...requestedDevice(), onProgress }), ready);
}

/** The device options in the page's address: `?device=numpy&threads=1&digits=words`. */
export function requestedDevice() {
  const query = new URLSearchParams(location.search);
  const device = /** @type {import("../loom.js").DeviceOptions["device"]} */ (query.get("device") ?? undefined);
  const digits = /** @type {import("../loom.js").DeviceOptions["digits"]} */ (query.get("digits") ?? undefined);
  return { device, digits, threads: query.has("threads") ? Number(query.get("threads")) : undefined };
}

/**
 * Where the work runs, in words.
 * @param {import("../loom.js").Session} session
 */
export function deviceText({ version, devices }) {
  const simd = devices.find(({ device }) => device === "simd");
  const numpy = requestedDevice().device === "numpy";
  const where =
    simd?.available && !numpy
      ? `compiled kernels (${simd.relaxed ? "relaxed " : ""}SIMD, ${simd.threads === 1 ? "one thread" : `${simd.threads} threads`})`
      : `NumPy in WebAssembly${numpy ? ", as requested" : simd ? ` (${simd.reason})` : ""}`;
  return `LOOM ${version} is ready: ${where}, in the background.`;
}
