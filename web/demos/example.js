/** First steps: the original's global functions, on this page's own thread. */

import { initLoom } from "../loom.js";
import { LossChart } from "./chart.js";
import { Log } from "./log.js";
import { patterns } from "./patterns.js";
import { pack, unpack } from "./shelf.js";
import { duration, element, integer, make, positive, showError, size, sizes, whileStarting } from "./ui_forms.js";

/** @typedef {Awaited<ReturnType<typeof initLoom>>} Globals */
/** @typedef {import("../loom.js").LoomNetwork} LoomNetwork */

const KEY = "loom_model";
const MODEL_ID = "first_steps";
const RELU = 0;
const SIGMOID = 1;
const SAMPLES = 20;

const view = {
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  error: element("error", HTMLElement),
  create: element("create", HTMLFormElement),
  train: element("train", HTMLFormElement),
  stop: element("stop", HTMLButtonElement),
  chart: element("chart", HTMLElement),
  bars: element("bars", HTMLElement),
  methods: element("methods", HTMLTableSectionElement),
  download: element("download", HTMLAnchorElement),
};
const log = new Log(element("log", HTMLElement));
const starting = whileStarting(
  view.status,
  view.bar,
  (onProgress) => initLoom({ onProgress }),
  () => "Ready: the original’s functions, on this page’s own thread.",
);
starting.catch(() => {});
/** @type {LoomNetwork | null} */
let network = null;
let inputs = 0;
let outputs = 0;
/** @type {AbortController | null} */
let stopping = null;

view.create.onsubmit = act(create);
view.train.onsubmit = act(train);
element("forward", HTMLButtonElement).onclick = act(forward);
element("introspect", HTMLButtonElement).onclick = act(introspect);
element("save", HTMLButtonElement).onclick = act(save);
element("load", HTMLButtonElement).onclick = act(load);
element("forget", HTMLButtonElement).onclick = () => {
  localStorage.removeItem(KEY);
  log.add("Local storage is empty again.");
};
element("clear", HTMLButtonElement).onclick = () => log.clear();
view.stop.onclick = () => stopping?.abort();
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopping?.abort();
});
void starting.then(
  (globals) => {
    log.add(`initLoom() installed ${Object.keys(globals).length} functions.`, "head");
  },
  (error) => log.fail(error),
);

/**
 * One action at a time; errors are shown on the page and in the log.
 * @param {(globals: Globals) => void | Promise<void>} action
 * @returns {(event: Event) => Promise<void>}
 */
function act(action) {
  return async (event) => {
    event.preventDefault();
    showError(view.error);
    try {
      await action(await starting);
    } catch (error) {
      showError(view.error, error);
      log.fail(error);
    }
  };
}

/**
 * A result in the original's form; its error as an exception.
 * @param {unknown} result
 * @returns {string[]}
 */
function results(result) {
  if (typeof result === "string") throw new Error(result);
  const values = /** @type {(string | null)[]} */ (result);
  if (values.length === 2 && values[0] === null) throw new Error(String(values[1]));
  return values.map(String);
}

/** @returns {LoomNetwork} */
function currentNetwork() {
  if (!network) throw new Error("There is no network yet. Create or load one first.");
  return network;
}

/** @param {Globals} globals */
function create({ NewNetwork, CallLayerInit }) {
  const [inputSize, rows, cols, layers, hidden, last] = ["inputs", "rows", "cols", "layers", "hidden", "outputs"].map(
    integer,
  );
  const newNetwork = NewNetwork(inputSize, rows, cols, layers);
  if (typeof newNetwork === "string") throw new Error(newNetwork);
  log.add(`NewNetwork(${inputSize}, ${rows}, ${cols}, ${layers})`, "head");
  const total = rows * cols * layers;
  let width = inputSize;
  let weights = 0;
  for (let i = 0; i < total; i++) {
    const next = i === total - 1 ? last : hidden;
    const parameters = [width, next, i === total - 1 ? SIGMOID : RELU];
    const text = CallLayerInit("InitDenseLayer", JSON.stringify(parameters));
    if (!text.startsWith("{")) throw new Error(text);
    const place = [Math.floor(i / (cols * layers)), Math.floor(i / layers) % cols, i % layers];
    results(newNetwork.SetLayer(JSON.stringify([...place, JSON.parse(text)])));
    log.add(`Layer ${i}: ${width} → ${next}, ${(width * next).toLocaleString("en")} weights initialised`);
    weights += width * next + next;
    width = next;
  }
  adopt(newNetwork, inputSize, last);
  element("weights", HTMLElement).textContent = weights.toLocaleString("en");
  element("shape", HTMLElement).textContent = [inputSize, ...Array(total - 1).fill(hidden), last].join(" → ");
}

