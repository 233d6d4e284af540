/**
 * Texts cut into passages that one vector each can stand for.
 *
 * A blank line ends a passage, and so does a heading, whose words go before the passages below it. Items of a list are
 * passages of their own, and so are the lines of a text without blank lines, unless they are one text whose lines were
 * broken at a width. What is longer than `LONGEST` is cut at the ends of sentences.
 */

import { InputError } from "../loom.js";

/** Characters, about 200 tokens: models of sentences read 256. */
export const LONGEST = 800;
/** Names of the fields of a JSON object that hold its text, and its title. */
const TEXTS = ["text", "content", "body", "note", "description", "markdown"];
const TITLES = ["title", "name", "subject", "heading"];

const HEADING = /^ {0,3}#{1,6}\s+(.+?)\s*#*$/;
const ITEM = /^\s*(?:[-*+•–]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?/;
const FENCE = /^\s*(```|~~~)/;
const RULE = /^\s*(?:[-*_=]\s*){3,}$/;

/**
 * @param {string} text
 * @returns {string[]}
 */
export function passagesOf(text) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n?|\n/);
  const flat = !lines.join("\n").trim().includes("\n\n") && !isWrapped(lines);
  /** @type {string[]} */
  const passages = [];
  /** @type {string[]} */
  let block = [];
  let heading = "";
  let used = true;
  let fence = "";
  const finish = () => {
    const words = block.join(fence ? "\n" : " ").trim();
    block = [];
    if (!words) return;
    passages.push(...cut(words).map((part) => (heading ? `${heading}: ${part}` : part)));
    used = true;
  };
  const head = (/** @type {string} */ words) => {
    finish();
    if (!used) passages.push(heading); // with nothing below it
    heading = words;
    used = !words;
  };
  for (const line of lines) {
    const mark = FENCE.exec(line)?.[1] ?? "";
    if (fence || mark) {
      if (!fence) finish();
      if (fence && mark === fence) finish();
      fence = fence ? (mark === fence ? "" : fence) : mark;
      if (!mark) block.push(line);
      continue;
    }
    const words = HEADING.exec(line)?.[1];
    if (words) {
      head(words);
    } else if (!line.trim() || RULE.test(line)) {
      finish();
    } else {
      if (flat || ITEM.test(line)) finish();
      block.push(line.replace(ITEM, "").trim());
    }
  }
  finish();
  head("");
  return passages;
}

/**
 * Whether lines are one text that was broken at a width: all but the last are long, and about as long as each other.
 * @param {string[]} lines
 */
function isWrapped(lines) {
  const lengths = lines.map((line) => line.trim().length).filter(Boolean);
  const widest = Math.max(...lengths);
  return lengths.length > 2 && widest >= 40 && widest <= 120 && lengths.slice(0, -1).every((n) => n > 0.6 * widest);
}

/** Parts of a passage that are short enough. @param {string} words */
function cut(words) {
  /** @type {string[]} */
  const parts = [];
  let part = "";
  for (const piece of words.length > LONGEST ? sentences(words) : [words]) {
    if (part && part.length + piece.length > LONGEST) {
      parts.push(part.trim());
      part = "";
    }
    part += piece;
  }
  return [...parts, part.trim()].filter(Boolean);
}

/** The sentences of a text, those that are too long in pieces between words. @param {string} text */
function sentences(text) {
  const found = [...new Intl.Segmenter(undefined, { granularity: "sentence" }).segment(text)];
  return found.flatMap(({ segment }) => {
    if (segment.length <= LONGEST) return [segment];
    return segment.match(new RegExp(`[^]{1,${LONGEST}}(?:\\s+|$)|[^]{1,${LONGEST}}`, "gu")) ?? [];
  });
}

/**
 * The texts in a JSON value: objects with a text, and other texts wherever they are.
 * @param {unknown} value
 * @param {string} where the file's name, for errors
 * @returns {string[]} passages
 */
export function passagesOfJson(value, where) {
  const passages = [...textsIn(value)].flatMap(passagesOf);
  if (!passages.length)
    throw new InputError("holds no texts", { where, remedy: "Give an array of texts, or of objects with a text." });
  return passages;
}

/**
 * @param {unknown} value
 * @returns {Generator<string, void, void>}
 */
function* textsIn(value) {
  if (typeof value === "string") {
    yield value;
  } else if (Array.isArray(value)) {
    for (const item of value) yield* textsIn(item);
  } else if (typeof value === "object" && value) {
    const fields = /** @type {Record<string, unknown>} */ (value);
    const one = (/** @type {string[]} */ names) =>
      names.map((name) => fields[name]).find((v) => typeof v === "string" && v);
    const text = one(TEXTS);
    if (text === undefined) {
      for (const item of Object.values(fields)) yield* textsIn(item);
    } else {
      const title = one(TITLES);
      yield title ? `# ${String(title).replaceAll("\n", " ")}\n\n${text}` : String(text);
    }
  }
}
