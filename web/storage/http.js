/**
 * Requests for ranges of large files: what a response means, what a refusal means, and when to retry.
 *
 * A request with a `Range` header goes out without content coding, so the `Content-Range` of its response has the true
 * size; `Content-Length` counts coded bytes and is believed only where the coding can be seen to be none.
 */

import { DownloadError } from "../errors.js";

/** @typedef {{body: ReadableStream<Uint8Array>, start: number, total?: number, etag: string, satisfied: boolean}} RangeAnswer `satisfied`: there is such a range */

/** Attempts in a row without a new byte before a download is given up. */
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 60_000;
/** Milliseconds without an answer, or without a byte of one, after which a connection counts as broken. */
export const limits = { idle: 20_000 };
const TEMPORARY = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A fault that may be temporary: the request is repeated, and a model that is kept already is used instead. */
export class Temporary extends Error {
  /**
   * @param {DownloadError} error to throw if it persists
   * @param {number} [pauseMs] as requested by the server
   */
  constructor(error, pauseMs = 0) {
    super(error.message);
    this.error = error;
    this.pauseMs = pauseMs;
    /** The server answered another request just after. */
    this.serverIsUp = false;
  }
}

/**
 * Request a file from `start` on; a server without ranges answers from 0.
 * @param {string} url
 * @param {number} start
 * @param {{signal?: AbortSignal, last?: number}} [options] `last`: the last byte wanted
 * @returns {Promise<RangeAnswer>}
 */
export async function requestRange(url, start, { signal, last } = {}) {
  const response = await rangeOrWhole(url, `bytes=${start}-${last ?? ""}`, signal);
  const etag = (response.headers.get("ETag") ?? "").replace(/^W\//, "");
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get("Content-Range") ?? "");
  const total = range && range[2] !== "*" ? Number(range[2]) : undefined;
  if (response.status === 416) {
    const here = total !== undefined && total <= start ? total : 0;
    return { body: new Blob([]).stream(), start: here, total: total ?? 0, etag, satisfied: false };
  }
  const body = response.body ?? new Blob([]).stream();
  if (isPage(url, response)) {
    body.cancel().catch(() => {});
    throw new Temporary(
      new DownloadError("the server sent a web page instead of the file", {
        where: url,
        remedy: "Sign in to the network, if it asks for that, and check the address.",
      }),
    );
  }
  if (response.status === 206) {
    // Across origins Content-Range may be hidden; the response then starts where the request did.
    const from = range?.[1] ? Number(range[1]) : start;
    const rest = last === undefined ? trueLength(response) : undefined;
    return { body, start: from, total: total ?? (rest === undefined ? rest : from + rest), etag, satisfied: true };
  }
  return { body, start: 0, total: trueLength(response), etag, satisfied: true };
}

/**
 * Whether an answer is HTML although nothing with such a name is: a sign-in page of the network, or an error page.
 * @param {string} url
 * @param {Response} response
 */
function isPage(url, response) {
  const page = /^text\/html\b/i.test(response.headers.get("Content-Type") ?? "");
  return page && /\.(json|jinja|gguf|safetensors)$/i.test(new URL(url).pathname);
}

/** Addresses that fail with a `Range` header: browsers reject a server that compresses in spite of it. */
const unranged = new Set();

/**
 * @param {string} url
 * @param {string} range
 * @param {AbortSignal} [signal]
 */
async function rangeOrWhole(url, range, signal) {
  for (let failures = 0; !unranged.has(url); failures++) {
    try {
      return await request(url, { signal, headers: { Range: range } });
    } catch (error) {
      if (!(error instanceof Temporary && error.serverIsUp)) throw error;
      if (failures) unranged.add(url);
    }
  }
  return request(url, { signal });
}

/**
 * The size of a file without its bytes; undefined where the server does not say.
 * @param {string} url
 * @param {AbortSignal} [signal]
 */
export async function sizeOf(url, signal) {
  return persistently(
    async () => {
      const { body, total } = await requestRange(url, 0, { signal, last: 0 });
      body.cancel().catch(() => {});
      return total;
    },
    { signal },
  );
}

/**
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function fetchJson(url, signal) {
  return persistently(async () => (await request(url, { signal })).json(), { signal });
}

/**
 * Repeat work after faults that may be temporary, with increasing pauses, as long as it makes progress.
 * @template T
 * @param {() => Promise<T>} work
 * @param {{signal?: AbortSignal, progress?: () => number, onRetry?: (seconds: number, reason: string) => void}} options
 *   `progress`: a number that grows with progress
 * @returns {Promise<T>}
 */
export async function persistently(work, { signal, progress = () => 0, onRetry = () => {} }) {
  for (let attempt = 1, before = progress(); ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Temporary)) throw error;
      const now = progress();
      if (now > before) attempt = 1;
      before = now;
      const tooLong = error.pauseMs > LONGEST_PAUSE_MS;
      if (attempt >= ATTEMPTS || tooLong || globalThis.navigator?.onLine === false) throw passing(error.error);
      const ms = Math.max(error.pauseMs, FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.75 + Math.random() / 2));
      onRetry(ms / 1000, reasonFor(error.error));
      await pause(ms, signal);
    }
  }
}

/** @param {DownloadError} error */
function reasonFor({ problem, cause }) {
  if (!(cause instanceof Error)) return problem;
  return /sent nothing/.test(cause.message) ? cause.message : "the connection broke";
}

const passed = new WeakSet();

/** @param {DownloadError} error */
function passing(error) {
  passed.add(error);
  return error;
}

/**
 * True for an error that says nothing about the file: no network, or a server in trouble.
 * @param {unknown} error
 */
