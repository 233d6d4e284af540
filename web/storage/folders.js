/** Models in the user's folders: picked, dropped, or chosen with `<input webkitdirectory>`. */

import { InputError } from "../errors.js";

const MODEL_FILE = /\.(gguf|safetensors|json|jinja)$/i;
const DEPTH = 4;

/**
 * The files of a model among those of a folder: the shallowest folder with `config.json` and weights, else the one
 * `.gguf` file. Files that were chosen one by one are taken as they are.
 * @param {File[]} files
 * @returns {File[]}
 */
export function modelFiles(files) {
  if (!files.some((file) => pathOf(file).includes("/"))) return files;
  /** @type {Map<string, File[]>} */
  const folders = new Map();
  for (const file of files) {
    if (!MODEL_FILE.test(file.name)) continue;
    const path = pathOf(file);
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  const byDepth = [...folders].sort(([a], [b]) => a.split("/").length - b.split("/").length);
  for (const [, inside] of byDepth) {
    const has = (/** @type {RegExp} */ name) => inside.some((file) => name.test(file.name));
    if (has(/^config\.json$/) && has(/\.safetensors$/i)) return inside.filter((file) => !/\.gguf$/i.test(file.name));
  }
  const gguf = files.filter((file) => /\.gguf$/i.test(file.name));
  if (gguf.length === 1) return gguf;
  throw new InputError(
    gguf.length ? `the folder contains ${gguf.length} .gguf files` : "the folder contains no model",
    {
      where: files[0] ? pathOf(files[0]).split("/")[0] : "folder",
      remedy: gguf.length
        ? `Choose one of them: ${gguf.map((file) => file.name).join(", ")}.`
        : "Choose one with a .gguf file, or with config.json, tokenizer.json and .safetensors files.",
    },
  );
}

/** @type {WeakMap<File, string>} */
const paths = new WeakMap();

/** @param {File} file */
const pathOf = (file) => paths.get(file) ?? (file.webkitRelativePath || file.name);

/**
 * All files of what was dropped, also those in folders. Call it within the event handler: the items do not outlive it.
 * @param {DataTransfer} data
 * @returns {Promise<File[]>}
 */
export async function droppedFiles(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.());
  const plain = [...data.files];
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const perEntry = await Promise.all(entries.map((entry) => (entry ? walk(entry, DEPTH) : [])));
  return perEntry.flat();
}

/**
 * @param {FileSystemEntry} entry
 * @param {number} depth
 * @returns {Promise<File[]>}
 */
async function walk(entry, depth) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) =>
      /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
    );
    paths.set(file, entry.fullPath.slice(1));
    return [file];
  }
  if (!depth) return [];
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const files = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return files; // a reader returns a hundred entries at a time
    files.push(...(await Promise.all(batch.map((inside) => walk(inside, depth - 1)))).flat());
  }
}

/** Whether `pickFolder` works here; elsewhere use `<input webkitdirectory>`. */
export const canPickFolder = () => "showDirectoryPicker" in globalThis;

/**
 * Let the user choose a folder; empty when the user cancels.
 * @returns {Promise<File[]>}
 */
export async function pickFolder() {
  let folder;
  try {
    folder = await showDirectoryPicker({ id: "loom-model", mode: "read" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return [];
    throw error;
  }
  return filesIn(folder, `${folder.name}/`, DEPTH);
}

/**
 * @param {FileSystemDirectoryHandle} folder
 * @param {string} path
 * @param {number} depth
 * @returns {Promise<File[]>}
 */
async function filesIn(folder, path, depth) {
  /** @type {File[]} */
  const files = [];
  for await (const [name, handle] of folder.entries()) {
    if (handle instanceof FileSystemFileHandle && MODEL_FILE.test(name)) {
      const file = await handle.getFile();
      paths.set(file, path + name);
      files.push(file);
    } else if (handle instanceof FileSystemDirectoryHandle && depth) {
      files.push(...(await filesIn(handle, `${path}${name}/`, depth - 1)));
    }
  }
  return files;
}
