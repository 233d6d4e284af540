/** Keeps the index of notes in this browser, also where several tabs change it. */

import { explain } from "../loom.js";
import { NoteIndex } from "./note_index.js";

/** @typedef {import("../loom.js").Session} Session */

const NAME = "search notes";
const LOCK = "loom-search-notes";

export class NoteKeeper {
  /** Ids of the notes that were kept when this tab last looked. @type {Set<string>} */
  #kept = new Set();

  /**
   * @param {Session} session
   * @param {string} model whose vectors the index has
   */
  constructor(session, model) {
    this.session = session;
    this.model = model;
  }

  /** The index that is kept. Throws for one that is damaged. */
  async load() {
    const index = await this.#read();
    this.#kept = idsOf(index);
    return index;
  }

  /** Keep an index; what other tabs have added or removed meanwhile is done to it, too. @param {NoteIndex} index */
  async save(index) {
    await locked(async () => {
      const others = await this.#read().catch(() => new NoteIndex(this.model)); // what is damaged is replaced
      const there = idsOf(others);
      const here = idsOf(index);
      const removed = (/** @type {string} */ id) => this.#kept.has(id) && !there.has(id);
      const added = others.notes.filter(({ id }) => !here.has(id) && !this.#kept.has(id));
      index.notes = [...index.notes.filter(({ id }) => !removed(id)), ...added];
      await this.session.storage.keepText(NAME, index.notes.length ? index.toText() : "");
      this.#kept = idsOf(index);
    });
  }

  async #read() {
    const text = await this.session.storage.readText(NAME);
    return text ? parsed(text, this.model, "the notes in this browser") : new NoteIndex(this.model);
  }
}

/**
 * @param {string} text
 * @param {string} model
 * @param {string} where
 */
function parsed(text, model, where) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${where} are damaged (${explain(cause)}). Adding notes replaces them.`, { cause });
  }
  return NoteIndex.from(value, model, where);
}

/** @param {NoteIndex} index */
const idsOf = (index) => new Set(index.notes.map(({ id }) => id));

/** One tab at a time, where the browser can say so. @param {() => Promise<void>} work */
function locked(work) {
  const locks = globalThis.navigator?.locks;
  return locks ? locks.request(LOCK, work) : work();
}
