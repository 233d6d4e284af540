/**
 * A network's grid, drawn on a canvas and lit by what its layers do: the filling by their activity, the mark inside by
 * the gradient that reached them. A click, or the keyboard, opens a layer.
 *
 *     const view = new LiveView(place, { grid: { rows: 10, cols: 10, layers: 10 }, names, onOpen });
 *     network.watch((activity) => view.show(activity), { signal });
 */

import { FILL, centre, hit, layout, placeOf } from "./live_layout.js";

/** @typedef {import("./live_layout.js").Grid} Grid */
/** @typedef {import("./live_layout.js").Arrangement} Arrangement */
/** @typedef {"both" | "activity" | "gradient"} Shown */
/**
 * @typedef {object} LiveOptions
 * @property {Grid} grid
 * @property {string[]} [names] of the layers' kinds, in the order of the grid
 * @property {(index: number) => void} [onOpen]
 * @property {number} [height] most CSS pixels
 * @property {Arrangement} [arrangement]
 */

/** Brightness covers three powers of ten below the largest value; what is smaller is dark. */
const DECADES = 3;
const LEVELS = 64;
/** How fast the scale follows when all values become smaller: the share that is left after a picture. */
const DECAY = 0.97;

export class LiveView {
  #grid;
  #layout = /** @type {import("./live_layout.js").Layout} */ ({ width: 0, height: 0, sheets: [] });
  #context;
  #frame = 0;
  /** @type {Float32Array} */
  #values;
  #scales = [0, 0];
  /** @type {string[][]} */
  #colours = [[], []];
  #inks = { line: "", bad: "", ink: "" };
  #cursor = 0;
  #open = -1;
  #stop = new AbortController();
  /** @type {Shown} */
  #shown = "both";
  /** Pictures drawn so far. */
  drawn = 0;

  /**
   * @param {HTMLElement} place gets the canvas and a line of text about the cell under the cursor
   * @param {LiveOptions} options
   */
  constructor(place, { grid, names = [], onOpen = () => {}, height = 540, arrangement = "stacked" }) {
    this.#grid = grid;
    this.names = names;
    this.onOpen = onOpen;
    this.height = height;
    this.arrangement = arrangement;
    this.place = place;
    this.count = grid.rows * grid.cols * grid.layers;
    this.#values = new Float32Array(2 * this.count);
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute(
      "aria-label",
      `Grid of ${grid.rows} by ${grid.cols} cells, ${grid.layers} layers each. Arrow keys, Page Up and Page Down move, Enter opens a layer.`,
    );
    this.text = document.createElement("p");
    this.text.className = "live-text";
    this.text.setAttribute("aria-live", "polite");
    const context = this.canvas.getContext("2d");
    if (!context) throw new Error("this browser cannot draw on a canvas");
    this.#context = context;
    place.replaceChildren(this.canvas, this.text);
    this.#listen();
    this.#colour();
    this.#fit();
  }

  /**
   * A new picture, drawn with the next frame; of several in between only the last is.
   * @param {Float32Array} values as many activities as layers, then as many gradients
   */
  show(values) {
    this.#values = values;
    this.#draw();
  }

  /** Everything dark again. */
  clear() {
    this.#scales = [0, 0];
    this.show(new Float32Array(2 * this.count));
  }

  /** @param {Shown} shown */
  set shown(shown) {
    this.#shown = shown;
    this.#draw();
  }

  /** @param {Arrangement} arrangement */
  arrange(arrangement) {
    this.arrangement = arrangement;
    this.#fit();
  }

  /** Draw one layer as opened; −1 for none. @param {number} index */
  mark(index) {
    this.#open = index;
    this.#draw();
  }

