/** Values on their way to Python: JSON text, typed arrays beside it, and references to objects that live there. */

import { json } from "./json.js";

/** The keys that `loom_py.bridge.values` and `loom_py.bridge.arrays` know. */
export const HANDLE = "loom:handle";
const PLACE = "loom:array";

/** @typedef {import("./arguments.js").NumberArray} NumberArray */
/** A reference to an object in Python, as JSON. @typedef {{"loom:handle": number, class: string}} Reference */
/** Arguments as JSON text, and the typed arrays that it refers to. @typedef {{args: string, arrays?: NumberArray[]}} Packed */
/** A reflected method's public name, how many parameters it has, and whether it takes long. @typedef {[name: string, parameters: number, long: boolean]} Member */

/**
 * Arguments as JSON text, with the typed arrays among them apart; those left out at the end stay left out.
 * @param {unknown[]} args
 * @param {object} owner the Python they go to
 * @returns {Packed}
 */
export function packed(args, owner) {
  /** @type {NumberArray[]} */
  const arrays = [];
  const onArray = (/** @type {NumberArray} */ array) => ({ [PLACE]: arrays.push(array) - 1 });
  const values = [...args];
  while (values.length && values.at(-1) === undefined) values.pop();
  const texts = values.map((value, i) =>
    value === undefined ? "null" : json(value, `parameter ${i}`, { onArray, owner }),
  );
  return { args: `[${texts.join(",")}]`, arrays: arrays.length ? arrays : undefined };
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
 * A result with its references, which are the result itself or items of a list, replaced by `make`.
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
