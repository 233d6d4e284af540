/** Where models come from: the site's own list, and the Hugging Face hub. */

import { SITE } from "../site.js";
import { namesInFolder } from "./folders.js";
import { fetchJson } from "./http.js";

/** @typedef {import("./storage.js").RemoteFile} RemoteFile */
/** @typedef {import("./model_files.js").Rules} Rules */
/** `task`: "text-generation" or "feature-extraction". @typedef {{name: string, title: string, license?: string, source?: string, task?: string, files: RemoteFile[]}} SiteModel */

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
 * The files to fetch for a model on the hub, all of one commit: a branch is resolved to the commit it names now. One
 * response has the commit, and every file's size and hash: SHA-256 of those in Git LFS, which the weights are, git's of the rest.
 * @param {string} name an address, as `loom_py/formats/hub_address.py` understands it
 * @param {{signal?: AbortSignal, hubURL?: string, rules: Rules}} options `hubURL`: a mirror
 * @returns {Promise<{name: string, source: string, files: RemoteFile[], notices: string[]}>}
 */
export async function hubModel(name, { signal, hubURL = HUB, rules }) {
  const { repository, revision: requested, file, tag, folder } = rules.address(name);
  const hub = hubURL.replace(/\/+$/, "");
  const revision = requested || (repository === DEFAULT_REPOSITORY ? DEFAULT_REVISION : "main");
  /** @type {{sha?: string, siblings?: {rfilename: string, size?: number, blobId?: string, lfs?: {sha256?: string, size?: number}}[]}} */
  const info = await fetchJson(
    `${hub}/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`,
    signal,
  );
  const commit = info.sha ?? revision;
  const entries = new Map((info.siblings ?? []).map((entry) => [entry.rfilename, entry]));
  const root = `${hub}/${repository}/resolve/${encodeURIComponent(commit)}/`;
  /** @param {string} path @param {string} [name] @returns {RemoteFile} */
  const at = (path, name = path) => {
    const { size, blobId, lfs } = entries.get(path) ?? {};
    const url = root + path.split("/").map(encodeURIComponent).join("/");
    const gitHash = lfs ? undefined : blobId; // in Git LFS it is the pointer's
    return { name, url, size: lfs?.size ?? size, sha256: lfs?.sha256, gitHash };
  };
  const request = { paths: [...entries.keys()], named: file, tag, folder, place: repository };
  let choice = rules.choose(request);
  if (choice.index) {
    /** @type {{weight_map?: Record<string, string>}} */
    const { weight_map: map = {} } = await fetchJson(at(choice.index).url, signal);
    choice = rules.choose({ ...request, indexed: [...new Set(Object.values(map))] });
  }
  const names = namesInFolder(choice.files);
  const files = choice.files.map((path, i) => at(path, names[i]));
  return { name: name.trim(), source: files.length === 1 ? files[0].url : root, files, notices: choice.notices };
}