export function isOutage(error) {
  return error instanceof DownloadError && passed.has(error);
}

/**
 * @param {string} url
 * @param {{signal?: AbortSignal, headers?: Record<string, string>}} options
 */
async function request(url, { signal, headers }) {
  let response;
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(), limits.idle);
  const any = signal ? AbortSignal.any([signal, idle.signal]) : idle.signal;
  try {
    // `no-store`: the bytes are kept by this library, once.
    response = await fetch(url, { signal: any, headers, cache: "no-store" });
  } catch (cause) {
    signal?.throwIfAborted();
    throw idle.signal.aborted ? stalled(url) : await unreachable(url, cause, signal);
  } finally {
    clearTimeout(timer);
  }
  if (response.ok || response.status === 416) return response;
  response.body?.cancel().catch(() => {});
  const error = refused(url, response);
  if (!TEMPORARY.has(response.status)) throw error;
  throw new Temporary(error, retryAfterMs(response));
}

/** @param {Response} response */
function retryAfterMs(response) {
  const header = response.headers.get("Retry-After");
  if (!header) return 0;
  const seconds = Number(header);
  return Number.isFinite(seconds) ? seconds * 1000 : Math.max(0, Date.parse(header) - Date.now()) || 0;
}

/** @param {Response} response */
function trueLength(response) {
  const length = response.headers.get("Content-Length");
  const sameOrigin = response.type === "basic" || response.type === "default";
  if (length === null || !sameOrigin || response.headers.get("Content-Encoding")) return undefined;
  return Number(length);
}

/**
 * A refusal, with what can be done about it.
 * @param {string} url
 * @param {Response} response
 */
function refused(url, response) {
  const { status } = response;
  const code = response.headers.get("X-Error-Code") ?? "";
  let message = `the server answered ${status}`;
  let remedy = "Try again later, or choose another source.";
  if (code === "GatedRepo" || (status === 403 && code === "")) {
    message += ": the model is gated or private";
    remedy =
      "Accept its licence on its page at the hub and choose the downloaded files from your computer, or take an open model.";
  } else if (status === 401) {
    message += ": there is no such model, or it is private";
    remedy = "Check the name; a private or gated model can be loaded from files on your computer.";
  } else if (status === 404 || status === 410) {
    message += ": there is no such file";
    remedy = "Check the name and the revision.";
  } else if (status === 429) {
    message += ": too many requests";
    const wait = Math.ceil(retryAfterMs(response) / 1000);
    remedy = wait
      ? `Try again in ${wait} seconds; what has been fetched is kept.`
      : "Wait a few minutes and try again; what has been fetched is kept.";
  } else if (status >= 500) {
    remedy = "The server is in trouble; try again later. What has been fetched is kept.";
  }
  return new DownloadError(message, { where: url, remedy });
}

/**
 * Why a request failed: the browser does not say, but a further request shows.
 * @param {string} url
 * @param {unknown} cause
 * @param {AbortSignal} [signal]
 * @returns {Promise<Error>}
 */
async function unreachable(url, cause, signal) {
  const { location, navigator } = globalThis;
  if (navigator?.onLine === false) {
    const remedy = "Connect and try again: what has been fetched is kept. Or choose the files from your computer.";
    return new Temporary(new DownloadError("there is no network", { where: url, remedy, cause }));
  }
  const { origin, host } = new URL(url);
  const answer = await headAnswer(url, signal);
  if (answer === "opaque" && location && origin !== location.origin) {
    return new DownloadError(`${host} does not let other sites read its files (no CORS headers)`, {
      where: url,
      remedy:
        "Download the files yourself and choose them from your computer, or use a host that allows it, such as the hub.",
      cause,
    });
  }
  const error = lost(url, cause);
  error.serverIsUp = answer === "open";
  return error;
}

/**
 * A connection that broke.
 * @param {string} url
 * @param {unknown} cause
 */
export function lost(url, cause) {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const remedy =
    "Check the connection and try again: what has been fetched is kept. Or choose the files from your computer.";
  return new Temporary(new DownloadError(`the file could not be fetched (${reason})`, { where: url, remedy, cause }));
}

/** A server that keeps the connection and sends nothing. @param {string} url */
const stalled = (url) => lost(url, new Error(`the server sent nothing for ${limits.idle / 1000} s`));

/**
 * The bytes of an answer; a server that stops sending is a broken connection.
 * @param {ReadableStream<Uint8Array>} body
 * @param {string} url
 * @returns {AsyncGenerator<Uint8Array, void, void>}
 */
export async function* chunks(body, url) {
  const reader = body.getReader();
  try {
    for (;;) {
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      let timer;
      const silence = new Promise((_, reject) => (timer = setTimeout(() => reject(stalled(url)), limits.idle)));
      const reading = reader.read().catch((error) => {
        throw error.name === "AbortError" ? error : lost(url, error);
      });
      const { done, value } = await Promise.race([reading, silence]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * How the server answers the simplest request: not at all, opaquely, or openly.
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<"none" | "opaque" | "open">}
 */
async function headAnswer(url, signal) {
  try {
    await fetch(url, { method: "HEAD", mode: "no-cors", signal, cache: "no-store", credentials: "omit" });
  } catch {
    signal?.throwIfAborted();
    return "none";
  }
  try {
    await fetch(url, { method: "HEAD", signal, cache: "no-store" });
    return "open";
  } catch {
    signal?.throwIfAborted();
    return "opaque";
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    function done() {
      signal?.removeEventListener("abort", stop);
      resolve();
    }
    signal?.addEventListener("abort", stop, { once: true });
  });
}
