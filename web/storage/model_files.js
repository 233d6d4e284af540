/**
 * All files of a model as readers: resolved, room made, fetched or taken from storage, and recorded as one model.
 */

import { DownloadError, InputError, StorageError, isAbort } from "../errors.js";
import { download } from "./download.js";
import { readerOf } from "./readers.js";
import { examine } from "./examine.js";
import { namesInFolder } from "./folders.js";
import { isOutage, sizeOf } from "./http.js";
import { hubModel } from "./hub.js";
import { MemoryShelf } from "./shelves.js";
import { Storage, fileKey } from "./storage.js";

/** @typedef {import("./readers.js").Reader} Reader */
/** @typedef {import("./storage.js").RemoteFile} RemoteFile */
/** @typedef {import("../engine/progress.js").OnProgress} OnProgress */
/** @typedef {{name: string, source: string, files: RemoteFile[], notices?: string[]}} RemoteModel */
/**
 * What Python knows of models before they are fetched (`loom_py/bridge/opening.py`): what an address on the hub names,
 * which of some files make a model, and whether a model can be loaded by what its headers say.
 * @typedef {{
 *   address(text: string): {repository: string, revision: string, file: string, tag: string, folder: string},
 *   choose(request: {paths: string[], named?: string, tag?: string, folder?: string, indexed?: string[], place?: string}): {files: string[], index: string, notices: string[]},
 *   examine?(files: Reader[], heads: import("./readers.js").HeadReader[]): {name: string, bytes: number} | null,
 * }} Rules without `examine`, headers are not looked at beforehand
 */
/**
 * Whether to keep what is downloaded: `"try"` (default) uses memory where there is no room, `"must"` fails before the
 * first byte instead, or as soon as the browser refuses to keep it, `"never"` leaves nothing behind. `evict` removes the
 * least recently used models for room. `verify`: hash what is kept already before it is used (default).
 * @typedef {{keep?: "try" | "must" | "never", evict?: boolean, verify?: boolean}} KeepOptions
 */
/** @typedef {{files?: File[], paths?: string[], remote?: RemoteFile[], name?: string, hub?: string, hubURL?: string, kept?: string} & KeepOptions} ModelSource exactly one of `files`, `remote`, `hub`, `kept`; `paths`: where the files lie in what was chosen */
/** `onKept`: called for each file that is used as it was kept. @typedef {{onProgress: OnProgress, signal?: AbortSignal, rules: Rules, onKept?: (file: RemoteFile) => void}} Context */

/**
 * @param {ModelSource} source
 * @param {Storage} storage
 * @param {Context} context
 * @returns {Promise<Reader[]>}
 */
export async function openModelFiles(source, storage, context) {
  if (source.files) return openLocalFiles(source.files, source.paths, context);
  const keep = source.keep ?? "try";
  if (!["try", "must", "never"].includes(keep)) {
    throw new InputError(`there is no «${String(keep)}»`, {
      where: "keep",
      remedy: 'Choose "try", "must" or "never".',
    });
  }
  const model = await resolve(source, storage, context);
  if (!model.files.length)
    throw new InputError("there are no files to load a model from", { remedy: "Name at least one file." });
  const place =
    keep === "never" ? new Storage(new MemoryShelf()) : await makeRoom(model, storage, { ...source, keep }, context);
  for (const message of model.notices ?? []) context.onProgress({ status: "notice", file: model.name, message });
  /** @type {Reader[]} */
  const readers = [];
  const mustKeep = keep === "must";
  let examined = false;
  let refused = false;
  try {
    if (place === storage) {
      await place.saveModel(model).catch((error) => {
        if (mustKeep) throw notKept(model.name, error); // else a full disk is reported with the file
      });
    }
    for (const [i, file] of model.files.entries()) {
      if (!examined && isWeights(file)) {
        examined = refused = true;
        await examine(readers, model.files.slice(i), place, context);
        refused = false;
      }
      const reader = await download(file, place, { ...context, mustKeep, verify: source.verify });
      readers.push(reader);
      if (!reader.size)
        throw new DownloadError("the file is empty", { where: file.url, remedy: "Choose another file." });
    }
    return readers;
  } catch (error) {
    for (const reader of readers) reader.release();
    if (refused && !isAbort(error)) await forgetRefused(model, place);
    throw error;
  }
}

/**
 * A model that cannot be loaded is not listed, unless some of its weights are here.
 * @param {RemoteModel} model
 * @param {Storage} storage
 */
async function forgetRefused(model, storage) {
  const kept = await Promise.all(model.files.filter(isWeights).map((file) => storage.kept(fileKey(file.url))));
  if (kept.every((size) => !size)) await storage.remove(model.name, model.source).catch(() => {});
}

/** @param {RemoteFile} file */
export const isWeights = ({ name }) => /\.(gguf|safetensors)$/i.test(name);

/**
 * The files of a model among those that the user chose.
 * @param {File[]} files
 * @param {string[] | undefined} paths
 * @param {Context} context
 * @returns {Promise<Reader[]>}
 */
