/** A view into a working network: its grid, lit by activity, and an opened layer with its figures. */

import { LiveView } from "../live_view.js";
import { element, make } from "./ui.js";

/** @typedef {import("../loom.js").Network} Network */
/** @typedef {{count: number, not_finite: number, mean: number, std: number, min: number, max: number, zeros: number, histogram: number[]}} Spread */
/** @typedef {{index: number, grid_row: number, grid_col: number, cell_layer: number, type: string, activation: string, parameters: number, input_shape: number[], output_shape: number[], combine_mode?: string, branches?: {type: string}[], tensors: {name: string, shape: number[]}[], weights: Spread | null, output: Spread | null, gradient: Spread | null}} Inspected */
/** @typedef {{layers: {type: string, branches?: {type: string}[]}[]}} Blueprint */

const BINS = 32;
/** Milliseconds between two readings of an opened layer. */
const REFRESH = 250;

/** Fills the panel that `live_panel` in the page's HTML stands for. */
export class LivePanel {
  /** @type {LiveView | null} */
  view = null;
  /** @type {Network | null} */
  #network = null;
  /** @type {AbortController | null} */
  #watching = null;
  #open = -1;
  #read = 0;
  #busy = false;

  constructor() {
    this.place = element("live", HTMLElement);
    this.card = element("layer", HTMLElement);
    const shown = element("live-shown", HTMLSelectElement);
    shown.onchange = () => this.#settings();
    this.shown = shown;
    this.arrangement = element("live-arrangement", HTMLSelectElement);
    this.arrangement.onchange = () => this.#settings();
  }

  /**
   * Draw a network's grid and light it from now on.
   * @param {Network} network
   */
  async attach(network) {
    this.detach();
    this.#network = network;
    const [info, blueprint] = await Promise.all([network.call("GetNetworkInfo"), network.call("GetBlueprint")]);
    const { layers } = /** @type {Blueprint} */ (/** @type {unknown} */ (blueprint));
    const grid = { rows: info.grid_rows ?? 1, cols: info.grid_cols ?? 1, layers: info.layers_per_cell ?? 1 };
    this.view = new LiveView(this.place, {
      grid,
      names: layers.map(({ type, branches }) =>
        branches ? `${type} (${branches.map((b) => b.type).join(", ")})` : type,
      ),
      onOpen: (index) => void this.open(index),
    });
    const several = element("live-arrangement-field", HTMLElement);
    several.hidden = grid.layers === 1;
    this.#settings();
    this.#watching = new AbortController();
    const view = this.view;
    const onActivity = (/** @type {Float32Array} */ activity) => {
      view.show(activity);
      if (this.#open >= 0 && performance.now() - this.#read > REFRESH) void this.#inspect();
    };
    network.watch(onActivity, { signal: this.#watching.signal }).catch(() => {}); // a disposed network is watched no more
  }

  /** Release the network; the picture stays. */
  detach() {
    this.#watching?.abort();
    this.#watching = null;
    this.#network = null;
    this.#open = -1;
    this.card.hidden = true;
  }

  #settings() {
    if (!this.view) return;
    this.view.shown = /** @type {import("../live_view.js").Shown} */ (this.shown.value);
    this.view.arrange(/** @type {import("../live_view.js").Arrangement} */ (this.arrangement.value));
  }

  /** @param {number} index */
  async open(index) {
    this.#open = index;
    await this.#inspect();
  }

  /** Read the opened layer and show it; one reading at a time. */
  async #inspect() {
    const network = this.#network;
    if (this.#busy || !network) return;
    this.#busy = true;
    try {
      const index = this.#open;
      const inspected = /** @type {Inspected} */ (
        /** @type {unknown} */ (await network.call("InspectLayer", index, BINS))
      );
      if (network === this.#network) this.#show(inspected);
      this.#read = performance.now();
      if (this.#open !== index) queueMicrotask(() => void this.#inspect());
    } catch {
      this.card.hidden = true; // the network was disposed of meanwhile
    } finally {
      this.#busy = false;
    }
  }

  /** @param {Inspected} layer */
  #show(layer) {
    const place = `row ${layer.grid_row + 1}, column ${layer.grid_col + 1}, layer ${layer.cell_layer + 1}`;
    const shape = (/** @type {number[]} */ sizes) => (sizes.length ? sizes.join(" × ") : "any");
    const facts = [
      ["Place", place],
      ["Input", shape(layer.input_shape)],
      ["Output", shape(layer.output_shape)],
      ["Activation", layer.activation],
      ["Parameters", layer.parameters.toLocaleString("en")],
      ["Tensors", layer.tensors.map(({ name, shape: s }) => `${name} ${s.join("×")}`).join(", ") || "none"],
    ];
    if (layer.branches)
      facts.push(["Branches", `${layer.branches.map((b) => b.type).join(", ")} (${layer.combine_mode ?? "in order"})`]);
    const list = make("dl", "", "facts");
    for (const [name = "", value = ""] of facts) {
      const pair = document.createElement("div");
      pair.append(make("dt", name), make("dd", value));
      list.append(pair);
    }
    const spreads = make("div", "", "spreads");
    spreads.append(
      histogram("Weights", layer.weights, "accent"),
      histogram("Output", layer.output, "accent"),
      histogram("Gradient", layer.gradient, "thread"),
    );
    this.card.replaceChildren(make("h3", `Layer ${layer.index}: ${layer.type}`), list, spreads);
    this.card.dataset.layer = String(layer.index);
    this.card.hidden = false;
  }
}

/** @param {number} value */
const short = (value) => Number(value.toPrecision(3)).toString();

/**
 * Bars and figures of one spread.
 * @param {string} title
 * @param {Spread | null} spread
 * @param {"accent" | "thread"} colour
 */
function histogram(title, spread, colour) {
  const figure = document.createElement("figure");
  const caption = make("figcaption", title);
  figure.append(caption);
  if (!spread) {
    figure.append(make("p", title === "Weights" ? "none" : "nothing ran yet", "note"));
    return figure;
  }
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  const most = Math.max(...spread.histogram, 1);
  picture.setAttribute("viewBox", `0 0 ${spread.histogram.length} 12`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  picture.setAttribute("class", colour);
  picture.setAttribute(
    "aria-label",
    `Histogram of ${spread.count} values from ${short(spread.min)} to ${short(spread.max)}`,
  );
  spread.histogram.forEach((count, i) => {
    const bar = document.createElementNS(space, "rect");
    const height = (11.5 * count) / most;
    for (const [name, value] of [
      ["x", i + 0.08],
      ["y", 12 - height],
      ["width", 0.84],
      ["height", height],
    ])
      bar.setAttribute(String(name), String(value));
    picture.append(bar);
  });
  const ends = make("div", "", "ends");
  ends.append(make("span", short(spread.min)), make("span", short(spread.max)));
  const words = [`mean ${short(spread.mean)}`, `σ ${short(spread.std)}`, `${Math.round(spread.zeros * 100)} % zeros`];
  if (spread.not_finite) words.push(`${spread.not_finite} not finite`);
  figure.append(picture, ends, make("p", words.join(" · "), "note"));
  return figure;
}
