/** Values on their way to Python: JSON text, typed arrays beside it, and references to objects that live there. */

import { InputError } from "../errors.js";

/** The keys that `loom_py.bridge.values` and `loom_py.bridge.arrays` know. */
export const HANDLE = "loom:handle";
const PLACE = "loom:array";

/** A reference to an object in Python, as JSON. @typedef {{"loom:handle": number, class: string}} Reference */
/** Arguments as JSON text, and the typed arrays that it refers to. @typedef {{args: string, arrays: NumberArray[] | undefined}} Packed */
/** A reflected method's public name, how many parameters it has, and whether it takes long. @typedef {[name: string, parameters: number, long: boolean]} Member */

/** @typedef {Float32Array | Float64Array | Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array} NumberArray */

/**
 * Whether a value is a typed array of numbers: neither bytes without a type nor whole numbers of 64 bits.
 * @param {unknown} value
 * @returns {value is NumberArray}
 */
function isNumberArray(value) {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !/^Big/.test(value.constructor.name);
}

/**
 * JSON text. Throws an `InputError` for what JSON cannot hold.
 * @param {unknown} value
 * @param {(key: string, item: unknown) => unknown} replacer
 * @returns {string}
 */
function stringify(value, replacer) {
  try {
    return JSON.stringify(value, replacer);
  } catch (cause) {
    throw new InputError("expected plain values: numbers, strings, arrays, objects", { cause });
  }
}

/**
 * JSON text of plain values and typed arrays. Throws an `InputError` for what JSON cannot hold.
 * @param {unknown} value
 */
export function json(value) {
  return stringify(value, (_, item) => (isNumberArray(item) ? Array.from(item) : item));
}

/**
 * Arguments as JSON text, with the typed arrays among them apart; those left out at the end stay left out.
 * @param {unknown[]} args
 * @returns {Packed}
 */
export function packed(args) {
  /** @type {NumberArray[]} */
  const arrays = [];
  const apart = (/** @type {string} */ _, /** @type {unknown} */ item) => {
    if (!isNumberArray(item)) return item;
    arrays.push(item);
    return { [PLACE]: arrays.length - 1 };
  };
  const values = [...args];
  while (values.length && values.at(-1) === undefined) values.pop();
  return { args: stringify(values, apart), arrays: arrays.length ? arrays : undefined };
}

/**
 * Whether a result is a reference to an object in Python.
 * @param {unknown} value
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
  if (isNumberArray(items)) return Float32Array.from(items);
  if (!Array.isArray(items)) throw new InputError(mismatch("an array of numbers", values), { where });
  const wrong = items.findIndex((item) => typeof item !== "number");
  if (wrong >= 0) throw new InputError(mismatch("a number", items[wrong]), { where: `${where}[${wrong}]` });
  return Float32Array.from(items);
}

/**
 * @param {unknown} values
 * @param {string} where
 * @returns {unknown[]}
 */
export function list(values, where) {
  if (Array.isArray(values)) return values;
  if (typeof values === "object" && values && Symbol.iterator in values) {
    return [.../** @type {Iterable<unknown>} */ (values)];
  }
  throw new InputError(mismatch("an array", values), { where });
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