export async function openLocalFiles(files, paths = files.map((file) => file.name), { onProgress, rules }) {
  const place = paths[0]?.includes("/") ? paths[0].split("/")[0] : "files";
  const choice = rules.choose({ paths, place });
  const named = new Map(paths.map((path, i) => [path, files[i]]));
  for (const message of choice.notices) onProgress({ status: "notice", file: place, message });
  const names = namesInFolder(choice.files);
  const chosen = choice.files.flatMap((path, i) => {
    const file = named.get(path);
    return file ? [{ file, name: names.length > 1 ? names[i] : file.name }] : []; // one alone may have a slash in its name
  });
  return Promise.all(chosen.map(({ file, name }) => readerOf(file, name)));
}

/**
 * @param {ModelSource} source
 * @param {Storage} storage
 * @param {Context} context
 * @returns {Promise<RemoteModel>}
 */
export async function resolve({ remote, name, hub, hubURL, kept }, storage, { onProgress, signal, rules }) {
  if (kept !== undefined) {
    const whole = await keptModel(storage, (model) => model.name === kept);
    if (whole) return whole;
    const remedy = "session.storage.list() shows which are whole.";
    throw new StorageError("there is no whole model of this name in this browser's storage", { where: kept, remedy });
  }
  if (hub === undefined) {
    const files = remote ?? [];
    const folder = files[0]?.url.replace(/[^/]*$/, "") ?? "";
    return {
      name: name ?? files.find((file) => /\.(gguf|safetensors)$/i.test(file.name))?.name ?? "model",
      source: folder,
      files,
    };
  }
  onProgress({ status: "resolve", file: hub });
  try {
    return await hubModel(hub, { signal, hubURL, rules });
  } catch (error) {
    const whole = isOutage(error) ? await keptModel(storage, (model) => model.name === hub.trim()) : null;
    if (!whole) throw error;
    const why = error instanceof Error ? error.message : String(error);
    onProgress({
      status: "notice",
      file: hub,
      message: `The hub could not be reached (${why}); using the model kept in this browser.`,
    });
    return whole;
  }
}

/**
 * The most recently used model that is whole.
 * @param {Storage} storage
 * @param {(model: import("./storage.js").ModelRecord) => boolean} wanted
 * @returns {Promise<RemoteModel | null>}
 */
async function keptModel(storage, wanted) {
  for (const { name, source, files } of (await storage.models()).filter(wanted).reverse()) {
    const sizes = await Promise.all(files.map((file) => storage.completeSize(file)));
    if (!sizes.includes(-1)) return { name, source, files };
  }
  return null;
}

/**
 * Where the model goes: `storage` if it fits there, else memory, before any byte is fetched.
 * @param {RemoteModel} model
 * @param {Storage} storage
 * @param {{keep: "try" | "must" | "never", evict?: boolean}} options
 * @param {Context} context
 * @returns {Promise<Storage>}
 */
async function makeRoom(model, storage, { keep, evict = false }, { onProgress, signal }) {
  const needed = (await Promise.all(model.files.map((file) => missingBytes(file, storage, signal)))).reduce(
    (a, b) => a + b,
    0,
  );
  const notify = (/** @type {string} */ message) => onProgress({ status: "notice", file: model.name, message });
  if (needed > 0 && storage.shelf.kind !== "opfs") {
    const place = storage.shelf.kind === "cache" ? "the browser's cache" : "memory only";
    const message = `Files on disk are not available (${storage.reason}); downloads go to ${place}.`;
    if (keep === "must" && storage.shelf.kind === "memory")
      throw new StorageError(message, { where: model.name, remedy: "Use a normal window." });
    notify(message);
  }
  const free = await storage.room();
  if (needed <= free) return storage;
  const { models, enough } = await storage.evictable(needed, model);
  const names = models.map(({ name }) => name).join(", ");
  if (enough && evict) {
    for (const { name, source } of models) {
      const freed = await storage.remove(name, source);
      onProgress({ status: "evicted", file: name, loaded: freed, total: freed });
    }
    return storage;
  }
  const lack = `the model needs ${mb(needed)} and the browser's storage has ${mb(free)} left`;
  const remedy = enough
    ? `Remove ${names}, or load it without keeping it.`
    : "Free space on the disk, choose a smaller model, or load it without keeping it.";
  if (keep === "must") throw new StorageError(lack, { where: model.name, remedy });
  notify(
    `There is no room to keep the model: ${lack}. It is held in memory. ${remedy.replace(/,? or load it without keeping it/, "")}`,
  );
  return new Storage(new MemoryShelf());
}

/**
 * Bytes of a file that are still to be fetched; an unknown size is requested from the server.
 * @param {RemoteFile} file its size is filled in
 * @param {Storage} storage
 * @param {AbortSignal} [signal]
 */
async function missingBytes(file, storage, signal) {
  if ((await storage.completeSize(file)) >= 0) return 0;
  if (file.size === undefined) file.atLeast = await sizeOf(file.url, signal);
  const size = file.size ?? file.atLeast;
  return Math.max(0, (size ?? 0) - (await storage.kept(fileKey(file.url))));
}

/** @param {string} where @param {unknown} cause */
function notKept(where, cause) {
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  const remedy = "Use a normal window, free space on the disk, or load it without keeping it.";
  return new StorageError(`the browser does not keep the model (${reason})`, { where, remedy, cause });
}

/** @param {number} bytes */
const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
