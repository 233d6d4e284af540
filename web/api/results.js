/** Results of one call in the original's form: an array of JSON texts that also prints as one JSON array. */
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
