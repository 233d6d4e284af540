/** A loss curve that follows training: epochs across, loss on a logarithmic scale. */

import "./locale.js";
import uPlot from "../vendor/uPlot/uPlot.esm.js";

export class LossChart {
  /** @type {number[]} */
  #losses = [];
  /** @type {uPlot | null} */
  #plot = null;
  #frame = 0;

  /**
   * @param {HTMLElement} place its size is the chart's
   * @param {number} epochs
   */
  constructor(place, epochs) {
    this.place = place;
    this.epochs = epochs;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#build());
    this.#build();
  }

  /** Forget the curve. */
  clear() {
    this.#losses = [];
    this.#draw();
  }

  /** @param {number[]} losses of the next epochs */
  add(losses) {
    this.#losses.push(...losses);
    this.#draw();
  }

  #size() {
    return { width: Math.max(this.place.clientWidth, 200), height: Math.max(this.place.clientHeight, 200) };
  }

  /** Draw at most once per frame, however fast epochs arrive. */
  #draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#plot?.setData(this.#data());
    });
  }

  /** @returns {[number[], number[]]} */
  #data() {
    return [this.#losses.map((_, i) => i + 1), this.#losses];
  }

  #build() {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
      font: `12px ${colour("--sans")}`,
    };
    /** @type {uPlot.Axis.Filter} */
    const decades = (_, ticks) => ticks.map((t) => (isPower(t) ? t : null));
    const losses = {
      ...axis,
      grid: { ...axis.grid, filter: decades },
      ticks: { ...axis.ticks, filter: decades },
      filter: decades,
      size: 56,
      values: (/** @type {uPlot} */ _, /** @type {(number | null)[]} */ ticks) => ticks.map((t) => String(t ?? "")),
    };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: [0, this.epochs] },
          y: { distr: 3, range: (_, min, max) => this.#range(min, max) },
        },
        axes: [axis, losses],
        series: [{}, { stroke: colour("--thread"), width: 2, points: { show: false } }],
      },
      this.#data(),
      this.place,
    );
  }

  /**
   * Whole decades around the curve.
   * @param {number | null} min
   * @param {number | null} max
   * @returns {[number, number]}
   */
  #range(min, max) {
    if (!this.#losses.length || !min || !max) return [1e-4, 1];
    return [10 ** Math.floor(Math.log10(min)), 10 ** Math.ceil(Math.log10(max))];
  }
}

/** @param {number} value */
function isPower(value) {
  return Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
}
