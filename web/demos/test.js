/** The workbench: a network from edited JSON, inspected, run and trained in the worker. */

import { ConfigError, FormatError, isAbort } from "../loom.js";
import { LossChart } from "./chart.js";
import { placeOf } from "./json_path.js";
import { Log } from "./log.js";
import { patterns } from "./patterns.js";
import { deviceText, duration, element, integer, make, positive, showError, sizes, startSession } from "./ui_forms.js";

/** @typedef {import("../loom.js").Network} Network */

const ORIGINAL = JSON.stringify(
  {
    batch_size: 1,
    grid_rows: 1,
    grid_cols: 1,
    layers_per_cell: 3,
    layers: [
      { type: "dense", input_size: 10, output_size: 8, activation: "relu" },
      { type: "dense", input_size: 8, output_size: 4, activation: "relu" },
      { type: "dense", input_size: 4, output_size: 2, activation: "sigmoid" },
    ],
  },
  null,
  2,
).replace(/\{\n\s+"type"[^}]*\}/g, (layer) => layer.replace(/\s*\n\s*/g, " "));

const view = {
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  error: element("error", HTMLElement),
  config: element("config", HTMLTextAreaElement),
  configError: element("config-error", HTMLElement),
  result: element("result", HTMLElement),
  stop: element("stop", HTMLButtonElement),
  chart: element("chart", HTMLElement),
  gridRows: element("grid-rows", HTMLTableSectionElement),
};
const log = new Log(element("log", HTMLElement));
const chart = new LossChart(view.chart, 100);
const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
starting.then(
  ({ version }) => log.add(`LOOM ${version} is ready.`, "head"),
  (error) => log.fail(error),
);
/** @type {Network | null} */
let network = null;
/** @type {AbortController | null} */
let stopping = null;
let busy = false;

view.config.value = ORIGINAL;
element("create", HTMLFormElement).onsubmit = act(create);
element("train", HTMLFormElement).onsubmit = act(train);
element("methods", HTMLButtonElement).onclick = act(getMethods);
element("list", HTMLButtonElement).onclick = act(listMethods);
element("forward", HTMLButtonElement).onclick = act(forward);
element("info", HTMLButtonElement).onclick = act(networkInfo);
element("grid", HTMLButtonElement).onclick = act(gridScatter);
element("clear", HTMLButtonElement).onclick = () => log.clear();
element("reset", HTMLButtonElement).onclick = () => {
  view.config.value = ORIGINAL;
  configError();
};
view.stop.onclick = () => stopping?.abort();
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopping?.abort();
});

/**
 * One action at a time; errors are shown on the page and in the log.
 * @param {() => Promise<void>} action
 * @returns {(event: Event) => Promise<void>}
 */
function act(action) {
  return async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    showError(view.error);
    try {
      await action();
    } catch (error) {
      showError(view.error, error);
      log.fail(error);
    } finally {
      busy = false;
    }
  };
}

/** @returns {Network} */
function currentNetwork() {
  if (!network) throw new Error("There is no network yet. Press Create first.");
  return network;
}

async function create() {
  configError();
  const session = await starting;
  try {
    const fresh = await session.createNetwork(view.config.value);
    await network?.dispose();
    network = fresh;
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof FormatError)) throw error;
    configError(error);
    return;
  }
  const [layers, total] = [await network.call("TotalLayers"), await network.call("GetTotalParameters")];
  log.add(`Created a network of ${layers} layers, ${total.toLocaleString("en")} numbers.`, "good");
  view.result.textContent = `${layers} layers, ${total.toLocaleString("en")} numbers to train.`;
}

/**
 * Show what is wrong with the configuration, and where.
 * @param {ConfigError | FormatError} [error]
 */
function configError(error) {
  view.config.setAttribute("aria-invalid", String(Boolean(error)));
  if (!error) return showError(view.configError);
  const place = placeOf(view.config.value, error.where);
  const line = place ? view.config.value.slice(0, place[0]).split("\n").length : 0;
  showError(view.configError, new Error(`${line ? `Line ${line}: ` : ""}${error.text}`));
  log.fail(error);
  if (place) {
    view.config.focus();
    view.config.setSelectionRange(...place);
  }
}

async function getMethods() {
  const methods = await currentNetwork().call("GetMethods");
  const lines = methods.map((method) => {
    const {
      method_name: name,
      parameters,
      returns,
    } = /** @type {{method_name: string, parameters: {type: string}[], returns: string[]}} */ (method);
    return `${name}(${parameters.map((p) => p.type).join(", ")}) → ${returns.join(", ") || "nothing"}`;
  });
  answer(`${methods.length} methods`, lines.join("\n"));
}

async function listMethods() {
  const names = await currentNetwork().call("ListMethods");
  answer(`${names.length} names`, names.join(", "));
}

async function forward() {
  const size = await inputSize();
  const input = Float32Array.from({ length: size }, Math.random);
  const started = performance.now();
  const output = await currentNetwork().forward(input);
  const time = duration(performance.now() - started);
  answer(`Forward pass in ${time}`, `input  [${numbers(input)}]\noutput [${numbers(output)}]`);
}

async function networkInfo() {
  const [info, blueprint] = [
    await currentNetwork().call("GetNetworkInfo"),
    await currentNetwork().call("GetBlueprint"),
  ];
  answer("Network info", JSON.stringify({ ...info, blueprint }, null, 2));
}

