/**
 * Notes with a vector for each of their passages: searched by cosine similarity, kept as JSON.
 *
 * The form of the JSON, in which notes are kept, exported and imported (vectors are float32, little-endian, base64):
 *
 *     {"format": "loom-notes", "version": 1, "model": "all-MiniLM-L6-v2",
 *      "notes": [{"id": "…", "name": "garden.md", "passages": [{"text": "…", "vector": "…"}]}]}
 */

import { InputError } from "../loom.js";

/** @typedef {{text: string, vector: Float32Array}} Passage */
/** @typedef {{id: string, name: string, passages: Passage[]}} Note */
/** @typedef {{note: Note, passage: Passage, score: number}} Hit */

const FORMAT = "loom-notes";
const VERSION = 1;

/** Whether a parsed JSON value is meant to be an index. @param {any} value */
export const isIndex = (value) => value?.format === FORMAT;

/**
 * A note whose passages have no vectors yet: they are empty.
 * @param {string} name
 * @param {string[]} texts
 * @returns {Note}
 */
export function newNote(name, texts) {
  const passages = texts.map((text) => ({ text, vector: new Float32Array() }));
  return { id: Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join(""), name, passages };
}

export class NoteIndex {
  /** @type {Note[]} */
  notes = [];

  /** @param {string} model whose vectors these are */
  constructor(model) {
    this.model = model;
  }

  /** All passages, each with its note. @returns {{note: Note, passage: Passage}[]} */
  passages() {
    return this.notes.flatMap((note) => note.passages.map((passage) => ({ note, passage })));
  }

  /** Whether a note is there: the same one, or another with the same name and texts. @param {Note} note */
  has(note) {
    return this.notes.some(
      ({ id, name, passages }) =>
        id === note.id ||
        (name === note.name &&
          passages.length === note.passages.length &&
          passages.every(({ text }, i) => text === note.passages[i].text)),
    );
  }

  /** @param {string} id */
  remove(id) {
    this.notes = this.notes.filter((note) => note.id !== id);
  }

  /**
   * The passages that are most like a vector, the best first.
   * @param {Float32Array} query
   * @param {number} count
   * @returns {Hit[]}
   */
  search(query, count) {
    const hits = this.passages().map(({ note, passage }) => ({ note, passage, score: cosine(query, passage.vector) }));
    return hits.sort((a, b) => b.score - a.score).slice(0, count);
  }

  /** The index as JSON text. */
  toText() {
    const notes = this.notes.map(({ id, name, passages }) => ({
      id,
      name,
      passages: passages.map(({ text, vector }) => ({ text, vector: encoded(vector) })),
    }));
    return JSON.stringify({ format: FORMAT, version: VERSION, model: this.model, notes });
  }

  /**
   * An index from a parsed JSON value. Vectors of another model are left out, and so `vector` is empty.
   * @param {any} value
   * @param {string} model
   * @param {string} where the file's name, for errors
   */
  static from(value, model, where) {
    const wrong = (/** @type {string} */ what, /** @type {string} */ path) =>
      new InputError(what, { where: `${where} at ${path}`, remedy: "Import a file that this page has exported." });
    if (!isIndex(value)) throw wrong(`expected ${FORMAT}`, "format");
    if (value.version !== VERSION) throw wrong(`expected version ${VERSION}, got ${value.version}`, "version");
    if (!Array.isArray(value.notes)) throw wrong("expected an array", "notes");
    const index = new NoteIndex(model);
    let size = 0;
    for (const [i, note] of value.notes.entries()) {
      const path = `notes[${i}]`;
      if (typeof note?.id !== "string" || typeof note.name !== "string" || !Array.isArray(note.passages))
        throw wrong("expected {id, name, passages}", path);
      /** @type {Passage[]} */
      const passages = [];
      for (const [j, passage] of note.passages.entries()) {
        const place = `${path}.passages[${j}]`;
        if (typeof passage?.text !== "string" || typeof passage.vector !== "string")
          throw wrong("expected {text, vector}", place);
        const vector = value.model === model ? decoded(passage.vector) : new Float32Array();
        if (!vector || vector.some((x) => !Number.isFinite(x)))
          throw wrong("is no vector in base64", `${place}.vector`);
        size ||= vector.length;
        if (vector.length !== size) throw wrong(`expected ${size} numbers, got ${vector.length}`, `${place}.vector`);
        passages.push({ text: passage.text, vector });
      }
      index.notes.push({ id: note.id, name: note.name, passages });
    }
    return index;
  }
}

/**
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
export function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / Math.sqrt(aa * bb) || 0;
}

/** @param {Float32Array} vector */
function encoded(vector) {
  const view = new DataView(new ArrayBuffer(4 * vector.length));
  vector.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return btoa(String.fromCharCode(...new Uint8Array(view.buffer)));
}

/** @param {string} text @returns {Float32Array | null} */
function decoded(text) {
  try {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return bytes.length % 4
      ? null
      : Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  } catch {
    return null;
  }
}
