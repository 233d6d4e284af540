/** Grid scatter: build, train, watch, evaluate, save and reload, all through the promise API. */

import { isAbort } from "../loom.js";
import { LossChart } from "./chart.js";
import { LivePanel } from "./live_panel.js";
import { deviceText, duration, element, make, showError, size, startSession } from "./ui.js";

/** @typedef {import("../loom.js").Network} Network */

const EPOCHS = 800;
const TRAINING = { epochs: EPOCHS, learningRate: 0.15, gradientClip: 1, lossType: "mse" };
const MODEL_ID = "grid_scatter";
const BUCKETS = ["0-10%", "10-20%", "20-30%", "30-40%", "40-50%", "50-100%", "100%+"];

const CONFIG = {
  batch_size: 1,
  grid_rows: 1,
  grid_cols: 3,
  layers_per_cell: 1,
  layers: [
    { type: "dense", input_size: 8, output_size: 16, activation: "relu" },
    {
      type: "parallel",
      combine_mode: "grid_scatter",
      grid_output_rows: 3,
      grid_output_cols: 1,
      grid_output_layers: 1,
      grid_positions: [0, 1, 2].map((i) => ({ branch_index: i, target_row: i, target_col: 0, target_layer: 0 })),
      branches: [
        {
          type: "parallel",
          combine_mode: "add",
          branches: [
            { type: "dense", input_size: 16, output_size: 8, activation: "relu" },
            { type: "dense", input_size: 16, output_size: 8, activation: "gelu" },
          ],
        },
        { type: "lstm", input_size: 16, hidden_size: 8, seq_length: 1 },
        { type: "rnn", input_size: 16, hidden_size: 8, seq_length: 1 },
      ],
    },
    { type: "dense", input_size: 24, output_size: 2, activation: "sigmoid" },
  ],
};

const SAMPLES = [
  { halves: [0.2, 0.8], expected: 0 },
  { halves: [0.9, 0.1], expected: 1 },
  { halves: [0.7, 0.3], expected: 1 },
  { halves: [0.3, 0.7], expected: 0 },
].map(({ halves: [a = 0, b = 0], expected }) => ({
  label: `${a} | ${b}`,
  input: [a, a, a, a, b, b, b, b],
  target: expected === 0 ? [1, 0] : [0, 1],
  expected,
}));

const view = {
  form: element("form", HTMLFormElement),
  seed: element("seed", HTMLInputElement),
  dice: element("dice", HTMLButtonElement),
  train: element("train", HTMLButtonElement),
  stop: element("stop", HTMLButtonElement),
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  error: element("error", HTMLElement),
  chart: element("chart", HTMLElement),
  epoch: element("epoch", HTMLElement),
  loss: element("loss", HTMLElement),
  improvement: element("improvement", HTMLElement),
  time: element("time", HTMLElement),
  predictions: element("predictions", HTMLTableSectionElement),
  score: element("score", HTMLElement),
  deviation: element("deviation", HTMLElement),
  failures: element("failures", HTMLElement),
  buckets: element("buckets", HTMLTableSectionElement),
  save: element("save", HTMLButtonElement),
  download: element("download", HTMLAnchorElement),
  reload: element("reload", HTMLButtonElement),
  size: element("size", HTMLElement),
  difference: element("difference", HTMLElement),
  verdict: element("verdict", HTMLElement),
};

const inside = element("inside", HTMLDetailsElement);
const live = new LivePanel();
const chart = new LossChart(view.chart, EPOCHS);
const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
starting.catch(() => {});
/** @type {Network | null} */
let network = null;
/** @type {AbortController | null} */
let stopping = null;
let saved = "";

showPredictions([]);
showBuckets(null);
view.dice.onclick = () => (view.seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0]));
view.stop.onclick = () => stopping?.abort();
view.form.onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  void guarded(train);
};
inside.ontoggle = () => void lookInside();
view.save.onclick = () => guarded(save);
view.reload.onclick = () => guarded(reload);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopping?.abort();
});

/**
 * Run one action at a time; errors are shown on the page.
 * @param {() => Promise<void>} action
 */
async function guarded(action) {
  showError(view.error);
  setBusy(true);
  try {
    await action();
  } catch (error) {
    view.status.textContent = "";
    showError(view.error, error);
  } finally {
    setBusy(false);
  }
}

/** @param {boolean} busy */
function setBusy(busy) {
  view.train.disabled = busy;
  view.save.disabled = busy || !network;
  view.reload.disabled = busy || !saved;
}

