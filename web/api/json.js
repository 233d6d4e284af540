/** JSON text on its way to Python: what JSON would drop, or turn into null, is an error with its path. */

import { InputError } from "../errors.js";
import { isNumberArray, kind } from "./arguments.js";

/** @typedef {import("./arguments.js").NumberArray} NumberArray */
/**
 * @typedef {object} Rules
 * @property {(array: NumberArray) => unknown} [onArray] what stands for a typed array; by default its numbers
 * @property {object} [owner] the Python that references must belong to
 */

/** Of an object that lives in Python: which Python. */
export const OWNER = Symbol("owner");

/**
 * JSON text of plain values. Throws an `InputError` for NaN, infinities, gaps in arrays, functions and whatever else JSON
 * cannot hold.
 * @param {unknown} value
 * @param {string} where the value's own name in errors
 * @param {Rules} [rules]
 * @returns {string}
 */
export function json(value, where, { onArray = (array) => Array.from(array), owner } = {}) {
  let faulty = false;
  /** @this {any} @param {string} key @param {unknown} item */
  function checked(key, item) {
    if (isNumberArray(item)) return onArray(item);
    if (problem(item, Array.isArray(this)) || foreign(this[key], owner)) {
      faulty = true;
      throw new Error("not JSON");
    }
    return item;
  }
  if (value === undefined) throw new InputError("missing: a value is required", { where });
  try {
    return JSON.stringify(value, checked) ?? "null"; // of an object whose toJSON gives undefined
  } catch (cause) {
    const place = faulty ? fault(value, where, owner, false) : null;
    if (place) throw new InputError(place.problem, place);
    throw new InputError("expected plain values: numbers, strings, arrays, objects", { where, cause });
  }
}

/**
 * What is wrong with one value, without what is in it; "" if nothing is.
 * @param {unknown} value
 * @param {boolean} inArray a property that is undefined counts as left out, an item does not
 */
function problem(value, inArray) {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? "" : `expected a finite number, got ${value}`;
    case "undefined":
      return inArray ? "expected a value, got undefined" : "";
    case "function":
    case "symbol":
    case "bigint":
      return `expected a plain value, got ${kind(value)}`;
    case "object":
      return value === null || Array.isArray(value) || Object.prototype.toString.call(value) === "[object Object]"
        ? ""
        : boxed(value)
          ? ""
          : `expected a plain value, got ${kind(value)}`;
    default:
      return "";
  }
}

/** `new String("x")` and its like, which JSON writes as what is in them. @param {object} value */
const boxed = (value) => value instanceof String || value instanceof Number || value instanceof Boolean;

/**
 * The first value that JSON cannot hold, and what is wrong with it.
 * @param {unknown} value
 * @param {string} where
 * @param {object | undefined} owner
 * @param {boolean} inArray
 * @returns {{where: string, problem: string, remedy?: string} | null}
 */
function fault(value, where, owner, inArray) {
  if (foreign(value, owner))
    return { where, problem: "belongs to another session", remedy: "Create or load it in this one." };
  if (isNumberArray(value)) {
    const at = value.findIndex((/** @type {number} */ item) => !Number.isFinite(item));
    return at < 0 ? null : { where: `${where}[${at}]`, problem: problem(value[at], true) };
  }
  const item = hasToJson(value) ? value.toJSON() : value;
  const wrong = problem(item, inArray);
  if (wrong) return { where, problem: wrong };
  if (Array.isArray(item)) {
    for (let i = 0; i < item.length; i++) {
      const place = fault(item[i], `${where}[${i}]`, owner, true);
      if (place) return place;
    }
  } else if (typeof item === "object" && item !== null) {
    for (const [key, inner] of Object.entries(item)) {
      const place = fault(inner, where ? `${where}.${key}` : key, owner, false);
      if (place) return place;
    }
  }
  return null;
}

/** An object of another Python, where its handle would name something else. @param {any} value @param {object | undefined} owner */
const foreign = (value, owner) =>
  owner !== undefined && typeof value === "object" && value !== null && OWNER in value && value[OWNER] !== owner;

/** @param {unknown} value @returns {value is {toJSON: () => unknown}} */
function hasToJson(value) {
  return typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function";
}
