/** Values on their way to Python: JSON text, typed arrays beside it, and references to objects that live there. */

import { InputError } from "../errors.js";

/** The keys that `loom_py.bridge.values` and `loom_py.bridge.arrays` know. */
export const HANDLE = "loom:handle";
const PLACE = "loom:array";

/** A reference to an object in Python, as JSON. @typedef {{"loom:handle": number, class: string}} Reference */
/** What a method takes long and how many parameters it has, for one reflected method. @typedef {[name: string, parameters: number, long: boolean]} Member */

/**
 * JSON text of plain values and typed arrays. Throws an `InputError` for what JSON cannot hold.
 * @param {unknown} value
 */
export function json(value) {
  try {
    return JSON.stringify(value, (_, item) =>
      ArrayBuffer.isView(item) ? Array.from(/** @type {any} */ (item)) : item,
    );
  } catch (cause) {
    throw new InputError("expected plain values: numbers, strings, arrays, objects", { cause });
  }
}

/**
 * Arguments as JSON text, with the typed arrays among them apart; those left out at the end stay left out.
 * @param {unknown[]} args
 * @returns {{args: string, arrays: (Float32Array | Float64Array | Int32Array)[] | undefined}}
 */
export function packed(args) {
  /** @type {any[]} */
  const arrays = [];
  const apart = (/** @type {string} */ _, /** @type {unknown} */ item) => {
    if (!ArrayBuffer.isView(item) || item instanceof DataView || /^Big/.test(item.constructor.name)) return item;
    arrays.push(item);
    return { [PLACE]: arrays.length - 1 };
  };
  const given = [...args];
  while (given.length && given.at(-1) === undefined) given.pop();
  try {
    return { args: JSON.stringify(given, apart), arrays: arrays.length ? arrays : undefined };
  } catch (cause) {
    throw new InputError("expected plain values: numbers, strings, arrays, objects", { cause });
  }
}

/**
 * Whether a result is a reference to an object in Python.
 * @param {any} value
 * @returns {value is Reference}
 */
export function isReference(value) {
  return typeof value === "object" && value !== null && HANDLE in value;
}

/**
 * A result with its references, which are the result itself or items of a list, made into something else.
 * @template T
 * @param {any} value
 * @param {(reference: Reference) => T} make
 * @returns {any}
 */
export function mapReferences(value, make) {
  if (isReference(value)) return make(value);
  if (!Array.isArray(value) || !value.some(isReference)) return value;
  return value.map((item) => (isReference(item) ? make(item) : item));
}

/**
 * `GetOutput` → `getOutput`. `ToJSON` becomes `asJSON`: JavaScript has its own use for the other name.
 * @param {string} name
 */
export function camel(name) {
  return name === "ToJSON" ? "asJSON" : name.charAt(0).toLowerCase() + name.slice(1);
}

/**
 * Numbers as a `Float32Array`, without a copy if they are one.
 * @param {unknown} values
 * @param {string} where
 * @returns {Float32Array}
 */
export function floats(values, where) {
  if (values instanceof Float32Array) return values;
  const items = Array.isArray(values) ? values.flat(8) : values;
  const typed = ArrayBuffer.isView(items) && !(items instanceof DataView) && !/^Big/.test(items.constructor.name);
  if (typed) return Float32Array.from(/** @type {any} */ (items));
  if (!Array.isArray(items)) throw new InputError(mismatch("an array of numbers", values), { where });
  const odd = items.findIndex((item) => typeof item !== "number");
  if (odd >= 0) throw new InputError(mismatch("a number", items[odd]), { where: `${where}[${odd}]` });
  return Float32Array.from(items);
}

/**
 * @param {any} values
 * @param {string} where
 * @returns {unknown[]}
 */
export function list(values, where) {
  if (Array.isArray(values)) return values;
  if (typeof values !== "object" || !values?.[Symbol.iterator])
    throw new InputError(mismatch("an array", values), { where });
  return [...values];
}

/**
 * @param {string} what
 * @param {unknown} value
 */
export function mismatch(what, value) {
  return `expected ${what}, got ${kind(value)}`;
}

/** @param {unknown} value */
export function kind(value) {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}
