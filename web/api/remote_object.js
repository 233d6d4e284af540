/** Objects that live in Python, seen from the page: their reflected methods as promises. */

import { withMethods } from "./metrics.js";
import { Handle } from "./handle.js";
import { Cache, reflectedClass } from "./reflection.js";
import { control, expectText } from "./arguments.js";
import { OWNER } from "./json.js";
import { unsaved } from "./unsaved_work.js";
import { HANDLE, camel, mapReferences, packed } from "./values.js";

/** @typedef {import("../engine/requests.js").EngineLike} EngineLike */
/** @typedef {import("./values.js").Member} Member */
/** @typedef {{onProgress?: (progress: any) => void, signal?: AbortSignal}} Control */
/** @typedef {new (engine: EngineLike, handle: number, kind: string) => RemoteObject} RemoteClass */

/**
 * An object in Python. Each reflected method is a method here, `GetOutput` as `getOutput`: plain values in and out, an
 * array of numbers as a `Float32Array`, a duration in milliseconds. A method that takes long takes one more
 * argument, `{onProgress, signal}`.
 */
export class RemoteObject extends Handle {
  /**
   * @param {EngineLike} engine
   * @param {number} handle
   * @param {string} kind name of its class
   */
  constructor(engine, handle, kind) {
    super(engine, handle);
    /** @protected */
    this.kind = kind;
  }

  /**
   * Any reflected method by its public name, on JSON values; numbers may be typed arrays.
   * @param {string} method such as `"TotalLayers"`
   * @param {...unknown} args JSON values and typed arrays
   * @returns {Promise<any>} the result; an array if there are several, null if there are none
   */
  async call(method, ...args) {
    expectText(method, "method");
    const value = await this.engine.call("call", { handle: this.handle, method, ...packed(args, this.engine.owner) });
    return revived(this.engine, value);
  }

  /**
   * The same with typed arrays in and out.
   * @param {string} method
   * @param {unknown[]} args
   * @returns {Promise<any>}
   */
  async plain(method, args) {
    return revived(
      this.engine,
      await this.engine.call("plain", { handle: this.handle, method, ...packed(args, this.engine.owner) }),
    );
  }

  /**
   * A method that takes long, in steps: an abort takes effect after the current step, whose results are kept.
   * @param {string} method such as `"TrainWithStepping"`
   * @param {unknown[]} args
   * @param {Control} [observers]
   * @returns {Promise<any>}
   */
  async run(method, args, observers) {
    const { onProgress = () => {}, signal } = control(observers, "control");
    const onEvent = (/** @type {any[]} */ events) => events.forEach(onProgress);
    const params = { handle: this.handle, method, ...packed(args, this.engine.owner) };
    return revived(this.engine, await unsaved(this.engine.call("run", params, { onEvent, signal })));
  }

  /** Which Python holds it. */
  get [OWNER]() {
    return this.engine.owner;
  }

  /** As an argument of a method: a reference. */
  toJSON() {
    return { [HANDLE]: this.handle, class: this.kind };
  }
}

/** @type {Cache<EngineLike, Promise<RemoteClass>>} */
const classes = new Cache();

/** Base classes of the kinds that have short forms of their own. @type {Map<string, RemoteClass>} */
const bases = new Map();

/**
 * Objects of a kind are instances of this class, wherever they come from.
 * @param {string} kind
 * @param {RemoteClass} Base
 */
export function setBase(kind, Base) {
  bases.set(kind, Base);
}

/**
 * The class of one kind of object, with its reflected methods, which are requested from Python once.
 * @param {EngineLike} engine
 * @param {string} kind
 * @returns {Promise<RemoteClass>}
 */
function classOf(engine, kind) {
  const promise = classes.get(engine, kind, () => reflected(engine, kind, bases.get(kind) ?? RemoteObject));
  promise.catch(() => classes.forget(engine, kind)); // so that the next call tries again
  return promise;
}

/** @param {EngineLike} engine @param {string} kind @param {RemoteClass} Base @returns {Promise<RemoteClass>} */
async function reflected(engine, kind, Base) {
  /** @type {Member[]} */
  const members = await engine.call("members", { kind });
  return reflectedClass(
    Base,
    kind,
    members.map(([name, parameters, long]) => [camel(name), long ? inSteps(name, parameters) : atOnce(name)]),
  );
}

/** @param {string} name @returns {import("./reflection.js").Method} */
const atOnce = (name) =>
  /** @this {RemoteObject} @param {...unknown} args */
  function (...args) {
    return this.plain(name, args);
  };

/** @param {string} name @param {number} parameters @returns {import("./reflection.js").Method} */
const inSteps = (name, parameters) =>
  /** @this {RemoteObject} @param {...unknown} args */
  function (...args) {
    return this.run(name, args.slice(0, parameters), /** @type {Control} */ (args[parameters]));
  };

/**
 * The object under a handle.
 * @param {EngineLike} engine
 * @param {string} kind
 * @param {number} handle
 */
export async function remote(engine, kind, handle) {
  return new (await classOf(engine, kind))(engine, handle, kind);
}

/**
 * A new object of a shared class.
 * @param {EngineLike} engine
 * @param {string} kind
 * @param {unknown[]} args
 * @returns {Promise<any>}
 */
export async function createRemote(engine, kind, args) {
  return revived(engine, await engine.call("create", { kind, ...packed(args, engine.owner) }));
}

/**
 * A result with its references as objects.
 * @param {EngineLike} engine
 * @param {any} value
 * @returns {Promise<any>}
 */
async function revived(engine, value) {
  const objects = mapReferences(withMethods(value), ({ [HANDLE]: handle, class: kind }) =>
    remote(engine, kind, handle),
  );
  return Array.isArray(objects) ? Promise.all(objects) : objects;
}
