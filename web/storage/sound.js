/** Whether a kept file is still what was put down, when it is used again. */

import { Sha256 } from "./sha256.js";
import { dataName } from "./storage.js";

const PROGRESS_MS = 100;

/**
 * Whether a kept file has the bytes that were put down, by the hash in its record. One that has not is forgotten.
 * @param {import("./storage.js").RemoteFile} file
 * @param {string} key
 * @param {import("./storage.js").Storage} storage
 * @param {{signal?: AbortSignal, onProgress: import("../engine/progress.js").OnProgress}} context
 */
export async function isSound(file, key, storage, { signal, onProgress }) {
  const record = await storage.record(key);
  if (!record?.digest || storage.shelf.kind === "memory") return true;
  const hash = new Sha256();
  const total = record.size ?? 0;
  let loaded = 0;
  let reported = performance.now();
  for await (const chunk of storage.shelf.chunks(dataName(key))) {
    signal?.throwIfAborted();
    hash.update(chunk);
    loaded += chunk.length;
    if (performance.now() - reported < PROGRESS_MS) continue;
    reported = performance.now();
    onProgress({ status: "verify", file: file.name, loaded, total });
  }
  if (hash.hex() === record.digest) return true;
  onProgress({ status: "restart", file: file.name, message: "the kept file is damaged; it is fetched again" });
  await storage.forget(key);
  return false;
}