async function train() {
  const seed = Number(view.seed.value);
  if (view.seed.value.trim() === "" || !Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    view.seed.focus();
    throw new RangeError("The seed is a whole number from 0 to 4294967295.");
  }
  const session = await starting;
  live.detach();
  await network?.dispose();
  network = null;
  saved = "";
  forgetResults();
  network = await session.createNetwork(CONFIG, { seed });
  await lookInside();
  stopping = new AbortController();
  view.stop.disabled = false;
  view.bar.hidden = false;
  view.bar.max = EPOCHS;
  view.bar.value = 0;
  const started = performance.now();
  let first = NaN;
  let done = 0;
  try {
    await network.train(SAMPLES, TRAINING, {
      signal: stopping.signal,
      onProgress({ epoch, loss, losses }) {
        if (Number.isNaN(first)) first = losses[0] ?? loss;
        done = epoch;
        chart.add(losses);
        view.bar.value = epoch;
        view.status.textContent = `Training, seed ${seed}`;
        view.epoch.textContent = `${epoch} / ${EPOCHS}`;
        view.loss.textContent = loss.toFixed(6);
        view.loss.dataset.value = String(loss);
        view.improvement.textContent = `${((1 - loss / first) * 100).toFixed(2)} %`;
        view.time.textContent = duration(performance.now() - started);
      },
    });
    const took = duration(performance.now() - started);
    const { device, reason } = await network.call("GetDevice");
    view.status.textContent = `Trained with seed ${seed} in ${took} on ${device} (${reason}).`;
  } catch (error) {
    if (!isAbort(error)) throw error;
    view.status.textContent = `Stopped after epoch ${done}; the network keeps what it learned.`;
  } finally {
    stopping = null;
    view.stop.disabled = true;
    view.bar.hidden = true;
  }
  view.chart.setAttribute(
    "aria-label",
    `Loss over ${done} epochs, from ${first.toFixed(4)} to ${view.loss.textContent}`,
  );
  await show(network);
}

/** Watch the network's layers while the panel is open; watching costs time, which a closed panel does not. */
async function lookInside() {
  if (!inside.open || !network) return live.detach();
  element("inside-note", HTMLElement).hidden = true;
  return live.attach(network);
}

/** @param {Network} trained */
async function show(trained) {
  showPredictions(await outputs(trained));
  const metrics = await trained.evaluate(
    SAMPLES.map((s) => s.input),
    SAMPLES.map((s) => s.expected),
  );
  view.score.textContent = `${metrics.score.toFixed(1).replace(/\.0$/, "")} / 100`;
  view.deviation.textContent = `${metrics.avg_deviation.toFixed(2)} %`;
  view.failures.textContent = `${metrics.failures} of ${metrics.total_samples}`;
  showBuckets(metrics);
}

/** @param {Network} from */
function outputs(from) {
  return Promise.all(SAMPLES.map((sample) => from.forward(sample.input)));
}

/** @param {Float32Array[]} results per sample; none before training */
function showPredictions(results) {
  const rows = SAMPLES.map(({ label, expected }, i) => {
    const output = results[i];
    const row = document.createElement("tr");
    const predicted = output ? output.indexOf(Math.max(...output)) : -1;
    const right = predicted === expected;
    const mark = make("td", output ? (right ? "✓" : "✗") : "", right ? "right" : "wrong");
    if (output) mark.setAttribute("aria-label", right ? "right" : "wrong");
    const text = output ? Array.from(output, (v) => v.toFixed(3)).join(", ") : "—";
    row.append(
      make("td", label),
      make("td", text),
      make("td", output ? String(predicted) : "—"),
      make("td", String(expected)),
      mark,
    );
    return row;
  });
  view.predictions.replaceChildren(...rows);
}

/** @param {import("../loom.js").Metrics | null} metrics */
function showBuckets(metrics) {
  const rows = BUCKETS.map((name) => {
    const count = metrics?.buckets[name]?.count ?? 0;
    const row = document.createElement("tr");
    const head = make("th", name.replace("-", "–").replace("%", " %"));
    head.scope = "row";
    const meter = document.createElement("meter");
    meter.max = metrics?.total_samples ?? SAMPLES.length;
    meter.value = count;
    meter.setAttribute("aria-label", `${count} samples`);
    const bar = document.createElement("td");
    bar.append(meter);
    row.append(head, bar, make("td", metrics ? String(count) : ""));
    return row;
  });
  view.buckets.replaceChildren(...rows);
}

async function save() {
  if (!network) return;
  saved = await network.save(MODEL_ID);
  const blob = new Blob([saved], { type: "application/json" });
  URL.revokeObjectURL(view.download.href);
  view.download.href = URL.createObjectURL(blob);
  view.download.hidden = false;
  view.size.textContent = size(blob.size);
}

async function reload() {
  if (!network) return;
  const session = await starting;
  const again = await session.loadNetwork(saved, MODEL_ID);
  try {
    const [before, after] = await Promise.all([outputs(network), outputs(again)]);
    const differences = before.flatMap((values, i) =>
      Array.from(values, (v, k) => Math.abs(v - (after[i]?.[k] ?? NaN))),
    );
    const largest = Math.max(...differences);
    view.difference.textContent = String(largest);
    view.verdict.textContent = largest === 0 ? "identical, bit for bit" : "different";
    view.verdict.className = largest === 0 ? "right" : "wrong";
  } finally {
    await again.dispose();
  }
}

function forgetResults() {
  chart.clear();
  showPredictions([]);
  showBuckets(null);
  view.download.hidden = true;
  const places = [
    view.loss,
    view.improvement,
    view.time,
    view.score,
    view.deviation,
    view.failures,
    view.size,
    view.difference,
    view.verdict,
  ];
  for (const place of places) place.textContent = "—";
  delete view.loss.dataset.value;
  view.verdict.className = "";
  view.epoch.textContent = `0 / ${EPOCHS}`;
}
