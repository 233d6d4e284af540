/**
 * Look at the headers of weights before the weights are fetched: a model that cannot be loaded is refused here, and not
 * after gigabytes.
 */

import { requestRange } from "./http.js";
import { HeadReader } from "./readers.js";

/** @typedef {import("./readers.js").Reader} Reader */
/** @typedef {import("./storage.js").RemoteFile} RemoteFile */

const FIRST_BYTES = 1 << 20;
const MOST_BYTES = 64 << 20;

/**
 * Raises what loading would raise. Headers that cannot be had (a server that refuses, an unknown size) are left to the
 * download, and so are weights that are small or here already.
 * @param {Reader[]} small files that were fetched, such as `config.json`
 * @param {RemoteFile[]} rest the weights, and what comes behind them
 * @param {import("./storage.js").Storage} storage
 * @param {import("./model_files.js").Context} context
 */
export async function examine(small, rest, storage, { onProgress, signal, rules }) {
  if (!rules.examine) return;
  const kept = await Promise.all(rest.map((file) => storage.completeSize(file)));
  const missing = rest.reduce((sum, file, i) => sum + (kept[i] >= 0 ? 0 : (file.size ?? Infinity)), 0);
  if (missing <= FIRST_BYTES) return; // as much as the headers would be
  onProgress({ status: "examine", file: rest[0].name });
  await askWithHeads(rest, signal, (heads) => rules.examine?.(small, heads) ?? null);
}

/**
 * Ask with the beginnings of files, more and more of them, until the answer needs no more. False where they cannot be had.
 * @param {RemoteFile[]} files
 * @param {AbortSignal | undefined} signal
 * @param {(heads: HeadReader[]) => {name: string, bytes: number} | null} ask what of which file it needs
 */
export async function askWithHeads(files, signal, ask) {
  /** @type {Map<string, HeadReader>} */
  const heads = new Map();
  for (const file of files) {
    const head = await headOf(file, FIRST_BYTES, signal);
    if (!head) return false;
    heads.set(file.name, head);
  }
  for (;;) {
    const more = ask([...heads.values()]);
    if (!more) return true;
    const file = files.find(({ name }) => name === more.name);
    const before = heads.get(more.name);
    if (!file || !before || more.bytes > MOST_BYTES) return false;
    const head = await headOf(file, Math.max(more.bytes, 2 * before.available), signal);
    if (!head || head.available < Math.min(more.bytes, head.size)) return false;
    heads.set(file.name, head);
  }
}

/**
 * The first bytes of a file, or nothing where they cannot be had; the download then says why.
 * @param {RemoteFile} file
 * @param {number} count
 * @param {AbortSignal} [signal]
 */
async function headOf(file, count, signal) {
  try {
    const { body, start, total } = await requestRange(file.url, 0, { signal, last: count - 1 });
    const size = file.size ?? total;
    if (start || !size) return null;
    return new HeadReader(file.name, size, await firstBytes(body, Math.min(count, size)));
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body a server without ranges sends the whole file: the rest is not waited for
 * @param {number} count
 */
async function firstBytes(body, count) {
  const bytes = new Uint8Array(count);
  const reader = body.getReader();
  let at = 0;
  try {
    while (at < count) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = value.subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  return bytes.subarray(0, at);
}
