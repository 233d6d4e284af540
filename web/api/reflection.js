/** Classes built from Python's reflection: a method for each method there, without a list of them here. */

/** @typedef {(this: any, ...args: any[]) => unknown} Method */

/**
 * A subclass with further methods; those that `Base` has already stay.
 * @template {new (...args: any[]) => object} C
 * @param {C} Base
 * @param {string} name
 * @param {Iterable<[name: string, method: Method]>} methods
 * @returns {C}
 */
export function reflectedClass(Base, name, methods) {
  const Reflected = class extends Base {};
  Object.defineProperty(Reflected, "name", { value: name });
  for (const [method, value] of methods) {
    if (method in Base.prototype) continue;
    Object.defineProperty(Reflected.prototype, method, { value, configurable: true, writable: true });
  }
  return Reflected;
}

/**
 * One value for each owner and name, made at first use.
 * @template {object} Owner
 * @template Value
 */
export class Cache {
  /** @type {WeakMap<Owner, Map<string, Value>>} */
  #values = new WeakMap();

  /**
   * @param {Owner} owner
   * @param {string} name
   * @param {() => Value} make
   * @returns {Value}
   */
  get(owner, name, make) {
    const values = this.#values.get(owner) ?? new Map();
    this.#values.set(owner, values);
    const value = values.get(name) ?? make();
    values.set(name, value);
    return value;
  }

  /** @param {Owner} owner @param {string} name */
  forget(owner, name) {
    this.#values.get(owner)?.delete(name);
  }
}
