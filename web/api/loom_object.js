/**
 * Objects that live in Python, on this thread: step states, tween states, trackers, observers, tools.
 *
 * Each reflected method has two names. `state.setInput([1, 2])` takes and returns plain values and throws typed errors: an
 * array of numbers is returned as a `Float32Array`, a duration in milliseconds. `state.SetInput("[[1,2]]")` is the
 * original's calling form, JSON in and JSON out; with any other arguments it behaves like the first.
 */

import { THREAD, inPython } from "../engine/python.js";
import { explain } from "../errors.js";
import { withMethods } from "./metrics.js";
import { disposable, track, untrack } from "./lifetime.js";
import { Cache, reflectedClass } from "./reflection.js";
import { Results } from "./results.js";
import { kind } from "./arguments.js";
import { OWNER } from "./json.js";
import { HANDLE, camel, isReference, mapReferences, packed } from "./values.js";

/** @typedef {import("../engine/boot.js").Runtime} Runtime */
/** @typedef {import("./values.js").Member} Member */
/** @typedef {new (runtime: Runtime, handle: number, kind: string) => LoomObject} LocalClass */

/** An object in Python that this page holds. It is freed when this one is garbage-collected, or with `dispose`. */
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
    track(this, releaser(runtime, handle));
  }

  /**
   * Any reflected method by its public name, on plain values.
   * @param {string} method such as `"GetOutput"`
   * @param {...unknown} args
   * @returns {any}
   */
  call(method, ...args) {
    const { args: text, arrays } = packed(args, THREAD);
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

  /** Free the memory now. Any later use is an error. */
  dispose() {
    const handle = this.#handle;
    this.#handle = 0;
    untrack(this);
    if (handle) inPython(this.#runtime, (b) => b.release(handle));
  }

  /** Which Python holds it. */
  get [OWNER]() {
    return THREAD;
  }

  /** As an argument of a method: a reference. */
  toJSON() {
    return { [HANDLE]: this.#handle, class: this.#kind };
  }

  /** As text. @returns {string} */
  toString() {
    return JSON.stringify(this);
  }
}

disposable(LoomObject);

/** @param {Runtime} runtime @param {number} handle */
const releaser = (runtime, handle) => () => runtime.bridge.release(handle);

/** @type {Cache<Runtime, LocalClass>} */
const classes = new Cache();

/**
 * The class of Python's objects of one kind, with its reflected methods.
 * @param {Runtime} runtime
 * @param {string} kind
 * @param {LocalClass} [Base]
 * @returns {LocalClass}
 */
export function classOf(runtime, kind, Base = LoomObject) {
  return classes.get(runtime, kind, () => {
    const methods = members(runtime, kind).flatMap(([name]) => bothForms(name));
    return reflectedClass(Base, `Loom${kind}`, methods);
  });
}

/**
 * A method by its name in small letters, on plain values, and by the original's name in the original's form.
 * @param {string} name
 * @returns {[string, import("./reflection.js").Method][]}
 */
function bothForms(name) {
  /** @this {LoomObject} @param {...unknown} args */
  function onValues(...args) {
    return this.call(name, ...args);
  }
  /** @this {LoomObject} @param {...unknown} args */
  function inOriginalForm(...args) {
    const isText = args.length === 0 || (args.length === 1 && typeof args[0] === "string");
    return isText ? this.invoke(name, args[0]) : this.call(name, ...args);
  }
  return [
    [camel(name), onValues],
    [name, inOriginalForm],
  ];
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
  const { args: text, arrays } = packed(args, THREAD);
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
  if (isReference(value) || Array.isArray(value)) return mapReferences(value, (reference) => hold(runtime, reference));
  if (typeof value !== "object" || value === null) return value;
  const record = withMethods(value);
  Object.defineProperty(record, "toString", { value: () => JSON.stringify(record) });
  return record;
}
