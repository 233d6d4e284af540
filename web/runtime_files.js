/**
 * The files that a start needs besides scripts: Python, its packages, and the compiled kernels. Each is checked against the
 * runtime list that the build wrote (`pyodide/runtime.json`: size and SHA-256), and none is waited for longer than a
 * server may be silent.
 *
 * What cannot be used is fetched once more past the browser's cache; then it is a typed error that says what came instead.
 */

import { IntegrityError, LoomError, RuntimeFailure, explain } from "./errors.js";
import { SITE } from "./site.js";
import { Sha256 } from "./storage/sha256.js";

/** @typedef {{size: number, sha256: string}} Entry */
/** @typedef {{start: string[], files: Record<string, Entry>}} RuntimeList */
/** A response as it arrives. @typedef {{response: Response, bytes: Promise<Uint8Array<ArrayBuffer>>}} Arriving */

const LIST = "pyodide/runtime.json";
/** Milliseconds without a byte before a request is given up. */
export const IDLE_MS = 10_000;
const REMEDY = "Reload the page; if that does not help, check that the pyodide folder lies beside this site's scripts.";
const STALE = "Reload the page; if that does not help, upload all files of the site again, from one build.";
const WASM_MIME = "application/wasm";

/** The runtime's files of one site. */
export class RuntimeFiles {
  /** @type {Promise<RuntimeList> | null} */
  #fresh = null;

  /**
   * @param {string} base
   * @param {RuntimeList} list
   */
  constructor(base, list) {
    this.base = base;
    this.list = list;
  }

  /** @param {string | URL} [base] the folder that holds `pyodide/` and `simd/` */
  static async open(base = SITE) {
    const { href } = new URL(base, SITE);
    return new RuntimeFiles(href, await readList(href, "default"));
  }

  /** @param {string} name */
  url(name) {
    return new URL(name, this.base).href;
  }

  /**
   * A file's bytes.
   * @param {string} name such as `pyodide/python_stdlib.zip`
   * @param {RequestPriority} [priority] low for what may come after everything else
   */
  bytes(name, priority) {
    return this.#checked(name, ({ bytes }) => bytes, priority);
  }

  /**
   * A compiled binary. It is compiled while it arrives, out of the response itself, which lets the browser keep the machine
   * code; nothing of it runs before its hash is right.
   * @param {string} name
   * @returns {Promise<WebAssembly.Module>}
   */
  module(name) {
    return this.#checked(name, ({ response, bytes }) => {
      const compiled =
        response.headers.get("Content-Type") === WASM_MIME
          ? WebAssembly.compileStreaming(response)
          : bytes.then((all) => WebAssembly.compile(all));
      compiled.catch(() => {}); // of bytes that turn out to be wrong
      return compiled;
    });
  }

  /**
   * The address of a script, once what lies there is right.
   * @param {string} name
   */
  script(name) {
    return this.#checked(name, () => this.url(name));
  }

  /**
   * @template T
   * @param {string} name
   * @param {(arriving: Arriving) => T | Promise<T>} use called at once; its result counts if the bytes are right
   * @param {RequestPriority} [priority]
   * @returns {Promise<T>}
   */
  async #checked(name, use, priority) {
    const url = this.url(name);
    const attempt = async (/** @type {RequestCache} */ cache) => {
      const arriving = await request(url, cache, priority);
      const result = use(arriving);
      const bytes = await arriving.bytes;
      await this.#compare(name, bytes);
      return result;
    };
    return attempt("default").catch(async (error) => {
      if (!(error instanceof LoomError)) throw error; // not of the file: it came, and could not be compiled
      if (error instanceof IntegrityError) this.list = await (this.#fresh ??= readList(this.base, "reload"));
      return attempt("reload");
    });
  }

  /**
   * @param {string} name
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async #compare(name, bytes) {
    const entry = this.list.files[name];
    if (!entry) throw new IntegrityError(`is not in ${LIST}`, { where: name, remedy: STALE });
    if (bytes.length === entry.size && (await sha256(bytes)) === entry.sha256) return;
    const sizes = bytes.length === entry.size ? "" : `: ${bytes.length} bytes arrived, the file has ${entry.size}`;
    throw new IntegrityError(`is not the file that this site was built with${sizes}`, {
      where: this.url(name),
      remedy: STALE,
    });
  }
}

/**
 * @param {string} base
 * @param {RequestCache} cache
 * @returns {Promise<RuntimeList>}
 */