/**
 * @param {LoomNetwork} newNetwork
 * @param {number} inputSize
 * @param {number} last
 */
function adopt(newNetwork, inputSize, last) {
  network = newNetwork;
  inputs = inputSize;
  outputs = last;
  const [layers] = results(newNetwork.TotalLayers());
  element("layer-count", HTMLElement).textContent = String(layers);
}

/** @param {ArrayLike<number>} input @returns {{values: number[], nanoseconds: number}} */
function run(input) {
  const [values, nanoseconds] = results(currentNetwork().ForwardCPU(JSON.stringify([Array.from(input)])));
  return { values: JSON.parse(values ?? "[]"), nanoseconds: Number(nanoseconds) };
}

function forward() {
  currentNetwork();
  const { values, nanoseconds } = run(Float32Array.from({ length: inputs }, Math.random));
  const low = Math.min(...values);
  const high = Math.max(...values);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  view.bars.replaceChildren(
    ...values.slice(0, 10).map((value, i) => {
      const row = make("div");
      const meter = document.createElement("meter");
      meter.max = Math.max(1, high);
      meter.min = Math.min(0, low);
      meter.value = value;
      meter.setAttribute("aria-label", `Output ${i}`);
      row.append(make("dt", String(i)), meter, make("dd", value.toFixed(4)));
      return row;
    }),
  );
  element("range", HTMLElement).textContent = `${low.toFixed(4)} … ${high.toFixed(4)}`;
  element("mean", HTMLElement).textContent = mean.toFixed(4);
  element("time", HTMLElement).textContent = duration(nanoseconds / 1e6);
  log.add(
    `ForwardCPU: [${values
      .slice(0, 10)
      .map((v) => v.toFixed(4))
      .join(", ")}]`,
  );
}

async function train() {
  const target = currentNetwork();
  const epochs = integer("epochs");
  const rate = positive("rate");
  const batches = patterns(SAMPLES, inputs, outputs).map(({ input, target: wanted }) => ({
    Input: input,
    Target: wanted,
  }));
  const chart = chartFor(epochs);
  stopping = new AbortController();
  view.stop.disabled = false;
  log.add(`Train: ${SAMPLES} samples, ${epochs} epochs, learning rate ${rate}`, "head");
  let first = NaN;
  let before = Infinity;
  try {
    for (let epoch = 1; epoch <= epochs && !stopping.signal.aborted; epoch++) {
      const [text] = results(
        target.Train(JSON.stringify([batches, { Epochs: 1, LearningRate: rate, LossType: "mse" }])),
      );
      const { FinalLoss: loss } = JSON.parse(text ?? "{}");
      if (Number.isNaN(first)) first = loss;
      chart.add([loss]);
      element("epoch", HTMLElement).textContent = `${epoch} / ${epochs}`;
      element("loss", HTMLElement).textContent = loss.toFixed(4);
      element("change", HTMLElement).textContent = `${(100 * (loss / first - 1)).toFixed(1)} %`;
      if (epochs <= 20 || epoch % Math.ceil(epochs / 20) === 0) {
        log.add(
          `Epoch ${epoch}/${epochs}: loss ${loss.toFixed(4)}${loss < before ? " ✓" : ""}`,
          loss < before ? "good" : "",
        );
      }
      before = loss;
      await new Promise((resolve) => setTimeout(resolve)); // lets the page redraw
    }
    view.chart.setAttribute("aria-label", `Loss from ${first.toFixed(4)} to ${before.toFixed(4)}`);
  } finally {
    stopping = null;
    view.stop.disabled = true;
  }
}