/**
 * @param {string} title
 * @param {string} text
 */
function answer(title, text) {
  view.result.textContent = text;
  log.add(`${title}.`);
}

/** @param {Float32Array} values */
function numbers(values) {
  const shown = Array.from(values.subarray(0, 16), (v) => v.toFixed(3)).join(", ");
  return values.length > 16 ? `${shown}, … ${values.length} in all` : shown;
}

/** Values that the network takes. */
async function inputSize() {
  return sizes(await currentNetwork().call("GetBlueprint"))[0] || 1;
}

async function train() {
  const target = currentNetwork();
  const [epochs, count, rate] = [integer("epochs"), integer("samples"), positive("rate")];
  const inputs = await inputSize();
  const outputs = (await target.forward(new Float32Array(inputs))).length;
  const samples = patterns(count, inputs, outputs);
  chart.epochs = epochs;
  chart.clear();
  stopping = new AbortController();
  view.stop.disabled = false;
  log.add(`Training: ${count} samples, ${epochs} epochs, learning rate ${rate}`, "head");
  let first = NaN;
  let last = NaN;
  let nextReport = 0;
  try {
    const result = await target.train(
      samples,
      { epochs, learningRate: rate, gradientClip: 1 },
      {
        signal: stopping.signal,
        onProgress({ epoch, loss, losses }) {
          if (Number.isNaN(first)) first = losses[0] ?? loss;
          last = loss;
          chart.add(losses);
          element("epoch", HTMLElement).textContent = `${epoch} / ${epochs}`;
          element("loss", HTMLElement).textContent = loss.toFixed(6);
          element("improvement", HTMLElement).textContent = `${((1 - loss / first) * 100).toFixed(2)} %`;
          if (epoch >= nextReport) {
            log.add(`Epoch ${epoch}/${epochs}: loss ${loss.toFixed(6)}`);
            nextReport = epoch + epochs / 10;
          }
        },
      },
    );
    log.add(
      `Trained in ${duration(result.TotalTime / 1e6)}: ${first.toFixed(6)} → ${result.FinalLoss.toFixed(6)}`,
      "good",
    );
  } catch (error) {
    if (!isAbort(error)) throw error;
    log.add("Stopped; the network keeps what it learned.");
  } finally {
    stopping = null;
    view.stop.disabled = true;
  }
  view.chart.setAttribute("aria-label", `Loss from ${first.toFixed(4)} to ${last.toFixed(4)}`);
  await validate(target, inputs, outputs);
}

/**
 * Samples that were not trained on.
 * @param {Network} trained
 * @param {number} inputs
 * @param {number} outputs
 */
async function validate(trained, inputs, outputs) {
  const fresh = patterns(40, inputs, outputs);
  let right = 0;
  for (const { input, expected } of fresh) {
    const output = await trained.forward(input);
    right += Number(
      (output.length > 1 ? output.indexOf(Math.max(...output)) : Math.round(1 - (output[0] ?? 0))) === expected,
    );
  }
  element("right", HTMLElement).textContent = `${right} of ${fresh.length}`;
  log.add(`Validation on ${fresh.length} new samples: ${right} right`, right > fresh.length * 0.9 ? "good" : "");
}

async function gridScatter() {
  const session = await starting;
  const demo = await (await fetch("examples/grid_scatter.json")).json();
  const agents = await session.createNetwork(demo.network);
  try {
    /** @type {{input: number[], target: number[]}[]} */
    const batches = demo.batches.map((/** @type {{Input: number[], Target: number[]}} */ b) => ({
      input: b.Input,
      target: b.Target,
    }));
    log.add("Grid scatter: a dense pair, an LSTM and an RNN, 800 epochs", "head");
    const result = await agents.train(
      batches,
      { epochs: 800, learningRate: 0.15, gradientClip: 1 },
      {
        onProgress: ({ epoch, loss }) =>
          (element("grid-after", HTMLElement).textContent = `${loss.toFixed(6)} (${epoch})`),
      },
    );
    const before = result.LossHistory[0] ?? NaN;
    element("grid-before", HTMLElement).textContent = before.toFixed(6);
    element("grid-after", HTMLElement).textContent = result.FinalLoss.toFixed(6);
    element("grid-time", HTMLElement).textContent = duration(result.TotalTime / 1e6);
    const rows = [];
    for (const [i, { input, target }] of batches.entries()) {
      const output = await agents.forward(input);
      const predicted = output.indexOf(Math.max(...output));
      const expected = target.indexOf(Math.max(...target));
      const row = make("tr");
      row.append(
        make("td", String(i)),
        make("td", Array.from(output, (v) => v.toFixed(3)).join(", ")),
        make("td", `${predicted} ${predicted === expected ? "✓" : "✗"}`, predicted === expected ? "right" : "wrong"),
        make("td", String(expected)),
      );
      rows.push(row);
    }
    view.gridRows.replaceChildren(...rows);
    log.add(
      `Grid scatter: ${before.toFixed(6)} → ${result.FinalLoss.toFixed(6)}, ${((1 - result.FinalLoss / before) * 100).toFixed(2)} % better`,
      "good",
    );
  } finally {
    await agents.dispose();
  }
}
