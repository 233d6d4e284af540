/** Several curves in one uPlot chart, with a key, in the colours of the page; they grow while work goes on. */

import "./locale.js";
import uPlot from "../vendor/uPlot/uPlot.esm.js";
import { make } from "./ui.js";

/** @typedef {{name: string, x: number[], y: number[]}} Curve */
/** @typedef {{xLabel: string, yLabel: string, xMax?: number, log?: boolean, yRange?: [number, number], marks?: number[]}} ChartOptions `marks`: vertical lines at these x */

/** Distinct in hue and in lightness, on paper and on ink. */
const COLOURS = ["--thread", "--accent", "#7a6bb0", "#b08a1e", "#3f7fb5", "#a8497a", "#5b8c3a", "#8a6d55"];

export class LineChart {
  /** @type {Curve[]} */
  #curves = [];
  /** @type {uPlot | null} */
  #plot = null;
  #frame = 0;
  #names = "";

  /**
   * @param {HTMLElement} place its size is the chart's
   * @param {HTMLElement} keys a list that says which colour is which
   * @param {ChartOptions} options
   */
  constructor(place, keys, options) {
    this.place = place;
    this.keys = keys;
    this.options = options;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#build());
    this.#build();
  }

  /** @param {Curve[]} curves each with its x in order */
  set(curves) {
    this.#curves = curves;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#curves.map((c) => c.name).join("\n") === this.#names) this.#plot?.setData(this.#data());
      else this.#build();
    });
  }

  /** Draw anew, after `options` changed. */
  rebuild() {
    this.#build();
  }

  #size() {
    return { width: Math.max(this.place.clientWidth, 200), height: Math.max(this.place.clientHeight, 200) };
  }

  /** One x axis for all: where a curve has no point there is a gap, which uPlot spans. */
  #data() {
    const xs = [...new Set(this.#curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
    const ys = this.#curves.map((curve) => {
      const points = new Map(curve.x.map((x, i) => [x, curve.y[i] ?? null]));
      return xs.map((x) => points.get(x) ?? null);
    });
    return /** @type {uPlot.AlignedData} */ ([xs, ...ys]);
  }

  #build() {
    this.#plot?.destroy();
    this.#names = this.#curves.map((curve) => curve.name).join("\n");
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => (name.startsWith("--") ? style.getPropertyValue(name).trim() : name);
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
      font: `12px ${colour("--sans")}`,
      labelFont: `12px ${colour("--sans")}`,
      labelSize: 18,
    };
    const { xLabel, yLabel, xMax, log = false, yRange, marks = [] } = this.options;
    const decade = (/** @type {number | null} */ v) =>
      v !== null && Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9;
    /** @type {uPlot.Axis} */
    const vertical = { ...axis, label: yLabel, size: 54 };
    if (log) {
      vertical.filter = (_, ticks) => ticks.map((t) => (decade(t) ? t : null));
      vertical.values = (_, ticks) => ticks.map((t) => (t === null ? "" : String(t)));
    }
    const range = (/** @type {uPlot} */ _, /** @type {number | null} */ min, /** @type {number | null} */ max) => {
      if (yRange) return yRange;
      if (!log) return /** @type {[number, number]} */ ([0, (max ?? 1) * 1.05 || 1]);
      if (!min || !max) return /** @type {[number, number]} */ ([1e-3, 1]);
      return /** @type {[number, number]} */ ([10 ** Math.floor(Math.log10(min)), 10 ** Math.ceil(Math.log10(max))]);
    };
    const ink = (/** @type {number} */ i) => colour(COLOURS[i % COLOURS.length] ?? "--ink");
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, ...(xMax ? { range: [0, xMax] } : {}) },
          y: { distr: log ? 3 : 1, range: /** @type {any} */ (range) },
        },
        axes: [{ ...axis, label: xLabel, size: 34 }, vertical],
        series: [
          {},
          ...this.#curves.map((_, i) => ({
            stroke: ink(i),
            width: 2,
            points: { show: false },
            spanGaps: true,
            dash: i >= COLOURS.length ? [6, 4] : undefined,
          })),
        ],
        hooks: { draw: [(plot) => this.#marks(plot, marks, colour("--muted"))] },
      },
      this.#data(),
      this.place,
    );
    this.keys.replaceChildren(
      ...this.#curves.map(({ name }, i) => {
        const item = make("li", name);
        item.style.setProperty("--key", ink(i));
        return item;
      }),
    );
    this.keys.hidden = this.#curves.length < 2;
  }

  /**
   * @param {uPlot} plot
   * @param {number[]} marks
   * @param {string} stroke
   */
  #marks(plot, marks, stroke) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = stroke;
    ctx.setLineDash([4, 4]);
    for (const mark of marks) {
      const x = plot.valToPos(mark, "x", true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
}