/** @type {LossChart | null} */
let drawn = null;
/** @param {number} epochs */
function chartFor(epochs) {
  drawn ??= new LossChart(view.chart, epochs);
  drawn.epochs = epochs;
  drawn.clear();
  return drawn;
}

async function save() {
  const [text = ""] = results(currentNetwork().SaveModelToString(JSON.stringify([MODEL_ID])));
  const blob = new Blob([text], { type: "application/json" });
  URL.revokeObjectURL(view.download.href);
  view.download.href = URL.createObjectURL(blob);
  view.download.hidden = false;
  element("size", HTMLElement).textContent = size(blob.size);
  const packed = await pack(text);
  try {
    localStorage.setItem(KEY, packed);
  } catch (error) {
    element("stored", HTMLElement).textContent = "no room";
    if (!(error instanceof DOMException) || error.name !== "QuotaExceededError") throw error;
    throw new Error(
      `This browser’s local storage has no room for ${size(packed.length)}. Download the network instead, or save a smaller one.`,
    );
  }
  element("stored", HTMLElement).textContent = size(packed.length);
  log.add(
    `Saved: ${blob.size.toLocaleString("en")} bytes of JSON, ${packed.length.toLocaleString("en")} stored`,
    "good",
  );
}

/** @param {Globals} globals */
async function load({ LoadModelFromString }) {
  const packed = localStorage.getItem(KEY);
  if (!packed) throw new Error("Nothing is saved in this browser yet.");
  const text = await unpack(packed);
  const loaded = LoadModelFromString(text, MODEL_ID);
  if (typeof loaded === "string") throw new Error(loaded);
  const [blueprint = "{}"] = results(loaded.GetBlueprint(JSON.stringify([MODEL_ID])));
  const shape = sizes(JSON.parse(blueprint));
  const inputSize = shape[0] ?? NaN;
  const last = shape.at(-1) ?? NaN;
  log.add(`LoadModelFromString: ${shape.length - 1} layers`, "head");
  if (network && inputSize === inputs) {
    const input = Float32Array.from({ length: inputSize }, Math.random);
    const before = run(input).values;
    adopt(loaded, inputSize, last);
    const after = run(input).values;
    const same = before.length === after.length && before.every((value, i) => value === after[i]);
    element("same", HTMLElement).textContent = same ? "identical" : "different";
    log.add(
      same ? "Verified: the forward pass gives identical outputs." : "The network in use was another one.",
      same ? "good" : "",
    );
  } else {
    adopt(loaded, inputSize, last);
    element("same", HTMLElement).textContent = "restored";
  }
  element("shape", HTMLElement).textContent = shape.join(" → ");
  const [total] = results(loaded.GetTotalParameters());
  element("weights", HTMLElement).textContent = Number(total).toLocaleString("en");
}

function introspect() {
  /** @type {{method_name: string, parameters: {name: string, type: string}[], returns: string[], doc: string}[]} */
  const methods = JSON.parse(String(currentNetwork().GetMethods()));
  view.methods.replaceChildren(
    ...methods.map(({ method_name: name, parameters, returns, doc }) => {
      const row = make("tr");
      const cell = make("td");
      const result = returns.length > 1 ? ` (${returns.join(", ")})` : returns.length ? ` ${returns[0]}` : "";
      cell.append(make("code", `${name}(${parameters.map((p) => `${p.name} ${p.type}`).join(", ")})${result}`));
      row.append(cell, make("td", doc.split("\n")[0] ?? ""));
      return row;
    }),
  );
  element("methods-scroll", HTMLElement).hidden = false;
  element("methods-note", HTMLElement).textContent =
    `${methods.length} methods, found by reflection; nothing is listed by hand.`;
  log.add(`GetMethods: ${methods.length} methods`);
}
