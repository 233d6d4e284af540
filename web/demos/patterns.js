/** The two-halves task: which half of the input is high? */

/**
 * @param {number} count of samples, half of each class
 * @param {number} inputs values per sample
 * @param {number} outputs values of the target; the first two are the classes
 * @param {() => number} [random]
 */
export function patterns(count, inputs, outputs, random = Math.random) {
  return Array.from({ length: count }, (_, i) => {
    const expected = i % 2;
    const high = (/** @type {number} */ k) => k < inputs / 2 === (expected === 0);
    const input = Array.from({ length: inputs }, (_, k) => (high(k) ? 0.7 : 0) + 0.3 * random());
    return { input, target: Array.from({ length: outputs }, (_, k) => Number(k === expected)), expected };
  });
}
