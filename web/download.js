/**
 * One large file over the network: with progress, resumed when the connection drops, stopped by a signal, checked by
 * SHA-256, kept in the Cache API.
 */

import { DownloadError, IntegrityError } from "./errors.js";

/** @typedef {{name: string, url: string, size?: number, sha256?: string}} RemoteFile */
/** @typedef {import("./boot.js").OnProgress} OnProgress */
/** @typedef {{signal?: AbortSignal, onProgress?: OnProgress}} DownloadOptions */

const CACHE = "loom-files-1";
const ATTEMPTS = 4;
const PROGRESS_MS = 100;

/**
 * The file's bytes, from the cache if they were fetched before.
 * @param {RemoteFile} file
 * @param {DownloadOptions} [options]
 * @returns {Promise<{buffer: ArrayBuffer, cached: boolean}>}
 */
export async function download(file, { signal, onProgress = () => {} } = {}) {
  const key = cacheKey(file);
  const cache = await openCache();
  const hit = await cache?.match(key);
  if (hit) {
    const buffer = await hit.arrayBuffer();
    signal?.throwIfAborted();
    if (file.size === undefined || buffer.byteLength === file.size) {
      onProgress({ status: "cached", file: file.name, loaded: buffer.byteLength, total: buffer.byteLength });
      return { buffer, cached: true };
    }
    await cache?.delete(key);
  }
  const buffer = await fetchAll(file, { signal, onProgress });
  if (file.sha256) await verify(buffer, file, onProgress);
  signal?.throwIfAborted();
  try {
    await cache?.put(key, new Response(buffer, { headers: { "Content-Length": String(buffer.byteLength) } }));
  } catch {
    // No room: the file is used from memory and fetched again another time.
    onProgress({ status: "not kept", file: file.name });
  }
  return { buffer, cached: false };
}

/**
 * Fetch with as many continuations as it takes, within reason.
 * @param {RemoteFile} file
 * @param {{signal?: AbortSignal, onProgress: OnProgress}} options
 * @returns {Promise<ArrayBuffer>}
 */
async function fetchAll(file, { signal, onProgress }) {
  const sink = new Sink(file.size);
  let lastReport = 0;
  const report = (/** @type {boolean} */ force) => {
    const now = performance.now();
    if (!force && now - lastReport < PROGRESS_MS) return;
    lastReport = now;
    onProgress({ status: "download", file: file.name, loaded: sink.length, total: sink.total ?? file.size });
  };
  for (let attempt = 1; ; attempt++) {
    try {
      /** @type {Record<string, string>} */
      const headers = sink.length ? { Range: `bytes=${sink.length}-` } : {};
      // `no-store`: the bytes are kept by `download`, once.
      const response = await fetch(file.url, { signal, headers, cache: "no-store" });
      if (!response.ok || !response.body) throw refused(file, response.status);
      if (response.status !== 206) sink.restart(bodySize(response));
      report(true);
      for await (const chunk of chunks(response.body)) {
        sink.add(chunk);
        report(false);
      }
      if (sink.total !== undefined && sink.length < sink.total) throw new TypeError("the connection ended early");
      report(true);
      return sink.finish();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof DownloadError || attempt === ATTEMPTS) throw lost(file, error);
      await pause(500 * 2 ** attempt, signal);
    }
  }
}

/** Bytes as they come: straight into place when the size is known, in pieces when not. */
class Sink {
  /** @param {number | undefined} size */
  constructor(size) {
    /** @type {number | undefined} */
    this.total = size;
    this.length = 0;
    /** @type {Uint8Array[]} */
    this.pieces = [];
    /** @type {Uint8Array | undefined} */
    this.whole = undefined;
  }

  /** @param {number | undefined} size */
  restart(size) {
    this.total = size ?? this.total;
    this.length = 0;
    this.pieces = [];
    if (this.total === undefined) this.whole = undefined;
    else if (this.whole?.length !== this.total) this.whole = new Uint8Array(this.total);
  }

  /** @param {Uint8Array} chunk */
  add(chunk) {
    if (this.whole && this.length + chunk.length <= this.whole.length) {
      this.whole.set(chunk, this.length);
    } else {
      // Longer than announced (a wrong size, or a compressed answer): collect instead.
      if (this.whole) this.pieces = [this.whole.slice(0, this.length)];
      this.whole = undefined;
      this.total = undefined;
      this.pieces.push(chunk);
    }
    this.length += chunk.length;
  }

  /** @returns {ArrayBuffer} */
  finish() {
    if (this.whole) return /** @type {ArrayBuffer} */ (this.whole.buffer);
    const all = new Uint8Array(this.length);
    let offset = 0;
    for (const piece of this.pieces) {
      all.set(piece, offset);
      offset += piece.length;
    }
    return all.buffer;
  }
}

/** @param {Response} response */
function bodySize(response) {
  // Under a content coding, Content-Length counts the coded bytes.
  const length = response.headers.get("Content-Encoding") ? null : response.headers.get("Content-Length");
  return length === null ? undefined : Number(length);
}

/** @param {ReadableStream<Uint8Array>} body */
async function* chunks(body) {
  const reader = body.getReader();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * @param {ArrayBuffer} buffer
 * @param {RemoteFile} file
 * @param {OnProgress} onProgress
 */
async function verify(buffer, file, onProgress) {
  if (!globalThis.crypto?.subtle) {
    onProgress({ status: "not verified", file: file.name });
    return;
  }
  onProgress({ status: "verify", file: file.name, loaded: buffer.byteLength, total: buffer.byteLength });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== file.sha256) {
    throw new IntegrityError(`the file's SHA-256 is ${found.slice(0, 12)}…, expected ${file.sha256?.slice(0, 12)}…`, {
      where: file.name,
      remedy: "The file was changed or damaged on its way; try again, or choose another source.",
    });
  }
}

/** @returns {Promise<Cache | null>} null where there is none: private windows, plain HTTP, Node */
async function openCache() {
  try {
    return await globalThis.caches.open(CACHE);
  } catch {
    return null;
  }
}

/**
 * The hash is part of the key: a site that publishes new weights under the old name gets them fetched.
 * @param {RemoteFile} file
 */
function cacheKey(file) {
  const url = new URL(file.url, globalThis.location?.href);
  if (file.sha256) url.searchParams.set("sha256", file.sha256);
  return url.href;
}

/**
 * @param {RemoteFile} file
 * @param {number} status
 */
export function refused(file, status) {
  const remedy =
    status === 404 ? "Check the name." :
    status === 401 || status === 403 ? "The repository is private or needs a licence to be accepted; choose an open one." :
    "Try again later.";
  return new DownloadError(`the server answered ${status}`, { where: file.url, remedy });
}

/**
 * @param {RemoteFile} file
 * @param {unknown} error
 */
function lost(file, error) {
  if (error instanceof DownloadError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const remedy = "Check the connection and try again, or choose the file from your computer.";
  return new DownloadError(`the file could not be fetched (${reason})`, { where: file.url, remedy, cause: error });
}

/**
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