async function readList(base, cache) {
  const url = new URL(LIST, base).href;
  const attempt = async (/** @type {RequestCache} */ mode) => {
    const { bytes } = await request(url, mode);
    const text = new TextDecoder().decode(await bytes);
    try {
      const list = JSON.parse(text);
      if (Array.isArray(list.start) && typeof list.files === "object") return list;
    } catch {
      // said below
    }
    throw new RuntimeFailure("is not the list of the runtime's files", { where: url, remedy: STALE });
  };
  return attempt(cache).catch(() => attempt("reload"));
}

/**
 * Rejects with a `RuntimeFailure` when the file is not there, is a page, or does not come.
 * @param {string} url
 * @param {RequestCache} cache
 * @param {RequestPriority} [priority]
 * @returns {Promise<Arriving>}
 */
async function request(url, cache, priority = "auto") {
  if (url.startsWith("file:")) return local(url);
  const stop = new AbortController();
  const silent = () => stop.abort(failure(url, `the server sent nothing for ${IDLE_MS / 1000} seconds`));
  let timer = setTimeout(silent, IDLE_MS);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(silent, IDLE_MS);
  };
  try {
    const response = await policed(new URL(url).origin, () => fetch(url, { cache, priority, signal: stop.signal }));
    heard();
    const problem = problemOf(response, url);
    if (problem) throw problem;
    const copy = response.clone();
    const bytes = collect(copy, heard)
      .catch((error) => {
        throw stop.signal.aborted ? stop.signal.reason : failure(url, `the connection was lost (${explain(error)})`);
      })
      .finally(() => clearTimeout(timer));
    bytes.catch(() => {}); // reported where it is awaited
    return { response, bytes };
  } catch (error) {
    clearTimeout(timer);
    stop.abort();
    throw error instanceof LoomError
      ? error
      : failure(url, `could not be fetched (${explain(error)})`, { cause: error });
  }
}

/** @param {string} url @returns {Promise<Arriving>} */
async function local(url) {
  const files = "node:fs/promises"; // a variable, so that bundlers for the web leave it alone
  const { readFile } = await import(files);
  try {
    const bytes = new Uint8Array(await readFile(new URL(url)));
    return { response: new Response(bytes), bytes: Promise.resolve(bytes) };
  } catch (error) {
    throw failure(url, `could not be read (${explain(error)})`, { cause: error });
  }
}

/**
 * @param {Response} response
 * @param {() => void} heard
 */
async function collect(response, heard) {
  if (!response.body) return new Uint8Array(await response.arrayBuffer());
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const pieces = [];
  const reader = response.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    pieces.push(next.value);
    heard();
  }
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/**
 * What is wrong with an answer, before its body is read.
 * @param {Response} response
 * @param {string} url
 */
export function problemOf(response, url) {
  if (!response.ok) return failure(url, `the server answered with status ${response.status}`);
  if (!/^text\/html\b/i.test(response.headers.get("Content-Type") ?? "")) return null;
  return failure(url, "is an HTML page: the server sends one where the file is missing, or asks to sign in");
}

/**
 * Do something that a content security policy may forbid, and say so if that is why it fails.
 * @template T
 * @param {string} subject how the blocked address begins: an origin, `blob`
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function policed(subject, work) {
  /** @type {SecurityPolicyViolationEvent[]} */
  const violations = [];
  const target = globalThis.document ?? globalThis;
  const note = (/** @type {Event} */ event) => {
    const violation = /** @type {SecurityPolicyViolationEvent} */ (event);
    if (violation.disposition === "enforce" && violation.blockedURI.startsWith(subject)) violations.push(violation);
  };
  target.addEventListener?.("securitypolicyviolation", note);
  try {
    return await work();
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, 50)); // the event may come after the failure
    const [violation] = violations;
    if (!violation) throw error;
    const { effectiveDirective, blockedURI } = violation;
    throw new RuntimeFailure(`the page's content security policy does not allow ${blockedURI}`, {
      where: `Content-Security-Policy: ${effectiveDirective}`,
      remedy: `Allow it in ${effectiveDirective}; docs/javascript.md shows the policy that LOOM needs.`,
      cause: error,
    });
  } finally {
    target.removeEventListener?.("securitypolicyviolation", note);
  }
}

/**
 * @param {string} where
 * @param {string} message
 * @param {{cause?: unknown}} [parts]
 */
function failure(where, message, parts = {}) {
  return new RuntimeFailure(message, { where, remedy: REMEDY, ...parts });
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function sha256(bytes) {
  const subtle = globalThis.crypto?.subtle; // missing on plain HTTP
  if (!subtle) return new Sha256().update(bytes).hex();
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
