/** Arguments of this library's functions, checked before they cross to Python: every error names the argument. */

import { InputError } from "../errors.js";

/** @typedef {Float32Array | Float64Array | Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array} NumberArray */
/** Numbers of one sample, or of several in a row; several may also come as rows. @typedef {ArrayLike<number> | readonly ArrayLike<number>[]} Numbers */
/** Numbers as they cross: in a row, or a row for each sample. @typedef {Float32Array | Float32Array[]} Samples */
/** @typedef {{input: Samples, target: Samples}} PackedBatch */

/**
 * Whether a value is a typed array of numbers: neither bytes without a type nor whole numbers of 64 bits.
 * @param {unknown} value
 * @returns {value is NumberArray}
 */
export function isNumberArray(value) {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !/^Big/.test(value.constructor.name);
}

/** What a value is, in words. @param {unknown} value */
export function kind(value) {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object") return typeof value === "bigint" ? "a bigint" : `a ${typeof value}`;
  const name = Object.prototype.toString.call(value).slice(8, -1);
  if (name === "Object") return "an object";
  return /^[AEIO]/.test(name) ? `an ${name}` : `a ${name}`;
}

/**
 * @param {string} what
 * @param {unknown} value
 */
export function mismatch(what, value) {
  return value === undefined ? `missing: ${what} is required` : `expected ${what}, got ${kind(value)}`;
}

/** @param {string} what @param {unknown} value @param {string} where @param {string} [remedy] */
const wrong = (what, value, where, remedy) => new InputError(mismatch(what, value), { where, remedy });

/**
 * @param {unknown} value
 * @param {string} where
 * @param {string} [remedy]
 * @returns {asserts value is string}
 */
export function expectText(value, where, remedy) {
  if (typeof value !== "string") throw wrong("a string", value, where, remedy);
}

/**
 * A finite number, whole and not below `minimum` where that is asked for.
 * @param {unknown} value
 * @param {string} where
 * @param {{whole?: boolean, minimum?: number}} [limits]
 * @returns {asserts value is number}
 */
export function expectNumber(value, where, { whole = false, minimum = -Infinity } = {}) {
  const what = whole ? "a whole number" : "a number";
  if (typeof value !== "number") throw wrong(what, value, where);
  if (!Number.isFinite(value)) throw new InputError(`expected a finite number, got ${value}`, { where });
  if (whole && !Number.isInteger(value)) throw new InputError(`expected a whole number, got ${value}`, { where });
  if (value < minimum) throw new InputError(`${value} must be at least ${minimum}`, { where });
}

/** @param {unknown} value @param {string} where @returns {asserts value is boolean} */
export function expectBoolean(value, where) {
  if (typeof value !== "boolean") throw wrong("true or false", value, where);
}

/**
 * @param {unknown} value
 * @param {readonly string[]} choices
 * @param {string} where
 */
export function expectChoice(value, choices, where) {
  if (typeof value === "string" && choices.includes(value)) return;
  const remedy = `Choose ${choices.map((choice) => `"${choice}"`).join(", ")}.`;
  throw typeof value === "string"
    ? new InputError(`there is no "${value}"`, { where, remedy })
    : wrong("a string", value, where, remedy);
}

/**
 * Options, which may be left out; the result has none of those that are undefined.
 * @template {object} T
 * @param {T | null | undefined} value
 * @param {string} where
 * @param {{known?: readonly string[], nulls?: boolean}} [rules] their names, without which the reader checks them; `nulls`: null may be a value
 * @returns {T}
 */
export function record(value, where, { known, nulls = false } = {}) {
  if (value === undefined || value === null) return /** @type {T} */ ({});
  if (kind(value) !== "an object") throw wrong("an object of options", value, where);
  const given = Object.entries(value).filter(([, item]) => item !== undefined);
  for (const [name, item] of given) {
    if (known && !known.includes(name))
      throw new InputError("unknown option", { where: `${where}.${name}`, remedy: `Known: ${known.join(", ")}.` });
    if (item === null && !nulls) throw wrong("a value", item, `${where}.${name}`, "Leave it out for its default.");
  }
  return /** @type {T} */ (Object.fromEntries(given));
}

/** @param {unknown} value @param {string} where */
export function expectFunction(value, where) {
  if (typeof value !== "function") throw wrong("a function", value, where);
}

/**
 * Options that hold what observes and stops long work, checked.
 * @template {{onProgress?: unknown, signal?: unknown}} T
 * @param {T | null | undefined} value
 * @param {string} where
 * @param {readonly string[] | null} [known] names of further options; null if their reader checks them
 * @returns {T}
 */
export function control(value, where, known = []) {
  const options = record(value, where, known ? { known: [...known, "onProgress", "signal"] } : {});
  const { onProgress, signal } = options;
  if (onProgress !== undefined) expectFunction(onProgress, `${where}.onProgress`);
  if (signal !== undefined && kind(signal) !== "an AbortSignal")
    throw wrong("an AbortSignal", signal, `${where}.signal`, "Give the signal of an AbortController.");
  return options;
}

/**
 * What makes a step state, besides the network.
 * @param {number | undefined} inputSize
 * @param {{batch?: number, recurrent?: "layer" | "carry" | "reset"} | null | undefined} options
 * @returns {[inputSize: number | undefined, batch: number, recurrent: string]}
 */
