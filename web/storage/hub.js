/** Where models come from: the site's own list, and the Hugging Face hub. */

import { InputError } from "../errors.js";
import { SITE } from "../site.js";
import { fetchJson } from "./http.js";

/** @typedef {import("./storage.js").RemoteFile} RemoteFile */
/** @typedef {{name: string, title: string, license?: string, source?: string, files: RemoteFile[]}} SiteModel */

export const HUB = "https://huggingface.co";
/** The default model, at the revision this library was tested with. */
export const DEFAULT_REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct";
export const DEFAULT_REVISION = "12fd25f77366fa6b3b4b768ec3050bf629380bac";

/**
 * The models that this site offers; none where it has no list.
 * @param {string | URL} [baseURL] the site's root, by default the folder of `loom.js`
 * @returns {Promise<SiteModel[]>}
 */
export async function siteModels(baseURL = SITE) {
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
  let path = text
    .trim()
    .replace(/^https?:\/\/(?:www\.)?(?:huggingface\.co|hf\.co)\//, "")
    .replace(/[?#].*$/, "");
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
 * The files to fetch for a model on the hub, all of one commit: a branch is resolved to the commit it names now. One
 * response has the commit, and every file's size and SHA-256 (of those in Git LFS, which the weights are).
 * @param {string} name see `parseHubName`
 * @param {{signal?: AbortSignal, hubURL?: string}} [options] `hubURL`: a mirror
 * @returns {Promise<{name: string, source: string, files: RemoteFile[]}>}
 */
export async function hubModel(name, { signal, hubURL = HUB } = {}) {
  const { repository, revision: requested, file } = parseHubName(name);
  const hub = hubURL.replace(/\/+$/, "");
  const revision = requested || (repository === DEFAULT_REPOSITORY ? DEFAULT_REVISION : "main");
  /** @type {{sha?: string, siblings?: {rfilename: string, size?: number, lfs?: {sha256?: string, size?: number}}[]}} */
  const info = await fetchJson(
    `${hub}/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`,
    signal,
  );
  const commit = info.sha ?? revision;
  const entries = new Map((info.siblings ?? []).map((entry) => [entry.rfilename, entry]));
  const folder = `${hub}/${repository}/resolve/${encodeURIComponent(commit)}/`;
  /** @param {string} path @returns {RemoteFile} */
  const at = (path) => {
    const { size, lfs } = entries.get(path) ?? {};
    const url = folder + path.split("/").map(encodeURIComponent).join("/");
    return { name: path.slice(path.lastIndexOf("/") + 1), url, size: lfs?.size ?? size, sha256: lfs?.sha256 };
  };
  const paths = file
    ? [file]
    : await modelPaths([...entries.keys()], repository, (path) => fetchJson(at(path).url, signal));
  return { name: name.trim(), source: file ? at(file).url : folder, files: paths.map(at) };
}

/** Files besides the weights, where a repository has them. */
const CONFIGURATION = [
  "config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
  "chat_template.jinja",
];
const INDEX = "model.safetensors.index.json";

/**
 * The files of a repository that make its model.
 * @param {string[]} paths
 * @param {string} repository
 * @param {(path: string) => Promise<any>} read a JSON file
 * @returns {Promise<string[]>}
 */
async function modelPaths(paths, repository, read) {
  const present = new Set(paths);
  const configuration = CONFIGURATION.filter((path) => present.has(path));
  if (present.has("config.json") && present.has(INDEX)) {
    /** @type {{weight_map?: Record<string, string>}} */
    const { weight_map: map = {} } = await read(INDEX);
    return [...configuration, INDEX, ...new Set(Object.values(map))];
  }
  if (present.has("config.json") && present.has("model.safetensors")) return [...configuration, "model.safetensors"];
  const gguf = paths.filter((path) => /\.gguf$/i.test(path));
  if (gguf.length === 1) return gguf;
  throw new InputError(gguf.length ? `has ${gguf.length} .gguf files` : "has no model.safetensors and no .gguf file", {
    where: repository,
    remedy: gguf.length
      ? `Name one of them: ${gguf
          .slice(0, 8)
          .map((path) => `${repository}/${path}`)
          .join(", ")}${gguf.length > 8 ? ", …" : ""}.`
      : "Choose a repository with the weights in one of these formats.",
  });
}
