/** What an evaluation gives: the record that Python writes, with the methods that the original's metrics have. */

import { FormatError, InputError } from "../errors.js";
import { saveFile } from "./save_file.js";

/** @typedef {{sample_index: number, expected: number, actual: number | null, deviation: number, bucket: string}} Result */
/** @typedef {{buckets: Record<string, {range_min: number, range_max: number, count: number, samples: number[]}>, score: number, total_samples: number, failures: number, results: Result[], avg_deviation: number}} MetricsRecord */

/** One sample: what was expected, what came out, and the deviation in percent; also by the original's names. */
export class Prediction {
  /** @param {Result} result */
  constructor(result) {
    this.sample_index = result.sample_index;
    this.expected = result.expected;
    this.actual = result.actual;
    this.deviation = result.deviation;
    this.bucket = result.bucket;
  }

  get SampleIndex() {
    return this.sample_index;
  }
  get ExpectedOutput() {
    return this.expected;
  }
  get ActualOutput() {
    return this.actual;
  }
  get Deviation() {
    return this.deviation;
  }
  get Bucket() {
    return this.bucket;
  }
}

/** Deviations of a network's predictions in seven buckets. Methods and fields have the original's names, too. */
export class EvaluationMetrics {
  /** @param {MetricsRecord} record */
  constructor(record) {
    this.buckets = record.buckets;
    this.score = record.score;
    this.total_samples = record.total_samples;
    this.failures = record.failures;
    this.results = record.results.map((result) => new Prediction(result));
    this.avg_deviation = record.avg_deviation;
  }

  /**
   * @param {string} text what `saveMetrics` gave, here or in Python
   * @returns {EvaluationMetrics}
   */
  static load(text) {
    /** @type {unknown} */
    let record;
    try {
      record = JSON.parse(text);
    } catch (cause) {
      throw new FormatError("is not JSON", { where: "metrics", cause });
    }
    if (!isMetrics(record)) throw new FormatError("is not a record of an evaluation", { where: "metrics" });
    return new EvaluationMetrics(record);
  }

  get averageDeviation() {
    return this.avg_deviation;
  }
  get AverageDeviation() {
    return this.avg_deviation;
  }
  get Score() {
    return this.score;
  }
  get TotalSamples() {
    return this.total_samples;
  }
  get Failures() {
    return this.failures;
  }
  get Buckets() {
    return this.buckets;
  }
  get Results() {
    return this.results;
  }

  /**
   * @param {number} n
   * @returns {Prediction[]} the n largest deviations, largest first
   */
  getWorstSamples(n) {
    return [...this.results].sort((a, b) => b.deviation - a.deviation).slice(0, Math.max(n, 0));
  }

  /**
   * @param {string} name such as `"0-10%"`
   * @returns {number[]} sample indices
   */
  getSamplesInBucket(name) {
    if (!Object.hasOwn(this.buckets, name)) {
      const remedy = `Known: ${Object.keys(this.buckets).join(", ")}.`;
      throw new InputError(`unknown bucket '${name}'`, { remedy });
    }
    return this.buckets[name].samples;
  }

  /**
   * The report as text: figures and buckets, the worst predictions that are off, and the first samples of each bucket.
   * @param {number} [worst]
   * @param {number} [shown]
   */
  summary(worst = 5, shown = 5) {
    const total = Math.max(this.total_samples, 1);
    const lines = [
      "=== Model Evaluation Summary ===",
      `Total Samples: ${this.total_samples}`,
      `Quality Score: ${this.score.toFixed(1)}/100`,
      `Average Deviation: ${this.avg_deviation.toFixed(1)}%`,
      `Failures (>100% deviation): ${this.failures} (${((100 * this.failures) / total).toFixed(1)}%)`,
      "",
      "Deviation Distribution:",
    ];
    const buckets = Object.entries(this.buckets);
    for (const [name, { count }] of buckets) {
      const share = (100 * count) / total;
      const percent = `(${share.toFixed(1)}%)`.padEnd(7);
      const bar = "█".repeat(Math.floor(share / 2));
      lines.push(`${name.padStart(10)}: ${String(count).padStart(4)} samples ${percent} ${bar}`.trimEnd());
    }
    const off = this.getWorstSamples(worst).filter(({ deviation }) => deviation > 0);
    if (off.length) lines.push("", `=== Worst ${off.length} Predictions ===`);
    for (const [i, { sample_index, expected, actual, deviation }] of off.entries()) {
      const values = `Expected ${short(expected)}, Predicted ${short(actual)}`;
      lines.push(`${i + 1}. Sample #${sample_index}: ${values}, Deviation: ${deviation.toFixed(1)}%`);
    }
    if (this.results.length) lines.push("", "=== Samples by Performance ===");
    for (const [name, { samples }] of buckets) {
      if (!samples.length) continue;
      const more = samples.length > shown ? ` ... (${samples.length - shown} more)` : "";
      lines.push(`${name.padStart(8)}: ${samples.length} samples - [${samples.slice(0, shown).join(" ")}]${more}`);
    }
    return lines.join("\n");
  }

  /** Write `summary()` to the console. */
  printSummary() {
    console.log(this.summary());
  }

  /**
   * @param {string} [filename] offer the text as a file of this name for download
   * @returns {string} JSON text, which `EvaluationMetrics.load` and Python's `load_metrics` read
   */
  saveMetrics(filename) {
    const text = JSON.stringify(this, null, 2);
    if (filename !== undefined) saveFile(filename, text, "application/json");
    return text;
  }

  /** @param {number} n */
  GetWorstSamples(n) {
    return this.getWorstSamples(n);
  }
  /** @param {string} name */
  GetSamplesInBucket(name) {
    return this.getSamplesInBucket(name);
  }
  PrintSummary() {
    this.printSummary();
  }
  /** @param {string} [filename] */
  SaveMetrics(filename) {
    return this.saveMetrics(filename);
  }

  /** As the JSON text that Python gave, so that `JSON.parse(metrics)` works. */
  toString() {
    return JSON.stringify(this);
  }
}

/** @param {number | null} value */
const short = (value) => (value === null ? "nan" : String(Number(value.toFixed(2))));

/** @param {unknown} value @returns {value is MetricsRecord} */
function isMetrics(value) {
  if (typeof value !== "object" || value === null) return false;
  const record = /** @type {Record<string, unknown>} */ (value);
  return "avg_deviation" in record && Array.isArray(record["results"]) && typeof record["buckets"] === "object";
}

/**
 * A result of a call with methods on the metrics in it: an evaluation's own, or a training's `EvalMetrics`.
 * @template T
 * @param {T} value
 * @returns {T}
 */
export function withMethods(value) {
  if (isMetrics(value)) return /** @type {T} */ (/** @type {unknown} */ (new EvaluationMetrics(value)));
  if (typeof value === "object" && value !== null && "EvalMetrics" in value && isMetrics(value.EvalMetrics)) {
    value.EvalMetrics = /** @type {any} */ (new EvaluationMetrics(value.EvalMetrics));
  }
  return value;
}
