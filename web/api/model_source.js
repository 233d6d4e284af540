/** What a model is loaded from, as the engine takes it: files, addresses, a kept model, or a name on the hub. */

import { InputError } from "../errors.js";
import { modelFiles } from "../storage/folders.js";

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
    if (files.length) return { files: modelFiles(files) };
  } else if (source && "kept" in source) {
    return { kept: String(source.kept) };
  } else if (Array.isArray(source?.files)) {
    const remote = source.files.map(({ name, url, size, sha256 }) => ({ name, url: absolute(url), size, sha256 }));
    return { remote, name: source.name };
  }
  throw new InputError("there are no files to load a model from", {
    remedy: "Give a .gguf file, or config.json, tokenizer.json and the .safetensors files together.",
  });
}

/** An address seen from the page, whichever thread fetches it. @param {string} url */
const absolute = (url) => new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
