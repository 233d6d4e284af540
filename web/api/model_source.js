/** The source of a model in the engine's form: files, addresses, a kept model, or a name on the hub. */

import { InputError } from "../errors.js";
import { expectNumber, expectText, mismatch, record } from "./arguments.js";
import { pathOf } from "../storage/folders.js";

/** @typedef {import("../storage/storage.js").RemoteFile} RemoteFile */
/** @typedef {Iterable<File> | {files: RemoteFile[], name?: string} | {kept: string} | string} ModelChoice */

/**
 * @param {ModelChoice} source
 * @returns {import("../storage/model_files.js").ModelSource}
 */
export function modelSource(source) {
  if (typeof source === "string") return { hub: source };
  if (typeof source === "object" && source && Symbol.iterator in source) {
    const files = [...source];
    for (const [i, file] of files.entries())
      if (!(file instanceof File)) throw new InputError(mismatch("a File", file), { where: `source[${i}]` });
    if (files.length) return { files, paths: files.map(pathOf) };
  } else if (typeof source === "object" && source && "kept" in source) {
    expectText(source.kept, "source.kept");
    return { kept: source.kept };
  } else if (typeof source === "object" && Array.isArray(source?.files)) {
    if (source.name !== undefined) expectText(source.name, "source.name");
    return { remote: source.files.map((file, i) => remoteFile(file, `source.files[${i}]`)), name: source.name };
  }
  throw new InputError("there are no files to load a model from", {
    remedy: "Give a .gguf file, or config.json, tokenizer.json and the .safetensors files together.",
  });
}

/**
 * A file by its address, which is seen from the page, whichever thread fetches it.
 * @param {RemoteFile} file
 * @param {string} where
 * @returns {RemoteFile}
 */
function remoteFile(file, where) {
  const { name, url, size, sha256 } = record(file, where);
  expectText(name, `${where}.name`);
  if (!(/** @type {unknown} */ (url) instanceof URL)) expectText(url, `${where}.url`);
  if (size !== undefined) expectNumber(size, `${where}.size`, { whole: true, minimum: 0 });
  if (sha256 !== undefined) expectText(sha256, `${where}.sha256`);
  try {
    return { name, url: new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href, size, sha256 };
  } catch (cause) {
    throw new InputError(`is no address: ${url}`, { where: `${where}.url`, cause });
  }
}
