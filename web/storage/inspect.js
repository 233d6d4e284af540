/** What a model is and needs, from its headers and small files, before its weights are fetched or read. */

import { DownloadError, InputError, ModelError } from "../errors.js";
import { download } from "./download.js";
import { askWithHeads } from "./examine.js";
import { pathOf } from "./folders.js";
import { isWeights, openLocalFiles, resolve } from "./model_files.js";
import { readerOf } from "./readers.js";
import { MemoryShelf } from "./shelves.js";
import { Storage } from "./storage.js";

/** @typedef {import("./readers.js").Reader} Reader */
/** Bytes on the device: weights, and what its layers keep of a conversation of so many tokens. @typedef {{weights: number, cache: number, tokens: number, total: number}} ModelMemory */
/**
 * What the files of a model say before it is loaded. What depends on a configuration that cannot be used is null.
 * @typedef {object} ModelReport
 * @property {string} name
 * @property {string} format "GGUF" or "safetensors"; empty where no model was recognised
 * @property {"decoder" | "encoder" | ""} kind whether it continues texts or embeds them; empty where it cannot be loaded
 * @property {string} family as the files call it, such as "llama"
 * @property {number} parameters
 * @property {number} bytes of all tensors
 * @property {Record<string, number>} storages how many tensors are stored as what, such as `{Q4_1: 210, F32: 61}`
 * @property {number | null} hidden_size
 * @property {number | null} num_hidden_layers
 * @property {number | null} vocab_size
 * @property {number | null} max_position_embeddings
 * @property {number | null} experts in each mixture of experts; 0 for other models
 * @property {boolean} tokenizer
 * @property {boolean} chat it has a chat template
 * @property {string} device that would get it
 * @property {ModelMemory | null} memory
 * @property {boolean} fits there is room for it, as far as that can be said
 * @property {string} lack why there is none
 * @property {string} problem what is missing or not supported: the error that loading would give; empty for a model that loads
 * @property {string[]} notices
 */

/**
 * `inspect` asks Python for a report on files and the beginnings of others, or for more of one.
 * @typedef {import("./model_files.js").Context & {rules: {inspect(files: Reader[], heads: import("./readers.js").HeadReader[], name: string): {report?: ModelReport, more?: {name: string, bytes: number}}}}} Context
 */

/**
 * @param {import("./model_files.js").ModelSource} source
 * @param {Storage} storage
 * @param {Context} context
 * @returns {Promise<ModelReport>}
 */
export async function inspectModelFiles(source, storage, context) {
  if (source.files) return inspectLocalFiles(source.files, source.paths ?? source.files.map(pathOf), context);
  const { onProgress, signal, rules } = context;
  const model = await resolve(source, storage, context);
  if (!model.files.length)
    throw new InputError("there are no files to load a model from", { remedy: "Name at least one file." });
  const passing = new Storage(new MemoryShelf());
  /** @type {Reader[]} */
  const whole = [];
  const rest = [];
  try {
    for (const file of model.files) {
      const kept = (await storage.completeSize(file)) >= 0;
      if (isWeights(file) && !kept) rest.push(file);
      else whole.push(await download(file, kept ? storage : passing, { onProgress, signal, verify: false }));
    }
    if (rest.length) onProgress({ status: "examine", file: rest[0].name });
    /** @type {ModelReport | undefined} */
    let report;
    const answered = await askWithHeads(rest, signal, (heads) => {
      const answer = rules.inspect(whole, heads, model.name);
      report = answer.report;
      return answer.more ?? null;
    });
    if (!answered || !report) {
      const remedy = "Try again, or load the model, which says why.";
      throw new DownloadError("the beginning of the weights could not be fetched", { where: model.name, remedy });
    }
    return { ...report, notices: [...(model.notices ?? []), ...report.notices] };
  } finally {
    for (const reader of whole) reader.release();
  }
}

/**
 * @param {File[]} files
 * @param {string[]} paths
 * @param {Context} context
 * @returns {Promise<ModelReport>}
 */
async function inspectLocalFiles(files, paths, context) {
  /** @type {string[]} */
  const notices = [];
  const onProgress = (/** @type {import("../engine/progress.js").Progress} */ { message = "" }) =>
    notices.push(message);
  let readers;
  try {
    readers = await openLocalFiles(files, paths, { ...context, onProgress });
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    readers = await Promise.all(files.map((file, i) => readerOf(file, paths[i]))); // for a report that says so
  }
  try {
    const { report } = context.rules.inspect(readers, [], files.length === 1 ? files[0].name : placeOf(paths));
    if (!report) throw new InputError("the files could not be read to their end", { where: placeOf(paths) });
    return { ...report, notices: [...notices, ...report.notices] };
  } finally {
    for (const reader of readers) reader.release();
  }
}

/** The folder that was chosen. @param {string[]} paths */
const placeOf = (paths) => (paths[0]?.includes("/") ? paths[0].split("/")[0] : "files");
