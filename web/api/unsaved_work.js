/** A page that is closed in mid-training loses what was learned: the browser asks first. */

let count = 0;

/** @param {BeforeUnloadEvent} event */
const ask = (event) => event.preventDefault();

/**
 * The same work; while it runs, the browser asks before it closes or leaves the page.
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export async function unsaved(work) {
  const page = globalThis.document && globalThis;
  if (++count === 1) page?.addEventListener("beforeunload", ask);
  try {
    return await work;
  } finally {
    if (--count === 0) page?.removeEventListener("beforeunload", ask);
  }
}
