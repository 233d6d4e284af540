// Run in a worker by storage_tab.py: the download and storage modules without Python.
import { toPlain } from "ORIGIN/errors.js";
import { openModelFiles } from "ORIGIN/storage/model_files.js";
import { Sha256 } from "ORIGIN/storage/sha256.js";
import { Storage } from "ORIGIN/storage/storage.js";

if (HIDE.includes("opfs")) Reflect.deleteProperty(StorageManager.prototype, "getDirectory");
if (HIDE.includes("caches")) Object.defineProperty(globalThis, "caches", { value: undefined });
const storage = Storage.open();

/** @typedef {import("ORIGIN/loom.js").Progress} Progress */

/** What Python answers in a page, for the repositories of these tests. @type {import("ORIGIN/storage/model_files.js").Rules} */
const rules = {
  address: (text) => ({ repository: text, revision: "", file: "", tag: "", folder: "" }),
  choose: ({ paths }) => ({ files: paths.filter((path) => !path.endsWith(".bin")), index: "", notices: [] }),
};

/** @type {Record<string, (params: any) => Promise<unknown>>} */
const COMMANDS = {
  /** @param {{source: import("ORIGIN/storage/model_files.js").ModelSource, abortAt?: number}} params */
  async load({ source, abortAt = Infinity }) {
    /** @type {Progress[]} */
    const events = [];
    const stop = new AbortController();
    const onProgress = (/** @type {Progress} */ event) => {
      events.push(event);
      if (event.status === "download" && (event.loaded ?? 0) >= abortAt) stop.abort();
    };
    try {
      const readers = await openModelFiles(source, await storage, { onProgress, signal: stop.signal, rules });
      const files = readers.map((reader) => {
        const hash = new Sha256();
        for (let at = 0; at < reader.size; at += 300_007)
          hash.update(reader.read(at, Math.min(300_007, reader.size - at)));
        const file = { name: reader.name, size: reader.size, sha256: hash.hex(), kind: reader.constructor.name };
        reader.release();
        return file;
      });
      return { files, events };
    } catch (error) {
      return { error: toPlain(error), events };
    }
  },
  list: async () => (await storage).list(),
  names: async () => (await storage).shelf.names(),
  usage: async () => (await storage).usage(),
  remove: async ({ name }) => (await storage).remove(name),
  // Chromium tells every site of 10 GiB, whatever the quota is.
  quota: async (estimate) => void (StorageManager.prototype.estimate = async () => estimate),
  clear: async () => (await storage).clear(),
};

/** @param {MessageEvent<{id: number, command: string, params: unknown}>} message */
globalThis.onmessage = async ({ data: { id, command, params } }) => {
  try {
    postMessage({ id, value: await COMMANDS[command]?.(params) });
  } catch (error) {
    postMessage({ id, value: { error: toPlain(error) } });
  }
};
