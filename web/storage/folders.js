/** Models in the user's folders: picked, dropped, or chosen with `<input webkitdirectory>`. */

const MODEL_FILE = /\.(gguf|safetensors|json|jinja|model|txt|bin|pth?|h5|onnx|npz)$|\.gguf[-.](split|part)/i;
const DEPTH = 4;

/** @type {WeakMap<File, string>} */
const paths = new WeakMap();

/** Where a file lies in what was chosen. @param {File} file */
export const pathOf = (file) => paths.get(file) ?? (file.webkitRelativePath || file.name);

/**
 * The names of a model's files, from where they lie: paths from the folder that holds the weights, such as `1_Pooling/config.json`.
 * @param {readonly string[]} files the last one is of the weights
 */
export function namesInFolder(files) {
  const last = files.at(-1) ?? "";
  const folder = last.slice(0, last.lastIndexOf("/") + 1);
  return files.map((path) => (path.startsWith(folder) ? path.slice(folder.length) : baseName(path)));
}

/** @param {string} path */
const baseName = (path) => path.slice(path.lastIndexOf("/") + 1);

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
