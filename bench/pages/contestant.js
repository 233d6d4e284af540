/**
 * What the driver calls in every contestant's page: `open` once, then `prepare` and `run` for each case.
 *
 * @typedef {{ms: number, check?: number, text?: string, ids?: number[], extra?: Record<string, number>}} Result
 *   `ms` for one unit of the case (a training, a step, a token, a product)
 * @typedef {{prepare: (work: any) => Promise<any>, run: (work: any, round: number) => Promise<Record<string, Result>>}} Contestant
 */

/** Time a synchronous or asynchronous piece of work. @param {() => any} work @returns {Promise<number>} milliseconds */
export async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** @param {string} url */
export const json = async (url) => (await fetch(url)).json();

/** Parameters and data of a training case as flat Float32Arrays with shapes. @param {any} list */
export const arrays = (list) =>
  list.map((/** @type {any} */ a) => ({ shape: a.shape, data: Float32Array.from(a.data) }));

/**
 * Two matrices that every contestant multiplies: small integers over 8, so that the product's sum is exact.
 * @param {number} n
 */
export function matrices(n) {
  const value = (/** @type {number} */ i, /** @type {number} */ step) => (((i * step) % 17) - 8) / 8;
  const make = (/** @type {number} */ step) => Float32Array.from({ length: n * n }, (_, i) => value(i, step));
  return [make(5), make(7)];
}

/** A number that tells one product from another. @param {Float32Array} c */
export const weigh = (c) => c.reduce((sum, v, i) => sum + v * ((i % 13) - 6), 0);
