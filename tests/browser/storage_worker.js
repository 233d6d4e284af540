// Run in a worker by storage_tab.py: the download and storage modules without Python.
import { toPlain } from "ORIGIN/errors.js";
import { limits } from "ORIGIN/storage/http.js";
import { openModelFiles } from "ORIGIN/storage/model_files.js";
import { Sha256 } from "ORIGIN/storage/sha256.js";
import { Storage } from "ORIGIN/storage/storage.js";

if (HIDE.includes("opfs")) Reflect.deleteProperty(StorageManager.prototype, "getDirectory");
if (HIDE.includes("caches")) Object.defineProperty(globalThis, "caches", { value: undefined });
/** @type {Promise<Storage> | undefined} */
let opened;
const open = () => (opened ??= Storage.open());

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
      const readers = await openModelFiles(source, await open(), { onProgress, signal: stop.signal, rules });
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
  list: async () => (await open()).list(),
  names: async () => (await open()).shelf.names(),
  usage: async () => (await open()).usage(),
  remove: async ({ name }) => (await open()).remove(name),
  // Chromium tells every site of 10 GiB, whatever the quota is.
  quota: async (estimate) => void (StorageManager.prototype.estimate = async () => estimate),
  idle: async (ms) => void (limits.idle = ms),
  later: async (ms) => {
    const { now } = Date;
    Date.now = () => now() + ms;
  },
  // Files of the shelf as a crash or a bad disk leaves them: cut without `at`, else overwritten there.
  async damage({ match, at, text }) {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("loom-files", { create: true });
    for await (const [name, handle] of /** @type {any} */ (folder).entries()) {
      if (!name.match(match)) continue;
      const access = await handle.createSyncAccessHandle();
      if (at === undefined) access.truncate(0);
      access.write(new TextEncoder().encode(text), { at: at ?? 0 });
      access.close();
    }
  },
  // Storage that takes what it is given and keeps nothing, or tells of room that it has not.
  async lie({ what }) {
    if (what === "put") Cache.prototype.put = async () => {};
    const handles = /** @type {any} */ (globalThis).FileSystemSyncAccessHandle.prototype;
    if (what === "write") handles.read = () => 0;
    if (what !== "full") return;
    const { write } = handles;
    let written = 0;
    handles.write = function (/** @type {Uint8Array} */ bytes, /** @type {any} */ options) {
      written += bytes.byteLength;
      if (written > 1_000_000) throw new DOMException("full", "QuotaExceededError");
      return write.call(this, bytes, options);
    };
  },
  clear: async () => (await open()).clear(),
};

/** @param {MessageEvent<{id: number, command: string, params: unknown}>} message */
globalThis.onmessage = async ({ data: { id, command, params } }) => {
  try {
    postMessage({ id, value: await COMMANDS[command]?.(params) });
  } catch (error) {
    postMessage({ id, value: { error: toPlain(error) } });
  }
};
