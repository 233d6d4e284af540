/**
 * What the driver calls in every contestant's page: `open` once, then `prepare` and `run` for each case.
 *
 * @typedef {{ms: number, check?: number, text?: string, ids?: number[], extra?: Record<string, number>}} Result
 *   `ms` for one unit of the case (a training, a step, a token, a product)
 */
/** @typedef {{shape: number[], data: Float32Array}} Flat */
/** @typedef {{params: Flat[], batches: [input: Flat, target: Flat][]}} Data parameters and batches of a training case */
/** @typedef {{ms: number, check: number}} Measured */

/** Time a synchronous or asynchronous piece of work. @param {() => unknown} work @returns {Promise<number>} milliseconds */
export async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The initial data of a training case, fetched once. @param {string} url @returns {Promise<Data>} */
export async function fetchData(url) {
  /** @typedef {{shape: number[], data: number[]}} Listed */
  /** @type {{params: Listed[], batches: [Listed, Listed][]}} */
  const { params, batches } = await (await fetch(url)).json();
  const flat = (/** @type {Listed} */ { shape, data }) => ({ shape, data: Float32Array.from(data) });
  return { params: params.map(flat), batches: batches.map(([input, target]) => [flat(input), flat(target)]) };
}

/** Two matrices. @typedef {[a: Float32Array, b: Float32Array]} Pair */

/**
 * Two matrices that every contestant multiplies: small integers over 8, so that the product's sum is exact.
 * @param {number} n
 * @returns {Pair}
 */
export function matrices(n) {
  const value = (/** @type {number} */ i, /** @type {number} */ step) => (((i * step) % 17) - 8) / 8;
  const make = (/** @type {number} */ step) => Float32Array.from({ length: n * n }, (_, i) => value(i, step));
  return [make(5), make(7)];
}

/** A checksum of a product. @param {Float32Array} c */
export const weigh = (c) => c.reduce((sum, v, i) => sum + v * ((i % 13) - 6), 0);

/**
 * A contestant that is a library of array operations, given its training and its product.
 * @param {(work: import("./work.js").Training, data: Data, epochs: number) => Promise<Measured>} train
 * @param {(work: import("./work.js").Product, matrices: Pair) => Promise<{ms: number, product: Float32Array}>} multiply
 */
export function arrayLibrary(train, multiply) {
  /** @type {Map<string, Promise<Data>>} */
  const fetched = new Map();
  const dataOf = (/** @type {string} */ url) => {
    const data = fetched.get(url) ?? fetchData(url);
    fetched.set(url, data);
    return data;
  };
  return {
    /** @param {import("./work.js").Work} work */
    async prepare(work) {
      if (work.kind === "train") await train(work, await dataOf(work.data), Math.min(work.epochs, 10));
      return {};
    },
    /** @param {import("./work.js").Work} work @returns {Promise<Record<string, Result>>} */
    async run(work) {
      if (work.kind === "language" || work.kind === "embedding")
        throw new Error("a library of array operations has no model of texts");
      if (work.kind === "train") {
        const { ms, check } = await train(work, await dataOf(work.data), work.epochs);
        return { [work.name]: { ms: ms / work.units, check } };
      }
      const { ms, product } = await multiply(work, matrices(work.size));
      return { [work.name]: { ms: ms / work.units, check: weigh(product) } };
    },
  };
}