export function stepArguments(inputSize, options) {
  if (inputSize !== undefined) expectNumber(inputSize, "inputSize", { whole: true, minimum: 1 });
  const { batch = 1, recurrent = "layer" } = record(options, "options", { known: ["batch", "recurrent"] });
  expectNumber(batch, "options.batch", { whole: true, minimum: 1 });
  expectChoice(recurrent, ["layer", "carry", "reset"], "options.recurrent");
  return [inputSize, batch, recurrent];
}

/**
 * @param {unknown} values
 * @param {string} where
 * @returns {unknown[]}
 */
export function list(values, where) {
  if (Array.isArray(values)) return values;
  if (isNumberArray(values)) return Array.from(values);
  if (typeof values === "object" && values) {
    if (Symbol.iterator in values) return [.../** @type {Iterable<unknown>} */ (values)];
    const { length } = /** @type {{length?: unknown}} */ (values);
    // Not of DataView, ArrayBuffer and their like, which have no length.
    if (Number.isInteger(length) && Number(length) >= 0 && holds(values, Number(length)))
      return Array.from(/** @type {ArrayLike<unknown>} */ (values));
  }
  throw wrong("an array", values, where);
}

/** Whether there can be so many items: a length alone costs nothing to write. @param {object} values @param {number} length */
function holds(values, length) {
  return length <= 1e5 || Object.keys(values).length >= length;
}

/**
 * Numbers as a `Float32Array`, without a copy if they are one.
 * @param {unknown} values
 * @param {string} where
 * @returns {Float32Array}
 */
function numbers(values, where) {
  if (values instanceof Float32Array) return values;
  return Float32Array.from(isNumberArray(values) ? values : numberList(values, where));
}

/**
 * An array of numbers and nothing else.
 * @param {unknown} values
 * @param {string} where
 * @returns {number[]}
 */
export function numberList(values, where) {
  const items = itemsOf(values, where);
  for (let i = 0; i < items.length; i++) {
    if (typeof items[i] !== "number")
      throw new InputError(`expected a number, got ${kind(items[i])}`, { where: `${where}[${i}]` });
  }
  return /** @type {number[]} */ (items);
}

/**
 * The same, or a row for each sample: nested arrays keep their first axis.
 * @param {unknown} values
 * @param {string} where
 * @returns {Samples}
 */
export function rows(values, where) {
  if (isNumberArray(values)) return numbers(values, where);
  const items = itemsOf(values, where);
  const [first] = items;
  if (!Array.isArray(first) && !isNumberArray(first)) return numbers(items, where);
  const { length } = flat(first, `${where}[0]`);
  return Array.from(items, (item, i) => {
    const row = flat(item, `${where}[${i}]`);
    if (row.length === length) return row;
    const problem = `expected ${length} values as in the first row, got ${row.length}`;
    throw new InputError(problem, { where: `${where}[${i}]` });
  });
}

/** All numbers of nested arrays in a row. @param {unknown} values @param {string} where @returns {Float32Array} */
export function flat(values, where) {
  const inner = rows(values, where);
  if (inner instanceof Float32Array) return inner;
  const all = new Float32Array(inner.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of inner) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

/** @param {unknown} values @param {string} where */
function itemsOf(values, where) {
  try {
    return list(values, where);
  } catch {
    throw wrong("an array of numbers", values, where);
  }
}

const BATCH_KEYS = { input: "input", inputs: "input", target: "target", targets: "target" };

/**
 * Batches by either spelling, `{input, target}` or `{Input, Target}`; also the original's `{Inputs, Targets}`, and pairs.
 * Further keys are the page's own, except where one may be meant for what is missing.
 * @param {unknown} batches
 * @returns {PackedBatch[]}
 */
export function batchList(batches) {
  return list(batches, "batches").map((item, i) => batch(item, `batches[${i}]`));
}

/** @param {unknown} item @param {string} where @returns {PackedBatch} */
function batch(item, where) {
  if (Array.isArray(item) && item.length === 2)
    return { input: rows(item[0], `${where}[0]`), target: rows(item[1], `${where}[1]`) };
  if (kind(item) !== "an object") throw wrong("{input, target}", item, where);
  /** @type {Partial<PackedBatch>} */
  const values = {};
  /** @type {string[]} */
  const others = [];
  for (const [key, value] of Object.entries(/** @type {object} */ (item))) {
    const place = `${where}.${key}`;
    const folded = key.toLowerCase();
    if (!Object.hasOwn(BATCH_KEYS, folded)) {
      others.push(key);
      continue;
    }
    const name = /** @type {"input" | "target"} */ (BATCH_KEYS[/** @type {keyof typeof BATCH_KEYS} */ (folded)]);
    if (values[name])
      throw new InputError(`the batch has a second ${name}`, { where: place, remedy: "Keep one of them." });
    values[name] = rows(value, place);
  }
  const { input, target } = values;
  if (others[0] && !(input && target))
    throw new InputError(`unknown key '${others[0]}'`, {
      where: `${where}.${others[0]}`,
      remedy: "Known: input, target.",
    });
  if (!input) throw wrong("an array of numbers", undefined, `${where}.input`);
  if (!target) throw wrong("an array of numbers", undefined, `${where}.target`);
  return { input, target };
}
