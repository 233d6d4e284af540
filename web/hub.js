/** Where models come from: the site's own list, and the Hugging Face hub. */

import { DownloadError, InputError } from "./errors.js";
import { refused } from "./download.js";

/** @typedef {import("./download.js").RemoteFile} RemoteFile */
/** @typedef {{name: string, title: string, license?: string, source?: string, files: RemoteFile[]}} SiteModel */

export const HUB = "https://huggingface.co";
/** The default model, at the revision this library was tested with. */
export const DEFAULT_REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct";
export const DEFAULT_REVISION = "12fd25f77366fa6b3b4b768ec3050bf629380bac";

/**
 * The models that this site itself offers; none where there is no list.
 * @param {string | URL} [baseURL] the site's root, by default this module's folder
 * @returns {Promise<SiteModel[]>}
 */
export async function siteModels(baseURL = new URL("./", import.meta.url)) {
  const folder = new URL("models/", baseURL);
  const response = await fetch(new URL("index.json", folder));
  if (!response.ok) return [];
  /** @type {{models: SiteModel[]}} */
  const { models } = await response.json();
  return models.map((model) => ({
    ...model,
    files: model.files.map((file) => ({ ...file, url: new URL(`${model.name}/${file.name}`, folder).href })),
  }));
}

/**
 * What a user typed: `owner/name`, `owner/name@revision`, `owner/name/file.gguf`, or an address on the hub.
 * @param {string} text
 * @returns {{repository: string, revision: string, file: string}} `revision` and `file` may be empty
 */
export function parseHubName(text) {
  let path = text.trim().replace(/^https?:\/\/(?:www\.)?(?:huggingface\.co|hf\.co)\//, "").replace(/[?#].*$/, "");
  let revision = "";
  const inTree = /^([^/]+\/[^/]+)\/(?:resolve|blob|tree)\/([^/]+)(?:\/(.*))?$/.exec(path);
  if (inTree) {
    path = inTree[3] ? `${inTree[1]}/${inTree[3]}` : `${inTree[1]}`;
    revision = `${inTree[2]}`;
  }
  const match = /^([\w.-]+\/[\w.-]+?)(?:@([\w./-]+))?(?:\/([\w./ -]+\.gguf))?\/?$/i.exec(path);
  if (!match || path.includes("..")) {
    throw new InputError("is not the name of a model on the hub", {
      where: text.trim() || "model name",
      remedy: `Type owner/name, for example ${DEFAULT_REPOSITORY}, or owner/name/file.gguf.`,
    });
  }
  return { repository: `${match[1]}`, revision: match[2] ?? revision, file: match[3] ?? "" };
}

/**
 * The files to fetch for a model on the hub, all of one commit: a branch is resolved to the commit it names now.
 * @param {string} name see `parseHubName`
 * @param {AbortSignal} [signal]
 * @returns {Promise<RemoteFile[]>}
 */
export async function hubFiles(name, signal) {
  const parsed = parseHubName(name);
  const { repository, file } = parsed;
  const revision = parsed.revision || (repository === DEFAULT_REPOSITORY ? DEFAULT_REVISION : "main");
  const at = (/** @type {string} */ commit, /** @type {string} */ path) => ({
    name: path.slice(path.lastIndexOf("/") + 1),
    url: `${HUB}/${repository}/resolve/${encodeURIComponent(commit)}/${path.split("/").map(encodeURIComponent).join("/")}`,
  });
  if (file) return [at(await commitOf(at(revision, file), revision, signal), file)];
  const commit = await commitOf(at(revision, "config.json"), revision, signal);
  const files = ["config.json", "tokenizer.json"];
  for (const extra of ["tokenizer_config.json", "generation_config.json"]) {
    if (await exists(at(commit, extra), signal)) files.push(extra);
  }
  const index = at(commit, "model.safetensors.index.json");
  if (await exists(index, signal)) {
    /** @type {{weight_map?: Record<string, string>}} */
    const { weight_map: map = {} } = await (await fetch(index.url, { signal })).json();
    files.push(index.name, ...new Set(Object.values(map)));
  } else {
    files.push("model.safetensors");
  }
  return files.map((path) => at(commit, path));
}

/**
 * @param {RemoteFile} file
 * @param {string} revision
 * @param {AbortSignal} [signal]
 */
async function commitOf(file, revision, signal) {
  const response = await head(file, signal);
  if (!response.ok) throw refused(file, response.status);
  return /^[0-9a-f]{40}$/.test(revision) ? revision : (response.headers.get("X-Repo-Commit") ?? revision);
}

/**
 * @param {RemoteFile} file
 * @param {AbortSignal} [signal]
 */
async function exists(file, signal) {
  return (await head(file, signal)).ok;
}

/**
 * @param {RemoteFile} file
 * @param {AbortSignal} [signal]
 */
async function head(file, signal) {
  try {
    return await fetch(file.url, { method: "HEAD", signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new DownloadError("the hub cannot be reached", {
      where: file.url,
      remedy: "Check the connection, or choose the model's files from your computer.",
      cause,
    });
  }
}
