/**
 * Objects that live in Python, on this thread: step states, tween states, trackers, observers, tools.
 *
 * Each reflected method has two names. `state.setInput([1, 2])` takes and gives plain values and throws typed errors: an
 * array of numbers comes as a `Float32Array`, a length of time in milliseconds. `state.SetInput("[[1,2]]")` is the
 * original's calling form, JSON in and JSON out; given anything but one text it does as the first.
 */

import { inPython } from "../engine/python.js";
import { explain } from "../errors.js";
import { HANDLE, camel, isReference, kind, packed } from "./values.js";

/** @typedef {import("../engine/boot.js").Runtime} Runtime */
/** @typedef {import("./values.js").Member} Member */
/** @typedef {new (runtime: Runtime, handle: number, kind: string) => LoomObject} Made */

/** Results of one call in the original's form. */
export class Results extends Array {
  /** @type {boolean[]} */
  #strings;

  /** Derived arrays (`map`, `slice`) are plain ones. */
  static get [Symbol.species]() {
    return Array;
  }

  /**
   * @param {(string | null)[]} values
   * @param {boolean[]} [strings] which of them are string results, not JSON text
   */
  constructor(values, strings = values.map(() => true)) {
    super();
    this.push(...values);
    this.#strings = strings;
  }

  /** All results as one JSON array. @override */
  toString() {
    const parts = Array.from(this, (value, i) => (this.#strings[i] ? JSON.stringify(value) : String(value)));
    return `[${parts.join(",")}]`;
  }
}

/** Something in Python that this page holds. It goes when this object does, or with `dispose`. */
export class LoomObject {
  /** @type {Runtime} */
  #runtime;
  #handle;
  #kind;

  /**
   * @param {Runtime} runtime
   * @param {number} handle
   * @param {string} kind name of its class
   */
  constructor(runtime, handle, kind) {
    this.#runtime = runtime;
    this.#handle = handle;
    this.#kind = kind;
    collector(runtime).register(this, handle, this);
  }

  /**
   * Any reflected method by its public name, on plain values.
   * @param {string} method such as `"GetOutput"`
   * @param {...unknown} args
   * @returns {any}
   */
  call(method, ...args) {
    const { args: text, arrays } = packed(args);
    const result = inPython(this.#runtime, (b) => b.call_plain(this.#handle, method, text, arrays));
    return typeof result === "string" ? plain(this.#runtime, JSON.parse(result)) : result;
  }

  /**
   * The same in the original's form.
   * @param {string} method
   * @param {unknown} [args] JSON array of the parameters
   * @returns {any} `Results`, or a sentence that says what was wrong
   */
  invoke(method, args = "[]") {
    if (typeof args !== "string") return `Invalid JSON input: expected a JSON array string, got ${kind(args)}`;
    try {
      const { error, values, strings, bare } = JSON.parse(
        inPython(this.#runtime, (b) => b.call(this.#handle, method, args)),
      );
      if (error !== undefined) return error;
      if (bare) return strings[0] ? values[0] : JSON.parse(values[0]);
      return new Results(
        values.map((/** @type {string} */ text, /** @type {number} */ i) => this.#held(text, strings?.[i])),
        strings,
      );
    } catch (error) {
      return explain(error);
    }
  }

  /** @param {string} text @param {boolean} [string] @returns {any} */
  #held(text, string) {
    return !string && text?.startsWith(`{"${HANDLE}"`) ? hold(this.#runtime, JSON.parse(text)) : text;
  }

  /** Give the memory back now. Any later use is an error. */
  dispose() {
    const handle = this.#handle;
    this.#handle = 0;
    collector(this.#runtime).unregister(this);
    if (handle) inPython(this.#runtime, (b) => b.release(handle));
  }

  /** As an argument of a method: a reference. */
  toJSON() {
    return { [HANDLE]: this.#handle, class: this.#kind };
  }

  /** As text, too. @returns {string} */
  toString() {
    return JSON.stringify(this);
  }
}

if (Symbol.dispose) {
  Object.defineProperty(LoomObject.prototype, Symbol.dispose, { value: LoomObject.prototype.dispose });
}

/** @type {WeakMap<Runtime, FinalizationRegistry<number>>} */
const collectors = new WeakMap();

/** @param {Runtime} runtime */
function collector(runtime) {
  const found =
    collectors.get(runtime) ??
    new FinalizationRegistry((/** @type {number} */ handle) => runtime.bridge.release(handle));
  collectors.set(runtime, found);
  return found;
}

/** @type {WeakMap<Runtime, Map<string, Made>>} */
const made = new WeakMap();

/**
 * The class of Python's objects of one kind, with its reflected methods.
 * @param {Runtime} runtime
 * @param {string} kind
 * @param {Made} [Base]
 * @returns {Made}
 */
export function classOf(runtime, kind, Base = LoomObject) {
  const known = made.get(runtime) ?? new Map();
  made.set(runtime, known);
  const found = known.get(kind);
  if (found) return found;
  const Reflected = class extends Base {};
  Object.defineProperty(Reflected, "name", { value: `Loom${kind}` });
  const define = (/** @type {string} */ name, /** @type {Function} */ value) => {
    if (!(name in Base.prototype))
      Object.defineProperty(Reflected.prototype, name, { value, configurable: true, writable: true });
  };
  for (const [name] of members(runtime, kind)) {
    define(
      camel(name),
      /** @this {LoomObject} @param {...unknown} args */ function (...args) {
        return this.call(name, ...args);
      },
    );
    define(
      name,
      /** @this {LoomObject} @param {...unknown} args */ function (...args) {
        const form = args.length === 0 || (args.length === 1 && typeof args[0] === "string");
        return form ? this.invoke(name, args[0]) : this.call(name, ...args);
      },
    );
  }
  known.set(kind, Reflected);
  return Reflected;
}

/**
 * @param {Runtime} runtime
 * @param {string} kind
 * @returns {Member[]}
 */
export function members(runtime, kind) {
  return JSON.parse(inPython(runtime, (b) => b.members(kind)));
}

/**
 * A new object of a shared class. Throws typed errors.
 * @param {Runtime} runtime
 * @param {string} kind
 * @param {unknown[]} args of its constructor in Python
 * @returns {any}
 */
export function createObject(runtime, kind, args) {
  const { args: text, arrays } = packed(args);
  return hold(runtime, JSON.parse(inPython(runtime, (b) => b.create(kind, text, arrays))));
}

/**
 * @param {Runtime} runtime
 * @param {import("./values.js").Reference} reference
 */
function hold(runtime, { [HANDLE]: handle, class: kind }) {
  return new (classOf(runtime, kind))(runtime, handle, kind);
}

/**
 * A result as plain values: references become objects, and a record prints as JSON, so that `JSON.parse(record)` works.
 * @param {Runtime} runtime
 * @param {any} value
 * @returns {any}
 */
function plain(runtime, value) {
  if (isReference(value)) return hold(runtime, value);
  if (Array.isArray(value)) return value.map((item) => (isReference(item) ? hold(runtime, item) : item));
  if (typeof value === "object" && value !== null)
    Object.defineProperty(value, "toString", { value: () => JSON.stringify(value) });
  return value;
}
