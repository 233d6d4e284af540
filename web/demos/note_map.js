/**
 * A map of points that can be pointed at, clicked, and walked through with the arrow keys; uPlot draws it.
 *
 * The place has the keyboard's focus; the words of the point that is pointed at are in `words`, which is read aloud.
 */

import "./locale.js";
import uPlot from "../vendor/uPlot/uPlot.esm.js";

/** @typedef {{x: number, y: number, words: string}} MapPoint */
/** @typedef {"ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown"} Arrow */

const REACH = 24;
/** @type {Record<Arrow, [number, number]>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class NoteMap {
  /** Sorted from left to right. @type {(MapPoint & {index: number})[]} */
  #points = [];
  /** Indices of points that stand out. @type {Set<number>} */
  #hits = new Set();
  /** @type {number | null} */
  #current = null;
  /** @type {uPlot | null} */
  #plot = null;

  /**
   * @param {HTMLElement} place its size is the map's
   * @param {HTMLElement} words
   * @param {(index: number) => void} onChoose a point was clicked, or chosen with Enter
   */
  constructor(place, words, onChoose) {
    this.place = place;
    this.words = words;
    this.onChoose = onChoose;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#build());
    place.addEventListener("pointermove", (event) => this.#point(this.#nearest(event)));
    place.addEventListener("pointerleave", () => this.#point(null));
    place.addEventListener("click", (event) => this.#choose(this.#nearest(event)));
    place.addEventListener("keydown", (event) => this.#key(event));
    this.#build();
  }

  /** @param {MapPoint[]} points */
  set(points) {
    this.#points = points.map((point, index) => ({ ...point, index })).sort((a, b) => a.x - b.x);
    this.#hits.clear();
    this.#point(null);
    this.#build();
  }

  /** Let points stand out. @param {number[]} indices as in `set` */
  highlight(indices) {
    this.#hits = new Set(indices);
    this.#draw();
  }

  /** Point at one. @param {number} index as in `set` */
  select(index) {
    const at = this.#points.findIndex((point) => point.index === index);
    this.#point(at < 0 ? null : at);
  }

  /** How many points there are. */
  get size() {
    return this.#points.length;
  }

  /** Where a point is, in pixels from the place's corner. @param {number} index as in `set` */
  locate(index) {
    const point = this.#points.find((p) => p.index === index);
    return point && this.#plot ? this.#pixels(point) : null;
  }

  #size() {
    return { width: Math.max(this.place.clientWidth, 200), height: Math.max(this.place.clientHeight, 200) };
  }

  /** @param {MapPoint} point */
  #pixels({ x, y }) {
    const plot = /** @type {uPlot} */ (this.#plot);
    const [left, top] = [plot.over.offsetLeft, plot.over.offsetTop];
    return { x: left + plot.valToPos(x, "x"), y: top + plot.valToPos(y, "y") };
  }

  /** The point nearest to the pointer, by its place in #points, unless it is far. @param {MouseEvent} event */
  #nearest(event) {
    const box = this.place.getBoundingClientRect();
    let best = null;
    let distance = REACH;
    for (const [i, point] of this.#points.entries()) {
      const { x, y } = this.#pixels(point);
      const away = Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top));
      if (away < distance) [best, distance] = [i, away];
    }
    return best;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#choose(this.#current);
    } else if (Object.hasOwn(DIRECTIONS, event.key)) {
      event.preventDefault();
      this.#point(this.#neighbour(/** @type {Arrow} */ (event.key)));
    }
  }

  /** The nearest point within 45° of a direction. @param {Arrow} key */
  #neighbour(key) {
    if (this.#current === null) return this.#points.length ? 0 : null;
    const from = this.#pixels(this.#points[this.#current]);
    const [dx, dy] = DIRECTIONS[key];
    let best = this.#current;
    let distance = Infinity;
    for (const [i, point] of this.#points.entries()) {
      const to = this.#pixels(point);
      const along = (to.x - from.x) * dx - (to.y - from.y) * dy;
      const across = Math.abs((to.x - from.x) * dy) + Math.abs((to.y - from.y) * dx);
      if (along > 0 && across <= along && along + across < distance) [best, distance] = [i, along + across];
    }
    return best;
  }

  /** @param {number | null} at place in #points */
  #point(at) {
    if (at === this.#current) return;
    this.#current = at;
    this.words.textContent = at === null ? "" : this.#points[at].words;
    this.place.style.cursor = at === null ? "" : "pointer";
    this.#draw();
  }

  /** @param {number | null} at place in #points */
  #choose(at) {
    if (at !== null) this.onChoose(this.#points[at].index);
  }

  /** @returns {uPlot.AlignedData} */
  #data() {
    const only = (/** @type {(i: number) => boolean} */ chosen) => this.#points.map((p, i) => (chosen(i) ? p.y : null));
    return [
      this.#points.map(({ x }) => x),
      only(() => true),
      only((i) => this.#hits.has(this.#points[i].index)),
      only((i) => i === this.#current),
    ];
  }

  #draw() {
    this.#plot?.setData(this.#data(), false);
    this.#plot?.redraw();
  }

  #build() {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const points = (/** @type {string} */ name, /** @type {number} */ size) => ({
      paths: () => null,
      stroke: colour(name),
      points: { show: true, size, stroke: colour(name), fill: colour(name) },
    });
    const around = (/** @type {"x" | "y"} */ axis) => () => range(this.#points.map((point) => point[axis]));
    this.#plot = new uPlot(
      {
        ...this.#size(),
        padding: [8, 8, 8, 8],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: around("x") }, y: { range: around("y") } },
        axes: [{ show: false }, { show: false }],
        series: [{}, points("--accent", 7), points("--thread", 11), points("--ink", 15)],
      },
      this.#data(),
      this.place,
    );
  }
}

/** Around the values, with room for the points at the rim. @param {number[]} values @returns {[number, number]} */
function range(values) {
  if (!values.length) return [-1, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * 0.08 || 1;
  return [low - room, high + room];
}