  /** Where a layer is drawn, in CSS pixels from the canvas' corner. @param {number} index */
  centre(index) {
    return centre(this.#grid, this.#layout, index);
  }

  /** Draw no more. */
  dispose() {
    this.#stop.abort();
    cancelAnimationFrame(this.#frame);
    this.place.replaceChildren();
  }

  #listen() {
    const { signal } = this.#stop;
    const sizes = new ResizeObserver(() => this.#fit());
    sizes.observe(this.place);
    signal.addEventListener("abort", () => sizes.disconnect());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#colour(), { signal });
    this.canvas.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.canvas.addEventListener("focus", () => this.#at(this.#cursor), { signal });
    this.canvas.addEventListener("blur", () => this.#draw(), { signal });
    this.canvas.addEventListener("pointermove", (event) => this.#point(event, false), { signal });
    this.canvas.addEventListener("click", (event) => this.#point(event, true), { signal });
  }

  /** @param {MouseEvent} event @param {boolean} open */
  #point({ offsetX, offsetY }, open) {
    const index = hit(this.#grid, this.#layout, offsetX, offsetY);
    this.canvas.style.cursor = index < 0 ? "" : "pointer";
    if (index < 0) return;
    this.#at(index);
    if (open) this.#opened(index);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { rows, cols, layers } = this.#grid;
    const { row, col, layer } = placeOf(this.#grid, this.#cursor);
    /** @type {Record<string, [number, number, number]>} */
    const moves = {
      ArrowLeft: [row, col - 1, layer],
      ArrowRight: [row, col + 1, layer],
      ArrowUp: [row - 1, col, layer],
      ArrowDown: [row + 1, col, layer],
      PageUp: [row, col, layer - 1],
      PageDown: [row, col, layer + 1],
      Home: [0, 0, 0],
      End: [rows - 1, cols - 1, layers - 1],
    };
    const to = moves[event.key];
    if (to) {
      const within = (/** @type {number} */ value, /** @type {number} */ count) =>
        Math.min(Math.max(value, 0), count - 1);
      this.#at((within(to[0], rows) * cols + within(to[1], cols)) * layers + within(to[2], layers));
    } else if (event.key === "Enter" || event.key === " ") {
      this.#opened(this.#cursor);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {number} index */
  #opened(index) {
    this.mark(index);
    this.onOpen(index);
  }

  /** @param {number} index */
  #at(index) {
    this.#cursor = index;
    this.#describe();
    this.#draw();
  }

  #describe() {
    const { row, col, layer } = placeOf(this.#grid, this.#cursor);
    const number = (/** @type {number | undefined} */ v) =>
      v === undefined ? "—" : Number(v.toPrecision(3)).toString();
    const [activity, gradient] = [this.#values[this.#cursor], this.#values[this.count + this.#cursor]];
    const place = `row ${row + 1}, column ${col + 1}${this.#grid.layers > 1 ? `, layer ${layer + 1}` : ""}`;
    this.text.textContent = `${place}: ${this.names[this.#cursor] ?? "layer"}, activity ${number(activity)}, gradient ${number(gradient)}`;
  }

  /** Colours of both marks, from dark to bright. */
  #colour() {
    const style = getComputedStyle(document.documentElement);
    const read = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const parts = (/** @type {string} */ name) => [1, 3, 5].map((at) => parseInt(read(name).slice(at, at + 2), 16));
    const [dark, bright, thread] = [parts("--sunken"), parts("--accent"), parts("--thread")];
    const steps = Array.from({ length: LEVELS }, (_, i) => i / (LEVELS - 1));
    const mixed = (/** @type {number} */ share) =>
      dark.map((from, i) => Math.round(from + share * ((bright[i] ?? 0) - from))).join(" ");
    this.#colours = [
      steps.map((share) => `rgb(${mixed(share)} / ${0.55 + 0.45 * share})`),
      steps.map((share) => `rgb(${thread.join(" ")} / ${0.2 + 0.8 * share})`),
    ];
    this.#inks = { line: read("--line"), bad: read("--bad"), ink: read("--ink") };
    this.#draw();
  }

  #fit() {
    const width = Math.max(this.place.clientWidth, 120);
    this.#layout = layout(this.#grid, width, this.height, this.arrangement);
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.#layout.height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${this.#layout.height}px`;
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#draw();
  }

  #draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.paint();
    });
  }

  /** Draw now. */
  paint() {
    const { width, height, sheets } = this.#layout;
    const context = this.#context;
    context.clearRect(0, 0, width, height);
    const levels = [this.#levels(0), this.#levels(1)];
    for (let k = sheets.length - 1; k >= 0; k--) this.#sheet(k, levels);
    if (document.activeElement === this.canvas) this.#outline(this.#cursor, 3);
    if (this.#open >= 0) this.#outline(this.#open, 2);
    this.drawn++;
  }

  /**
   * Brightness of every layer, 0 … LEVELS − 1; 255 for what is not finite.
   * @param {number} half 0 activity, 1 gradient
   */
  #levels(half) {
    const { count } = this;
    const values = this.#values.subarray(half * count, (half + 1) * count);
    let largest = 0;
    for (const value of values) if (value > largest && value < Infinity) largest = value;
    const scale = (this.#scales[half] = Math.max(largest, (this.#scales[half] ?? 0) * DECAY));
    const levels = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      const value = values[i] ?? 0;
      if (!Number.isFinite(value)) levels[i] = 255;
      else if (value > 0) levels[i] = Math.max(0, (1 + Math.log10(value / scale) / DECADES) * (LEVELS - 1));
    }
    return levels;
  }

  /**
   * One layer of every cell.
   * @param {number} layer
   * @param {Uint8Array[]} levels
   */
  #sheet(layer, [activity, gradient]) {
    const { rows, cols, layers } = this.#grid;
    const { x, y, right, down } = /** @type {import("./live_layout.js").Sheet} */ (this.#layout.sheets[layer]);
    const context = this.#context;
    const [fillings, marks] = this.#colours;
    const [outer, inner] = [(1 - FILL) / 2, 0.28];
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols; col++) {
        const index = (row * cols + col) * layers + layer;
        const left = x + col * right[0] + row * down[0];
        const top = y + col * right[1] + row * down[1];
        const level = this.#shown === "gradient" ? 0 : (activity?.[index] ?? 0);
        context.fillStyle = (level === 255 ? this.#inks.bad : fillings?.[level]) ?? "";
        this.#quad(left, top, right, down, outer);
        const mark = this.#shown === "activity" ? 0 : (gradient?.[index] ?? 0);
        if (!mark) continue;
        context.fillStyle = (mark === 255 ? this.#inks.bad : marks?.[mark]) ?? "";
        this.#quad(left, top, right, down, inner);
      }
    }
  }

  /**
   * A cell's shape, smaller by `inset` of it on all sides.
   * @param {number} left
   * @param {number} top
   * @param {[number, number]} right
   * @param {[number, number]} down
   * @param {number} inset
   */
  #quad(left, top, right, down, inset) {
    const context = this.#context;
    const size = 1 - 2 * inset;
    const x = left + inset * (right[0] + down[0]);
    const y = top + inset * (right[1] + down[1]);
    if (down[0] === 0) return context.fillRect(x, y, size * right[0], size * down[1]);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + size * right[0], y);
    context.lineTo(x + size * (right[0] + down[0]), y + size * down[1]);
    context.lineTo(x + size * down[0], y + size * down[1]);
    context.fill();
  }

  /** @param {number} index @param {number} width */
  #outline(index, width) {
    const { row, col, layer } = placeOf(this.#grid, index);
    const { x, y, right, down } = /** @type {import("./live_layout.js").Sheet} */ (this.#layout.sheets[layer]);
    const context = this.#context;
    const [left, top] = [x + col * right[0] + row * down[0], y + row * down[1]];
    context.strokeStyle = this.#inks.ink;
    context.lineWidth = Math.min(width, right[0] / 3);
    context.beginPath();
    context.moveTo(left, top);
    context.lineTo(left + right[0], top);
    context.lineTo(left + right[0] + down[0], top + down[1]);
    context.lineTo(left + down[0], top + down[1]);
    context.closePath();
    context.stroke();
  }
}
