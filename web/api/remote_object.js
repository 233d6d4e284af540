/** What lives in Python, seen from the page: handles, and objects with their reflected methods as promises. */

import { HANDLE, camel, isReference, packed } from "./values.js";

/** @typedef {import("../engine/rpc.js").EngineLike} EngineLike */
/** @typedef {import("./values.js").Member} Member */
/** @typedef {{onProgress?: (progress: any) => void, signal?: AbortSignal}} Control */
/** @typedef {new (engine: EngineLike, handle: number, kind: string) => RemoteObject} Made */

/** When the last reference to a handle is gone, so is what it stands for. */
const collected = new FinalizationRegistry((/** @type {{engine: EngineLike, handle: number}} */ { engine, handle }) => {
  void engine.call("release", { handle }).catch(() => {});
});

/** Something that lives in Python under a handle. */
export class Handle {
  /**
   * @param {EngineLike} engine
   * @param {number} handle
   */
  constructor(engine, handle) {
    /** @protected */
    this.engine = engine;
    /** @protected */
    this.handle = handle;
    collected.register(this, { engine, handle }, this);
  }

  /** Give the memory back now; otherwise it goes when this object does. Any later use is an `InputError`. */
  async dispose() {
    const handle = this.handle;
    this.handle = 0;
    collected.unregister(this);
    if (handle) await this.engine.call("release", { handle });
  }
}

/**
 * An object in Python. Each reflected method is a method here, `GetOutput` as `getOutput`: plain values in and out, an
 * array of numbers as a `Float32Array`, a length of time in milliseconds. A method that takes long takes one more
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
   * Any reflected method by its public name, on JSON values.
   * @param {string} method such as `"TotalLayers"`
   * @param {...unknown} args JSON values
   * @returns {Promise<any>} the result; an array if there are several, null if there are none
   */
  async call(method, ...args) {
    const value = await this.engine.call("call", { handle: this.handle, method, args: JSON.stringify(args) });
    return revived(this.engine, value);
  }

  /**
   * The same with typed arrays in and out.
   * @param {string} method
   * @param {unknown[]} args
   * @returns {Promise<any>}
   */
  async plain(method, args) {
    return revived(this.engine, await this.engine.call("plain", { handle: this.handle, method, ...packed(args) }));
  }

  /**
   * A method that takes long, in steps: an abort takes effect after the step under way, and what was done stays.
   * @param {string} method such as `"TrainWithStepping"`
   * @param {unknown[]} args
   * @param {Control} [control]
   * @returns {Promise<any>}
   */
  async run(method, args, { onProgress = () => {}, signal } = {}) {
    const onEvent = (/** @type {any[]} */ events) => events.forEach(onProgress);
    const value = await this.engine.call("run", { handle: this.handle, method, ...packed(args) }, { onEvent, signal });
    return revived(this.engine, value);
  }

  /** As an argument of a method: a reference. */
  toJSON() {
    return { [HANDLE]: this.handle, class: this.kind };
  }
}

/** @type {WeakMap<EngineLike, Map<string, Promise<Made>>>} */
const made = new WeakMap();

/**
 * The class of one kind of object, with its reflected methods; asked of Python once.
 * @param {EngineLike} engine
 * @param {string} kind
 * @param {Made} Base
 * @returns {Promise<Made>}
 */
function classOf(engine, kind, Base) {
  const known = made.get(engine) ?? new Map();
  made.set(engine, known);
  const found = known.get(kind) ?? reflected(engine, kind, Base);
  known.set(kind, found);
  found.catch(() => known.delete(kind));
  return found;
}

/** @param {EngineLike} engine @param {string} kind @param {Made} Base @returns {Promise<Made>} */
async function reflected(engine, kind, Base) {
  /** @type {Member[]} */
  const members = await engine.call("members", { kind });
  const Reflected = class extends Base {};
  Object.defineProperty(Reflected, "name", { value: kind });
  for (const [name, parameters, long] of members) {
    if (camel(name) in Base.prototype) continue;
    /** @this {RemoteObject} @param {...unknown} args */
    const value = function (...args) {
      return long
        ? this.run(name, args.slice(0, parameters), /** @type {Control} */ (args[parameters]))
        : this.plain(name, args);
    };
    Object.defineProperty(Reflected.prototype, camel(name), { value, configurable: true, writable: true });
  }
  return Reflected;
}

/**
 * The object under a handle.
 * @param {EngineLike} engine
 * @param {string} kind
 * @param {number} handle
 * @param {Made} [Base]
 */
export async function remote(engine, kind, handle, Base = RemoteObject) {
  return new (await classOf(engine, kind, Base))(engine, handle, kind);
}

/**
 * A new object of a shared class.
 * @param {EngineLike} engine
 * @param {string} kind
 * @param {unknown[]} args
 * @returns {Promise<any>}
 */
export async function createRemote(engine, kind, args) {
  return revived(engine, await engine.call("create", { kind, ...packed(args) }));
}

/**
 * A result with its references as objects.
 * @param {EngineLike} engine
 * @param {any} value
 * @returns {Promise<any>}
 */
async function revived(engine, value) {
  if (isReference(value)) return remote(engine, value.class, value[HANDLE]);
  if (!Array.isArray(value) || !value.some(isReference)) return value;
  return Promise.all(value.map((item) => (isReference(item) ? remote(engine, item.class, item[HANDLE]) : item)));
}
