/** The live view: a grid of any size, stepped or trained in the worker, drawn as it works. */

import { isAbort } from "../loom.js";
import { LivePanel } from "./live_panel.js";
import { deviceText, element, integer, showError, startSession } from "./ui_forms.js";

/** @typedef {import("../loom.js").Network} Network */

const WIDTH = 8;
const MOST = 2000;
/** Ticks from one pulse at the input to the next, and how long each lasts. */
const PULSE = { every: 60, lasts: 6 };
const SAMPLES = [0, 1, 2, 3].map((i) => ({
  input: Float32Array.from({ length: WIDTH }, (_, k) => Math.sin((i + 1) * (k + 1))),
  target: Float32Array.from({ length: WIDTH }, (_, k) => 0.5 * Math.cos((i + 1) * (k + 2))),
}));

const view = {
  form: element("form", HTMLFormElement),
  step: element("step", HTMLButtonElement),
  train: element("train", HTMLButtonElement),
  stop: element("stop", HTMLButtonElement),
  status: element("status", HTMLElement),
  error: element("error", HTMLElement),
  count: element("count", HTMLElement),
  workName: element("work-name", HTMLElement),
  work: element("work", HTMLElement),
  rate: element("rate", HTMLElement),
  loss: element("loss", HTMLElement),
};
const panel = new LivePanel();
const starting = startSession({ text: view.status, bar: element("progress", HTMLProgressElement), ready: deviceText });
starting.catch(() => {});
/** @type {Network | null} */
let network = null;
/** @type {AbortController | null} */
let stopping = null;
let currentKey = "";

view.form.onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const training = event.submitter === view.train;
  void guarded(training ? train : step);
};
view.stop.onclick = () => stopping?.abort();
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopping?.abort();
});

/** @param {(network: Network, signal: AbortSignal) => Promise<void>} work */
async function guarded(work) {
  if (stopping) return;
  showError(view.error);
  stopping = new AbortController();
  view.step.disabled = view.train.disabled = true;
  view.stop.disabled = false;
  const counting = setInterval(showRate, 500);
  try {
    await work(await create(), stopping.signal);
  } catch (error) {
    if (!isAbort(error)) showError(view.error, error);
    else view.status.textContent = "Stopped.";
  } finally {
    clearInterval(counting);
    stopping = null;
    view.step.disabled = view.train.disabled = false;
    view.stop.disabled = true;
  }
}

/** The network that the form describes; the current one if nothing changed. @returns {Promise<Network>} */
async function create() {
  const [rows, cols, layers, seed] = [integer("rows"), integer("cols"), integer("layers"), integer("seed")];
  const total = rows * cols * layers;
  if (total > MOST) throw new RangeError(`${rows} × ${cols} × ${layers} are ${total} layers; at most ${MOST}, please.`);
  const session = await starting;
  const key = [rows, cols, layers, seed].join();
  if (network && currentKey === key) return network;
  view.status.textContent = `Making ${total} layers…`;
  await network?.dispose();
  network = null;
  network = await session.createNetwork(config(rows, cols, layers), { seed });
  currentKey = key;
  view.count.textContent = total.toLocaleString("en");
  await panel.attach(network);
  return network;
}

/**
 * Dense layers, each followed by one that adds the dense layer's own input again: so that signals and gradients do not vanish.
 * @param {number} rows
 * @param {number} cols
 * @param {number} each
 */
function config(rows, cols, each) {
  const dense = { type: "dense", input_size: WIDTH, output_size: WIDTH, activation: "tanh" };
  const layers = Array.from({ length: rows * cols * each }, (_, i) => (i % 2 ? { type: "residual" } : dense));
  return { grid_rows: rows, grid_cols: cols, layers_per_cell: each, layers };
}

let before = { drawn: 0, at: 0 };

function showRate() {
  const now = { drawn: panel.view?.drawn ?? 0, at: performance.now() };
  view.rate.textContent = String(Math.round((1000 * (now.drawn - before.drawn)) / (now.at - before.at)));
  before = now;
}

/**
 * Ticks until stopped, one after the other; pictures arrive as they are drawn.
 * @param {Network} stepped
 * @param {AbortSignal} signal
 */
async function step(stepped, signal) {
  const state = await stepped.createStepState(WIDTH);
  view.status.textContent = "Stepping: a pulse enters at the first cell.";
  view.workName.textContent = "Ticks";
  view.loss.textContent = "—";
  try {
    for (let tick = 0; !signal.aborted; tick++) {
      const on = tick % PULSE.every < PULSE.lasts;
      await Promise.all([state.setInput(new Float32Array(WIDTH).fill(on ? 1 : 0)), state.stepForward()]);
      view.work.textContent = tick.toLocaleString("en");
    }
    view.status.textContent = "Stopped.";
  } finally {
    await state.dispose();
  }
}

/**
 * Training until stopped.
 * @param {Network} trained
 * @param {AbortSignal} signal
 */
async function train(trained, signal) {
  view.status.textContent = "Training four samples.";
  view.workName.textContent = "Epochs";
  await trained.train(
    SAMPLES,
    { epochs: 1_000_000, learningRate: 0.02, gradientClip: 1 },
    {
      signal,
      onProgress({ epoch, loss }) {
        view.work.textContent = epoch.toLocaleString("en");
        view.loss.textContent = loss.toPrecision(4);
      },
    },
  );
}
