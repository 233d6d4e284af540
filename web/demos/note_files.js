/** Files as notes, without vectors: texts cut into passages, JSON with texts in it, indices that the page has exported. */

import { InputError, explain } from "../loom.js";
import { NoteIndex, isIndex, newNote } from "./note_index.js";
import { passagesOf, passagesOfJson } from "./passages.js";

/** @typedef {import("./note_index.js").Note} Note */

const LARGEST = 50e6;

/**
 * @param {File} file
 * @param {string} model whose vectors are wanted; only an index has them
 * @returns {Promise<Note[]>}
 */
export async function readNotes(file, model) {
  const where = file.name;
  if (file.size > LARGEST)
    throw new InputError(`has ${(file.size / 1e6).toFixed(0)} MB`, {
      where,
      remedy: `Give files of up to ${LARGEST / 1e6} MB.`,
    });
  const text = await textOf(file);
  if (!/\.json$/i.test(file.name)) return [noteOf(where, passagesOf(text))];
  let value;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    throw new InputError(`is no JSON (${explain(cause)})`, { where, remedy: "Mend it, or give it as .txt.", cause });
  }
  return isIndex(value) ? NoteIndex.from(value, model, where).notes : [noteOf(where, passagesOfJson(value, where))];
}

/**
 * @param {string} name
 * @param {string[]} passages
 */
export function noteOf(name, passages) {
  if (!passages.length)
    throw new InputError("holds no text", { where: name, remedy: "Give a text of at least one word." });
  return newNote(name, passages);
}

/** @param {File} file */
async function textOf(file) {
  const remedy = "Give plain text, Markdown or JSON in UTF-8.";
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch (cause) {
    throw new InputError("cannot be read", { where: file.name, remedy: "Choose the file again.", cause });
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // Said below.
  }
  throw new InputError("is no text", { where: file.name, remedy });
}
