/** Frees an object in Python when its JavaScript object is garbage-collected, or at the end of a block with `using`. */

/** @type {FinalizationRegistry<() => void>} */
const collected = new FinalizationRegistry((release) => release());

/**
 * Call `release` once `holder` has been collected.
 * @param {object} holder
 * @param {() => void} release must not refer to `holder`
 */
export function track(holder, release) {
  collected.register(holder, release, holder);
}

/** Its memory has been freed already. @param {object} holder */
export function untrack(holder) {
  collected.unregister(holder);
}

/**
 * Give a class with `dispose()` the method that `using` calls, where the JavaScript engine supports it.
 * @param {{prototype: {dispose(): unknown}}} Class
 */
export function disposable(Class) {
  if (!Symbol.dispose) return;
  Object.defineProperty(Class.prototype, Symbol.dispose, {
    configurable: true,
    writable: true,
    /** @this {{dispose(): unknown}} */
    value() {
      void this.dispose();
    },
  });
}
